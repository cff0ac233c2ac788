"""Lines of whole batches, at speed: sysdig's look and strace's.

    220 17:35:48.514682170 0 curl (17497) < openat fd=3(<f>/etc/ld.so.cache) dirfd=-100(AT_FDCWD) pathname=… flags=…

One loop runs over a batch's columns; no object is made for an event. Only rows that change what is known of processes
go through the tracker. What needs more (filters, formats, colours, enter lines, continued events) goes event by event
(:meth:`LinePrinter.event_line`), and looks the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from retrograde.events import Event, EventFlag, Kind
from retrograde.printer.arguments import (
    event_type,
    exit_text,
    format_info,
    other_pairs,
    renderer,
    signal_details,
    type_name,
)
from retrograde.printer.colours import PLAIN, Palette
from retrograde.printer.merger import Merger
from retrograde.printer.renderer import Formatter, Renderer, Segments
from retrograde.printer.shapes import shapes
from retrograde.printer.times import NS, ClockPrefixes, SecondPrefixes, clock_text, time_texts
from retrograde.state import Process, Tracker
from retrograde.state.calls import of_success
from retrograde.state.changes import NUMBERS, Changes
from retrograde.state.tracker import segment_tuples
from retrograde.syscalls import Syscall

if TYPE_CHECKING:
    from retrograde.recording.batch import Batch

# Plain numbers: an enumeration's operators are slow.
_COMPAT = int(EventFlag.COMPAT)
_MORE = int(EventFlag.MORE)


_KEPT_BYTES = 16384  # of an argument's memory: no line shows more
_RENAMING = ("clone", "clone3", "fork", "vfork", "prctl")  # calls after which a thread may be called otherwise
_SLOW_FLAGS = _COMPAT | _MORE


@dataclass(frozen=True, slots=True)
class LineStyle:
    """How lines look.

    Attributes:
        look: `sysdig` or `strace`.
        time: one of :data:`retrograde.printer.times.TIME_FORMATS`; None for the look's own (strace: no time).
        latency: whether each call's time is shown.
        palette: colours.
    """

    look: str = "sysdig"
    time: str | None = None
    latency: bool = False
    palette: Palette = PLAIN


class Formatters(dict[int, Formatter]):
    """What formats the calls of each number, made when first asked for; for unknown numbers there is none."""

    def __init__(self, render: Renderer, make: Callable[[Syscall], Formatter]) -> None:
        super().__init__()
        self._render = render
        self._make = make

    def __missing__(self, nr: int) -> Formatter:
        made = self[nr] = self._formatter(nr)
        return made

    def _formatter(self, nr: int) -> Formatter:
        table, make = self._render.table, self._make
        if not table.choosers(nr):
            return make(table.calls[nr])
        choose = table.choose
        made: dict[int, Formatter] = {}

        def dispatch(r: int, a0: int, a1: int, a2: int, a3: int, a4: int, a5: int, s: Segments, p: Process) -> str:
            line = choose(nr, (a0, a1, a2, a3, a4, a5))
            assert line is not None
            formatter = made.get(id(line))
            if formatter is None:
                formatter = made[id(line)] = make(line)
            return formatter(r, a0, a1, a2, a3, a4, a5, s, p)

        return dispatch


# LINE is replaced by the look's own. `what` is negative where a row is a line alone; else it is the row's index, and in
# the lowest bits what the row needs.
_SHAPELESS, _HANDLED, _TRACKED, _BITS = 1, 2, 4, 3
_LOOP = """
def loop(rows, views, make_view, formatters, memory, segments_of, append, handle, tracker, handlers):
    for what, num, time, cpu, nr, pid, tid, f, r, duration, a0, a1, a2, a3, a4, a5, start in rows:
        if what < 0:
            try:
                label, P = views[tid]
            except KeyError:
                label, P = make_view(pid, tid)
            append(f"LINE")
            continue
        if what & 2:
            handle(what >> 3)
            continue
        try:
            label, P = views[tid]
        except KeyError:
            label, P = make_view(pid, tid)
        S = segments_of(what >> 3)
        if what & 4:
            args = (a0, a1, a2, a3, a4, a5)
            handler, late_handler = handlers[nr]
            if handler is not None:
                handler(tracker, P, tid, r, args, S)
        else:
            late_handler = None
        if what & 1:
            append(f"WHOLE")
        else:
            append(f"LINE")
        if late_handler is not None:
            late_handler(tracker, P, tid, r, args, S)
"""
_SHAPED = "{f(r, a0, a1, a2, a3, a4, a5, memory, start, P)}"
_WHOLE = "{formatters[nr](r, a0, a1, a2, a3, a4, a5, S, P)}"


def _template(style: LineStyle, call: str) -> str:
    if style.look == "strace":
        time = "{time} " if style.time is not None else ""
        return "{tid} " + time + call + (" <{duration / 1e9:.9f}>" if style.latency else "")
    return "{num} {time} {cpu} {label} < " + call + (" latency={duration}ns" if style.latency else "")


class LinePrinter:
    """Formats the events of a recording as lines.

    Args:
        tracker: has seen everything before the first batch that is fed.
        style: how the lines look.
    """

    def __init__(self, tracker: Tracker, style: LineStyle | None = None) -> None:
        self.tracker = tracker
        self.style = style or LineStyle()
        self.merger = Merger()
        self._render = renderer(tracker.table.arch, self.style.look)
        make = self._render.strace if self.style.look == "strace" else self._render.line
        self._formatters = Formatters(self._render, make)
        self._time = self.style.time or "h"
        self._prefixes: dict[int, str] = ClockPrefixes() if self._time == "h" else SecondPrefixes()
        self._previous: int | None = None
        self._views: dict[int, tuple[str, Process]] = {}
        names = tracker.table.by_name
        self._renaming = {names[name].number for name in _RENAMING if name in names}
        self._known = np.zeros(NUMBERS, np.bool_)
        self._known[[nr for nr in tracker.table.calls if 0 <= nr < NUMBERS - 1]] = True
        self._renames = np.zeros(NUMBERS, np.bool_)
        self._renames[list(self._renaming)] = True
        self._changes = Changes(tracker.table)
        # Only calls that change something come to them.
        self._handlers = {
            nr: (of_success(tracker.handlers.get(nr)), of_success(tracker.late_handlers.get(nr)))
            for nr in {*tracker.handlers, *tracker.late_handlers}
        }
        self._shapes = shapes(self._render, "strace" if self.style.look == "strace" else "line", _KEPT_BYTES)
        namespace: dict[str, Any] = {}
        source = _LOOP.replace("LINE", _template(self.style, _SHAPED)).replace("WHOLE", _template(self.style, _WHOLE))
        exec(source, namespace)
        self._loop = namespace["loop"]

    # ---- batches ----

    def feed(self, batch: Batch) -> list[str]:
        """Return the lines of a batch's events, and note what they change.

        An event that is continued in the next batch holds back its line and those behind it.
        """
        continued = bool((batch.flags & _MORE).any())
        if self.merger.holding or continued or self.style.palette is not PLAIN:
            return [line for event in self.merger.feed(batch) for line in self._tracked(event)]
        return self._feed_columns(batch)

    def flush(self) -> list[str]:
        """Return the lines that were held back, at the end of the recording."""
        return [line for event in self.merger.flush() for line in self._tracked(event)]

    def _tracked(self, event: Event) -> Iterator[str]:
        self.tracker.apply(event)
        line = self.event_line(event)
        self.tracker.settle()
        self._views.clear()
        if line is not None:
            yield line

    def _feed_columns(self, batch: Batch) -> list[str]:
        self.tracker.settle()
        if not batch.count:
            return []
        exits = batch.exit
        context = self.tracker.context
        if context.start_ns is None:
            context.start_ns = int(exits[0])
        lines: list[str] = []
        nr = batch.nr
        numbers = np.where((nr >= 0) & (nr < NUMBERS), nr, NUMBERS - 1)
        plain = (batch.kind == Kind.SYSCALL) & ((batch.flags & _SLOW_FLAGS) == 0) & self._known[numbers]
        tracked = self._changes.calls(batch)
        plain &= ~(tracked & self._renames[numbers])
        formatters = self._shapes.formatters(batch, plain)
        shapeless = np.zeros(batch.count, np.bool_)
        if None in formatters:
            shapeless[[row for row, formatter in enumerate(formatters) if formatter is None]] = True
        what = np.arange(batch.count) << _BITS | np.where(shapeless, _SHAPELESS, 0) | np.where(tracked, _TRACKED, 0)
        what[~plain] |= _HANDLED
        what[plain & ~tracked & ~shapeless] = -1
        times = self._times(exits, batch.duration)
        columns = _Columns(batch)

        def handle(index: int) -> None:
            line = self._special_line(columns, index, times[index])
            if line is not None:
                lines.append(line)

        rows = zip(
            what.tolist(), range(batch.first_seq, batch.first_seq + batch.count), times, columns.cpu, columns.nr,
            columns.pid, columns.tid, formatters, columns.result,
            columns.duration if self.style.latency else repeat(0), *columns.args, columns.starts,
            strict=False,
        )  # fmt: skip
        self._loop(
            rows,
            self._views,
            self._view,
            self._formatters,
            columns.data,
            columns.segments,
            lines.append,
            handle,
            self.tracker,
            self._handlers,
        )
        context.previous_ns = context.current_ns
        context.current_ns = int(exits[-1])
        return lines

    def _times(self, exits: NDArray[np.uint64], durations: NDArray[np.uint64]) -> list[str]:
        """Return what the time column shows."""
        if self.style.look == "strace" and self.style.time is None:
            return [""] * len(exits)
        if self._time == "d":
            shown = durations.astype(np.int64)
        elif self._time == "D":
            first = np.uint64(self._previous if self._previous is not None else exits[0])
            times = np.concatenate((np.array([first]), exits)).astype(np.int64)
            shown = np.maximum(times[1:] - times[:-1], 0)  # CPUs are merged as nearly in order as the capture could
        else:
            context = self.tracker.context
            offset = -(context.start_ns or 0) if self._time == "r" else context.realtime_offset
            shown = exits.astype(np.int64) + np.int64(offset)
            if self._time == "r":
                shown = np.maximum(shown, 0)
        self._previous = int(exits[-1])
        return time_texts(shown, self._prefixes)

    def _view(self, pid: int, tid: int) -> tuple[str, Process]:
        process = self.tracker.process_of(pid, tid)
        if len(self._views) > 65536:
            self._views.clear()
        view = self._views[tid] = (process.labels[tid], process)
        return view

    def _special_line(self, columns: _Columns, index: int, time: str) -> str | None:
        """Return the line of a row that changes the state, or is no call of the table."""
        tracker = self.tracker
        kind, flags, nr = columns.kind[index], columns.flags[index], columns.nr[index]
        pid, tid, result = columns.pid[index], columns.tid[index], columns.result[index]
        if kind == Kind.DATA:
            return None
        args = tuple([column[index] for column in columns.args])
        segments = columns.segments(index)
        process = tracker.process_of(pid, tid)
        if kind == Kind.SYSCALL:
            tracker.apply_call(flags, process, tid, nr, result, args, segments)
        elif kind != Kind.ENTER:
            tracker.apply_other(kind, pid, tid, columns.exit[index], args, segments)
            process = tracker.process_of(pid, tid)
        label = process.labels[tid]
        line: str | None
        if kind == Kind.SYSCALL and not flags & _COMPAT and nr in tracker.table.calls:
            text = self._formatters[nr](result, *args, segments, process)
        else:
            found = self._other_text(kind, flags, nr, result, args, segments, process)
            text = found if found is not None else ""
        line = None
        if text:
            number, cpu = columns.first_seq + index, columns.cpu[index]
            line = self._compose(kind, number, time, cpu, tid, label, text, columns.duration[index])
        tracker.settle()
        if kind != Kind.SYSCALL or nr in self._renaming or flags:
            self._views.clear()
        return line

    def _compose(
        self, kind: int, number: int, time: str, cpu: int, tid: int, label: str, text: str, duration: int
    ) -> str:
        timed = self.style.latency and kind == Kind.SYSCALL
        if self.style.look == "strace":
            before = f"{tid} {time} " if self.style.time is not None else f"{tid} "
            return before + text + (f" <{duration / 1e9:.9f}>" if timed else "")
        direction = ">" if kind == Kind.ENTER else "<"
        return f"{number} {time} {cpu} {label} {direction} {text}" + (f" latency={duration}ns" if timed else "")

    # ---- texts of what is no completed call of the table ----

    def _other_text(
        self, kind: int, flags: int, nr: int, result: int, args: tuple[int, ...], segments: Segments, process: Process
    ) -> str | None:
        call = None
        if kind == Kind.ENTER and not flags & _COMPAT:
            call = self.tracker.table.choose(nr, args)
        if self.style.look == "strace":
            return self._strace_text(call, kind, flags, nr, result, args, segments, process)
        if call is not None:
            info = self._render.entry(call)(result, *args, segments, process)
            return f"{call.name} {info}" if info else call.name
        pairs = other_pairs(self._render, kind, flags, nr, result, args, segments, process)
        name = type_name(self.tracker.table, kind, flags, nr)
        return " ".join([name, *(f"{name}={text}" for name, text in pairs)])

    def _strace_text(
        self,
        call: Syscall | None,
        kind: int,
        flags: int,
        nr: int,
        result: int,
        args: tuple[int, ...],
        segments: Segments,
        process: Process,
    ) -> str | None:
        """Return strace's text; forks, execs and switches have none: the calls behind them tell it."""
        render = self._render
        if call is not None:
            return render.strace_entry(call)(result, *args, segments, process) + (
                ") = ?" if call.noreturn else " <unfinished ...>"
            )
        if kind in (Kind.SYSCALL, Kind.ENTER):
            shown = ", ".join(f"{value:#x}" for value in args)
            end = render.strace_error(result) if -4095 <= result < 0 else str(result)
            abi = "/* 32-bit */ " if flags & _COMPAT else ""
            return f"{abi}{type_name(self.tracker.table, kind, flags, nr)}({shown}) = " + (
                "?" if kind == Kind.ENTER else end
            )
        if kind == Kind.SIGNAL:
            name = render.table.signals.get(nr, str(nr))
            details = ", ".join(f"si_{key}={value}" for key, value in signal_details(render, nr, args))
            return f"--- {name} {{si_signo={name}, {details}}} ---"
        if kind == Kind.EXIT:
            words = exit_text(render, result)
            words = words.replace("exited", "exited with", 1).replace("killed", "killed by", 1)
            return f"+++ {words} +++"
        return None

    # ---- single events ----

    def time_text(self, event: Event) -> str:
        """Return what the time column shows for an event; for `D` it counts as the line before from now on."""
        context = self.tracker.context
        if self._time == "d":
            shown = event.latency
        elif self._time == "D":
            shown = max(0, event.exit - self._previous) if self._previous is not None else 0
        elif self._time == "r":
            shown = max(0, event.exit - (context.start_ns or 0))
        else:
            shown = event.exit + context.realtime_offset
        self._previous = event.exit
        second, ns = divmod(shown, NS)
        return f"{self._prefixes[second]}{ns:09d}"

    def event_line(self, event: Event) -> str | None:
        """Return the line of an event that the tracker has just seen, None where this look has none for it."""
        process = event.process
        assert process is not None, "the tracker comes first"
        segments = segment_tuples(event.segments)
        label = process.labels[event.tid]
        text: str | None
        if event.syscall is not None and event.kind == Kind.SYSCALL:
            text = self._formatters[event.nr](event.result, *event.args, segments, process)
        else:
            text = self._other_text(event.kind, event.flags, event.nr, event.result, event.args, segments, process)
        if text is None:
            return None
        time = self.time_text(event)
        if self.style.palette is not PLAIN:
            return self._coloured(event, time, label, text)
        return self._compose(event.kind, event.seq, time, event.cpu, event.tid, label, text, event.latency)

    def _coloured(self, event: Event, time: str, label: str, text: str) -> str:
        colours = self.style.palette
        end = colours.end
        if self.style.look == "strace":
            if event.failed:
                head, _, tail = text.rpartition(" = ")
                text = f"{head} = {colours.error}{tail}{end}"
            return self._compose(event.kind, event.seq, time, event.cpu, event.tid, label, text, event.latency)
        name, blank, info = text.partition(" ")
        if event.failed:
            result, gap, rest = info.partition(" ")
            info = f"{colours.error}{result}{end}{gap}{rest}"
        main = colours.type if event.kind in (Kind.SYSCALL, Kind.ENTER) else colours.other
        direction = ">" if event.kind == Kind.ENTER else "<"
        latency = f" {colours.time}latency={event.latency}ns{end}" if self._shows_latency(event) else ""
        return (
            f"{colours.number}{event.seq}{end} {colours.time}{time}{end} {event.cpu} "
            f"{colours.thread}{label}{end} {direction} {main}{name}{end}{blank}{info}{latency}"
        )

    def _shows_latency(self, event: Event) -> bool:
        return self.style.latency and event.kind == Kind.SYSCALL


class _Columns:
    """A batch's columns as lists, for random access."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self.first_seq = batch.first_seq
        self.cpu = batch.cpu.tolist()
        self.nr = batch.nr.tolist()
        self.pid = batch.pid.tolist()
        self.tid = batch.tid.tolist()
        self.result = batch.result.tolist()
        self.args: list[list[int]] = [column.tolist() for column in batch.args]
        self.starts: list[int] = batch.segment_start.tolist()
        self.data: list[bytes] = self._pieces(batch) if batch.segment_total else []

    @staticmethod
    def _pieces(batch: Batch) -> list[bytes]:
        heap, offsets = batch.heap, batch.segment_offset
        lengths = batch.segment_length.astype(np.int64)
        # Arguments and environment of an exec (16 and more) are kept whole.
        ends = offsets[:-1] + np.where(batch.segment_arg < 6, np.minimum(lengths, _KEPT_BYTES), lengths)
        return [heap[start:end] for start, end in zip(offsets.tolist(), ends.tolist(), strict=False)]

    @cached_property
    def kind(self) -> list[int]:
        values: list[int] = self._batch.kind.tolist()
        return values

    @cached_property
    def flags(self) -> list[int]:
        values: list[int] = self._batch.flags.tolist()
        return values

    @cached_property
    def exit(self) -> list[int]:
        values: list[int] = self._batch.exit.tolist()
        return values

    @cached_property
    def duration(self) -> list[int]:
        values: list[int] = self._batch.duration.tolist()
        return values

    @cached_property
    def _memory(self) -> tuple[list[int], list[int], list[int], list[int], list[bytes]]:
        batch = self._batch
        arg, flags, address = batch.segment_arg, batch.segment_flags, batch.segment_address
        return arg.tolist(), flags.tolist(), address.tolist(), batch.segment_full_length.tolist(), self.data

    def segments(self, index: int) -> Segments:
        """Return the memory of a row."""
        start, end = self.starts[index], self.starts[index + 1]
        if start == end:
            return []
        arg, flags, address, full, data = self._memory
        return [(arg[at], flags[at], address[at], full[at], data[at]) for at in range(start, end)]


def write_lines(lines: Iterable[str]) -> bytes:
    """Return lines as the bytes of a stream."""
    # One by one: a single character beyond ASCII would widen all of a joined text.
    return b"\n".join([*[line.encode("utf-8", "backslashreplace") for line in lines], b""])


def default_line(event: Event) -> str:
    """Return `type info` of an event, for messages."""
    info = format_info(event)
    return f"{event_type(event)} {info}" if info else event_type(event)


def event_text(event: Event) -> str:
    """Return an event's line in the default look; also of one that no tracker has seen."""
    process = event.process
    label = process.labels[event.tid] if process is not None else f"<NA> ({event.tid})"
    offset = process.context.realtime_offset if process is not None else 0
    direction = ">" if event.kind == Kind.ENTER else "<"
    return f"{event.seq} {clock_text(event.exit + offset)} {event.cpu} {label} {direction} {default_line(event)}"
