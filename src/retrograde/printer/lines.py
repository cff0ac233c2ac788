"""Lines of whole batches, at speed: sysdig's look and strace's.

    220 17:35:48.514682170 0 curl (17497) < openat fd=3(<f>/etc/ld.so.cache) dirfd=-100(AT_FDCWD) pathname=… flags=…

One loop runs over a batch's columns; no object is made for an event. Only rows that change what is known of processes
go through the tracker. What needs more (filters, formats, colours, enter lines, continued events) goes event by event
(:meth:`LinePrinter.event_line`), and looks the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import islice, repeat
from typing import TYPE_CHECKING, Any, NamedTuple

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
from retrograde.printer.heads import heads
from retrograde.printer.merger import Merger
from retrograde.printer.renderer import Formatter, Renderer, Segments
from retrograde.printer.shapes import shapes
from retrograde.printer.times import NS, ClockPrefixes, SecondPrefixes, clock_text, time_texts, wrapped
from retrograde.state import Process, Tracker
from retrograde.state.calls import of_success
from retrograde.state.changes import NUMBERS, Changes
from retrograde.state.tracker import segment_tuples
from retrograde.syscalls import FORKS, Syscall

if TYPE_CHECKING:
    from retrograde.recording.batch import Batch

# Plain numbers: an enumeration's operators are slow.
_COMPAT = int(EventFlag.COMPAT)
_MORE = int(EventFlag.MORE)


_KEPT_BYTES = 16384  # of an argument's memory: no line shows more
_RENAMING = (*FORKS, "prctl")  # calls after which a thread may be called otherwise
_SLOW_FLAGS = _COMPAT | _MORE


class LineStyle(NamedTuple):
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


# WHOLE is replaced by the line of an event without a shape.
_SHAPELESS, _HANDLED, _TRACKED, _REMEMBERED = 1, 2, 4, 8
_LOOP = """
def loop(rows, views, make_view, formatters, memory, remembered, append, handle, tracker, handlers, numbers):
    for at, needs, head, tid, f, r, duration, a0, a1, a2, a3, a4, a5, start in rows:
        if needs & 2:
            handle(at)
            continue
        try:
            label, P = views[tid]
        except KeyError:
            label, P = make_view(at)
        if not needs:
            append(f(head, label, tid, duration, r, a0, a1, a2, a3, a4, a5, memory, start, P))
            continue
        S = remembered[at] if needs & 8 else ()
        late = None
        if needs & 4:
            args = (a0, a1, a2, a3, a4, a5)
            early, late = handlers[numbers[at]]
            if early is not None:
                early(tracker, P, tid, r, args, S)
        if needs & 1:
            append(f"WHOLE")
        else:
            append(f(head, label, tid, duration, r, a0, a1, a2, a3, a4, a5, memory, start, P))
        if late is not None:
            late(tracker, P, tid, r, args, S)
"""
_WHOLE = "{formatters[numbers[at]](r, a0, a1, a2, a3, a4, a5, S, P)}"


def _around(style: LineStyle) -> tuple[str, str]:
    """Return what stands before and behind a call in its line, as parts of an f-string over the loop's variables."""
    if style.look == "strace":
        time = "{head} " if style.time is not None else ""
        return "{tid} " + time, " <{duration / 1e9:.9f}>" if style.latency else ""
    return "{head} {label} < ", " latency={duration}ns" if style.latency else ""


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
        table = tracker.table
        self._renaming = {table.numbers[name] for name in _RENAMING if name in table.by_name}
        # A call that forks returns a second time, 0, in the child; strace shows it once.
        twice = FORKS if self.style.look == "strace" else ()
        self._shown_once = {table.numbers[name] for name in twice if name in table.by_name}
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
        around = _around(self.style)
        self._shapes = shapes(self._render, "strace" if self.style.look == "strace" else "line", around, _KEPT_BYTES)
        namespace: dict[str, Any] = {}
        exec(_LOOP.replace("WHOLE", around[0] + _WHOLE + around[1]), namespace)
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
        needs = np.where(plain, 0, _HANDLED | _REMEMBERED)
        needs[tracked] |= _TRACKED
        needs[tracked & self._changes.by_memory[numbers]] |= _REMEMBERED
        if None in formatters:
            needs[[row for row, formatter in enumerate(formatters) if formatter is None]] |= _SHAPELESS | _REMEMBERED
        beginnings = self._heads(batch)
        columns = _Columns(batch, needs & _REMEMBERED != 0)

        def view(index: int) -> tuple[str, Process]:
            return self._view(columns.pid[index], columns.tid[index])

        def handle(index: int) -> None:
            line = self._special_line(columns, index, beginnings[index])
            if line is not None:
                lines.append(line)

        durations = columns.duration if self.style.latency else repeat(0)
        self._loop(
            zip(
                range(batch.count), needs.tolist(), beginnings, columns.tid, formatters, columns.result, durations,
                *columns.args, columns.starts, strict=False,
            ),
            self._views,
            view,
            self._formatters,
            columns.data,
            columns.remembered,
            lines.append,
            handle,
            self.tracker,
            self._handlers,
            columns.nr,
        )  # fmt: skip
        context.previous_ns = context.current_ns
        context.current_ns = int(exits[-1])
        return lines

    def _heads(self, batch: Batch) -> list[str]:
        """Return the beginnings of lines: number, time and CPU; in strace's look the time, where it is asked for."""
        if self.style.look != "strace":
            return heads(batch.first_seq, self._times(batch), batch.cpu, self._prefixes)
        if self.style.time is None:
            return [""] * batch.count
        return time_texts(self._times(batch), self._prefixes)

    def _times(self, batch: Batch) -> NDArray[np.int64]:
        """Return what the time column shows, ns."""
        exits = batch.exit
        if self._time == "d":
            shown = batch.duration.astype(np.int64)
        elif self._time == "D":
            first = np.uint64(self._previous if self._previous is not None else exits[0])
            times = np.concatenate((np.array([first]), exits)).astype(np.int64)
            shown = np.maximum(times[1:] - times[:-1], 0)  # CPUs are merged as nearly in order as the capture could
        else:
            context = self.tracker.context
            offset = -(context.start_ns or 0) if self._time == "r" else context.realtime_offset
            shown = exits.astype(np.int64) + np.int64(wrapped(offset))
            if self._time == "r":
                shown = np.maximum(shown, 0)
        self._previous = int(exits[-1])
        return shown

    def _view(self, pid: int, tid: int) -> tuple[str, Process]:
        process = self.tracker.process_of(pid, tid)
        if len(self._views) > 65536:
            self._views.clear()
        view = self._views[tid] = (process.labels[tid], process)
        return view

    def _special_line(self, columns: _Columns, index: int, head: str) -> str | None:
        """Return the line of a row that changes the state, or is no call of the table."""
        tracker = self.tracker
        kind, flags, nr = columns.kind[index], columns.flags[index], columns.nr[index]
        pid, tid, result = columns.pid[index], columns.tid[index], columns.result[index]
        if kind == Kind.DATA:
            return None
        args = tuple([column[index] for column in columns.args])
        segments = columns.remembered[index]
        process = tracker.process_of(pid, tid)
        if kind == Kind.SYSCALL:
            tracker.apply_call(flags, process, tid, nr, result, args, segments)
        elif kind != Kind.ENTER:
            tracker.apply_other(kind, pid, tid, columns.exit[index], args, segments)
            process = tracker.process_of(pid, tid)
        label = process.labels[tid]
        line: str | None
        text: str | None
        if kind == Kind.SYSCALL and not flags & _COMPAT and nr in tracker.table.calls:
            text = self._call_text(nr, result, args, segments, process)
        else:
            text = self._other_text(kind, flags, nr, result, args, segments, process)
        line = None
        if text:
            line = self._compose(kind, head, tid, label, text, columns.duration[index])
        tracker.settle()
        if kind != Kind.SYSCALL or nr in self._renaming or flags:
            self._views.clear()
        return line

    def _compose(self, kind: int, head: str, tid: int, label: str, text: str, duration: int) -> str:
        timed = self.style.latency and kind == Kind.SYSCALL
        if self.style.look == "strace":
            before = f"{tid} {head} " if self.style.time is not None else f"{tid} "
            return before + text + (f" <{duration / 1e9:.9f}>" if timed else "")
        direction = ">" if kind == Kind.ENTER else "<"
        return f"{head} {label} {direction} {text}" + (f" latency={duration}ns" if timed else "")

    def _head(self, event: Event, time: str) -> str:
        return time if self.style.look == "strace" else f"{event.seq} {time} {event.cpu}"

    def _call_text(
        self, nr: int, result: int, args: tuple[int, ...], segments: Segments, process: Process
    ) -> str | None:
        if result == 0 and nr in self._shown_once:
            return None
        return self._formatters[nr](result, *args, segments, process)

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
        """Return strace's text; forks, execs, switches and what only a replay needs have none."""
        render = self._render
        if call is not None:
            return render.strace_entry(call)(result, *args, segments, process) + (
                ") = ?" if call.noreturn else " <unfinished ...>"
            )
        if kind in (Kind.SYSCALL, Kind.ENTER):
            if kind == Kind.SYSCALL and result == 0 and flags & _COMPAT and render.table.compat_name(nr) in FORKS:
                return None  # the second return, as with `_shown_once`
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
            shown = wrapped(event.latency)
        elif self._time == "D":
            shown = max(0, wrapped(event.exit - self._previous)) if self._previous is not None else 0
        elif self._time == "r":
            shown = max(0, wrapped(event.exit - (context.start_ns or 0)))
        else:
            shown = wrapped(event.exit + context.realtime_offset)
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
            text = self._call_text(event.nr, event.result, event.args, segments, process)
        else:
            text = self._other_text(event.kind, event.flags, event.nr, event.result, event.args, segments, process)
        if text is None:
            return None
        time = self.time_text(event)
        if self.style.palette is not PLAIN:
            return self._coloured(event, time, label, text)
        return self._compose(event.kind, self._head(event, time), event.tid, label, text, event.latency)

    def _coloured(self, event: Event, time: str, label: str, text: str) -> str:
        colours = self.style.palette
        end = colours.end
        if self.style.look == "strace":
            if event.failed:
                head, _, tail = text.rpartition(" = ")
                text = f"{head} = {colours.error}{tail}{end}"
            return self._compose(event.kind, self._head(event, time), event.tid, label, text, event.latency)
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
    """A batch's columns as lists, for random access.

    Args:
        batch: n events.
        remembered: rows whose memory is asked for with all that is known of it, shape (n,).

    Attributes:
        data: the bytes of all segments, as far as a line shows them.
        remembered: the memory of those rows.
    """

    def __init__(self, batch: Batch, remembered: NDArray[np.bool_]) -> None:
        self._batch = batch
        self.nr = batch.nr.tolist()
        self.tid = batch.tid.tolist()
        self.result = batch.result.tolist()
        self.args: list[list[int]] = [column.tolist() for column in batch.args]
        self.starts: list[int] = batch.segment_start.tolist()
        self.data: list[bytes] = batch.pieces(_KEPT_BYTES) if batch.segment_total else []
        self.remembered = self._memory(remembered)

    def _memory(self, rows: NDArray[np.bool_]) -> dict[int, Segments]:
        """Return the memory of rows."""
        batch, counts = self._batch, self._batch.segment_count
        at = np.flatnonzero(np.repeat(rows, counts))
        columns = (batch.segment_arg, batch.segment_flags, batch.segment_address, batch.segment_full_length)
        data = map(self.data.__getitem__, at.tolist())
        segments = zip(*(column[at].tolist() for column in columns), data, strict=True)
        numbers = zip(np.flatnonzero(rows).tolist(), counts[rows].tolist(), strict=True)
        return {row: list(islice(segments, count)) for row, count in numbers}

    @cached_property
    def pid(self) -> list[int]:
        values: list[int] = self._batch.pid.tolist()
        return values

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


def write_lines(lines: Sequence[str]) -> bytes:
    """Return lines as the bytes of a stream."""
    # One by one: a single character beyond ASCII would widen all of a joined text.
    try:
        encoded = [*map(str.encode, lines)]
    except UnicodeEncodeError:  # half a character, made of what was no UTF-8
        encoded = [line.encode("utf-8", "backslashreplace") for line in lines]
    return b"\n".join([*encoded, b""])


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
