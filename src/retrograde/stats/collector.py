"""What a recording's calls add up to, by system call, process, file or peer.

Where the columns of a batch are enough (by system call or process, and a filter that they can decide) no event is ever
made; else each event passes the tracker first, which knows names and descriptors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from retrograde.events import Event, EventFlag, Kind, SegmentArg, first_memory
from retrograde.fields.event import COUNTS_MESSAGES
from retrograde.filters import Filter
from retrograde.recording import Block, BlockType
from retrograde.recording.merge import RowMerger
from retrograde.recording.tracked import TrackedEvents
from retrograde.state import Context, Process
from retrograde.state.text import decode
from retrograde.state.tracker import Tracker
from retrograde.stats.groups import Groups, Rows
from retrograde.stats.lives import Lives, pid_of
from retrograde.stats.summary import Summary
from retrograde.syscalls import FORKS

if TYPE_CHECKING:
    from retrograde.events import Segment
    from retrograde.recording import Batch, Recording
    from retrograde.state import Descriptor
    from retrograde.state.walk import Step
    from retrograde.syscalls import Syscall, Table

By = Literal["syscall", "process", "file", "peer"]
BYS: tuple[By, ...] = ("syscall", "process", "file", "peer")

_COMPAT = 1 << 11  # above the numbers of calls, in the key of a group
_COMPAT_FLAG = int(EventFlag.COMPAT)  # a plain number: enumerations are slow, an event at a time
_ODD = 1 << 32  # numbers that no architecture has, from a damaged or hostile recording
_AT_ONCE = 1 << 16


class Collector:
    """Gathers events.

    Args:
        table: the syscall table of the events' architecture.
        by: what to group calls by.
        wanted: which events count; None for all.
    """

    def __init__(self, table: Table, by: By = "syscall", wanted: Filter | None = None) -> None:
        self.table = table
        self.by = by
        self.wanted = wanted
        self._met = np.zeros(_COMPAT, np.bool_)
        self._moves = np.zeros(_COMPAT, np.bool_)  # of those that were met: whether the result is a number of bytes
        self._forks = np.zeros(2 * _COMPAT, np.bool_)
        for name in FORKS & table.numbers.keys():
            self._forks[table.numbers[name]] = True
        for nr in range(_COMPAT):
            self._forks[nr + _COMPAT] = table.compat_name(nr) in FORKS
        # A call that belongs to no known architecture's context still needs one to be asked for its name.
        self._nobody = Process(0, 0, Context(arch=table.arch))
        self.names: dict[int, str] = {}
        self._lives = Lives()
        self._keys: dict[str, int] = {}
        self.clear()

    def clear(self) -> None:
        """Forget what was counted, but not names."""
        self.events = 0
        self.lost = 0
        self.first_ns: int | None = None
        self.last_ns: int | None = None
        self._groups = Groups()
        self._pending: list[tuple[int, int, int, int, bool]] = []

    @property
    def needs_events(self) -> bool:
        """Whether columns are not enough, so that events must come through :meth:`add_event`."""
        return self.by in ("file", "peer") or (self.wanted is not None and not self.wanted.decidable)

    # ---- columns ----

    def add_batch(self, batch: Batch) -> None:
        """Take in the events of a batch."""
        if not batch.count:
            return
        kind = batch.kind
        rows = kind != Kind.DATA
        self._note_times(int(batch.exit[0]) - int(batch.duration[0]), int(batch.exit[-1]))
        processes = None
        if self.by == "process":
            processes = self._lives.of_batch(batch)
            self._note_names(batch, processes)
        if self.wanted is not None:
            rows &= self._decide(self.wanted, batch)
        self.events += int(np.count_nonzero(rows))
        rows &= (kind == Kind.SYSCALL) | (kind == Kind.ENTER)
        if rows.any():
            chosen = slice(None) if rows.all() else np.flatnonzero(rows)
            self._add_rows(batch, chosen, processes[chosen] if processes is not None else None)

    def _add_rows(self, batch: Batch, rows: NDArray[np.intp] | slice, keys: NDArray[np.int64] | None = None) -> None:
        """Take in calls by their columns; without keys they are grouped by their number."""
        nr = batch.nr[rows].astype(np.int64)
        compat = batch.flags[rows] & _COMPAT_FLAG != 0
        finished = batch.kind[rows] == Kind.SYSCALL
        results = batch.result[rows]
        ordinary = (nr >= 0) & (nr < _COMPAT)
        number = np.where(ordinary, nr, 0)
        # A call that forks returns a second time, 0, in the child.
        second = finished & (results == 0) & ordinary & self._forks[number + np.where(compat, _COMPAT, 0)]
        moving = finished & (results > 0) & ordinary & ~compat
        self._meet(number)
        moved = np.where(moving & self._moves[number], results, 0)
        if keys is None:
            keys = np.where(ordinary, nr, (nr & 0xFFFFFFFF) | _ODD) + np.where(compat, _COMPAT, 0)
        counted = Rows(keys, batch.duration[rows], results, moved, finished)
        self._groups.add(counted.where(~second) if second.any() else counted)

    def _meet(self, numbers: NDArray[np.int64]) -> None:
        """Learn of calls whether they move bytes; to ask for all of the table's lines would take long."""
        present = np.bincount(numbers, minlength=_COMPAT) != 0
        for nr in np.flatnonzero(present & ~self._met).tolist():
            line = self.table.calls.get(nr)
            self._moves[nr] = line is not None and line.io is not None and line.name not in COUNTS_MESSAGES
        self._met |= present

    # ---- rows that a tracker has seen ----

    def add_steps(self, batch: Batch, steps: Iterable[Step]) -> None:
        """Take in the rows of a batch that are wanted, as the tracker walks over them."""
        kinds = batch.kind.tolist()
        all_rows, rows, keys = [], [], []
        for step in steps:
            at = step[0]
            all_rows.append(at)
            if kinds[at] > Kind.ENTER:
                continue
            if self.by == "syscall":
                rows.append(at)
            elif self.by == "process":
                rows.append(at)
                keys.append(self._key_of_process(step[2]))
            else:
                key = self._key_of_step(batch, step)
                if key is not None:
                    rows.append(at)
                    keys.append(key)
        if not all_rows:
            return
        self.events += len(all_rows)
        durations, exits = batch.duration, batch.exit
        self._note_times(int(exits[all_rows[0]]) - int(durations[all_rows[0]]), int(exits[all_rows[-1]]))
        if rows:
            self._add_rows(batch, np.array(rows, np.intp), np.array(keys, np.int64) if self.by != "syscall" else None)

    def _key_of_step(self, batch: Batch, step: Step) -> int | None:
        at, syscall, _, descriptor = step
        if descriptor is not None:
            name = descriptor.path if self.by == "file" else peer_name(descriptor)
        elif self.by == "file" and syscall is not None:
            name = _path_among(syscall, lambda: batch.segments(at))
        else:
            return None
        return self._key_named(name) if name is not None else None

    def _decide(self, wanted: Filter, batch: Batch) -> NDArray[np.bool_]:
        holds, fails = wanted.decide(batch, self.table)
        unknown = np.flatnonzero(~(holds | fails) & (batch.kind != Kind.DATA))
        for row in unknown.tolist():
            event = batch.event(row)
            event.process = self._nobody
            if event.kind in (Kind.SYSCALL, Kind.ENTER) and not event.flags & EventFlag.COMPAT:
                event.syscall = self.table.choose(event.nr, event.args)
            holds[row] = wanted.matches(event)
        return holds

    def _note_names(self, batch: Batch, processes: NDArray[np.int64]) -> None:
        for row in np.flatnonzero((batch.kind == Kind.FORK) | (batch.kind == Kind.EXEC)).tolist():
            event = batch.event(row)
            comm = event.memory(SegmentArg.COMM)
            if comm is not None and event.pid == event.tid:
                self.names[int(processes[row])] = decode(comm)

    def note_snapshot(self, snapshot: dict[str, bytes]) -> None:
        """Take processes and their names from a snapshot."""
        for path, content in snapshot.items():
            words = path.split("/")
            if len(words) == 4 and words[3] == "comm" and words[2].isdigit():
                self.names.setdefault(int(words[2]), decode(content).rstrip("\n"))
                self._lives.note_snapshot(int(words[2]))

    def _note_times(self, first: int, last: int) -> None:
        self.first_ns = first if self.first_ns is None else min(first, self.first_ns)
        self.last_ns = last if self.last_ns is None else max(last, self.last_ns)

    # ---- events ----

    def add_event(self, event: Event) -> None:
        """Take in an event that a tracker has seen and the filter holds for."""
        self._note_times(event.enter, event.exit)
        self.events += 1
        if event.kind not in (Kind.SYSCALL, Kind.ENTER):
            return
        key = self._key_of(event)
        finished = event.kind == Kind.SYSCALL
        if key is None or (finished and event.result == 0 and self._is_fork(event)):
            return
        moves = finished and event.syscall is not None and event.syscall.io is not None and event.result > 0
        moved = event.result if moves and event.syscall and event.syscall.name not in COUNTS_MESSAGES else 0
        self._pending.append((key, event.latency, event.result, moved, finished))
        if len(self._pending) >= _AT_ONCE:
            self._flush_events()

    def _is_fork(self, event: Event) -> bool:
        key = self._key_of_call(event)
        return key < len(self._forks) and bool(self._forks[key])

    def _flush_events(self) -> None:
        pending, self._pending = self._pending, []
        if not pending:
            return
        keys, durations, results, moved, finished = zip(*pending, strict=True)
        limit = (1 << 64) - 1  # a damaged recording's times may run backwards
        self._groups.add(
            Rows(
                np.array(keys, np.int64),
                np.array([duration & limit for duration in durations], np.uint64),
                np.array(results, np.int64),
                np.array(moved, np.int64),
                np.array(finished, np.bool_),
            )
        )

    def _key_of(self, event: Event) -> int | None:
        if self.by == "syscall":
            return self._key_of_call(event)
        if self.by == "process":
            return self._key_of_process(event.process) if event.process is not None else event.pid
        name = file_of(event) if self.by == "file" else peer_of(event)
        return self._key_named(name) if name is not None else None

    def _key_of_call(self, event: Event) -> int:
        compat = _COMPAT if event.flags & _COMPAT_FLAG else 0
        return (event.nr if 0 <= event.nr < _COMPAT else (event.nr & 0xFFFFFFFF) | _ODD) + compat

    def _key_of_process(self, process: Process) -> int:
        key = self._lives.of_process(process)
        if process.name:
            self.names[key] = process.name
        return key

    def _key_named(self, name: str) -> int:
        key = self._keys.get(name)
        if key is None:
            key = self._keys[name] = len(self._keys)
            self.names[key] = name
        return key

    # ---- the result ----

    def summary(self, *, duration_s: float | None = None) -> Summary:
        """Return what has been gathered.

        Args:
            duration_s: how long the capture took; None for the time from the first event to the last.
        """
        self._flush_events()
        if duration_s is None:
            spanned = self.first_ns is not None and self.last_ns is not None
            duration_s = (self.last_ns - self.first_ns) / 1e9 if spanned else 0.0  # type: ignore[operator]
        groups = self._groups.by_key()
        named: dict[str, Any] = {}
        for key, group in groups.items():
            name = label = self._name_of(key)
            number = 1
            while label in named:  # a process of the same name had the id before
                number += 1
                label = f"{name} #{number}"
            named[label] = group
        errors = {number: self._error(number) for group in groups.values() for number in group.errors}
        return Summary(self.by, self.events, self.lost, duration_s, named, errors)

    def _error(self, number: int) -> str:
        from retrograde.printer.renderer import KERNEL_ERRORS

        return self.table.errno.get(number) or KERNEL_ERRORS.get(number) or str(number)

    def _name_of(self, key: int) -> str:
        if self.by == "process":
            return f"{self.names.get(key) or '?'} ({pid_of(key)})"
        if self.by != "syscall":
            return self.names[key]
        from retrograde.printer.arguments import type_name

        compat = bool(key & _COMPAT)
        number = key & ~_COMPAT if key < _ODD else ((key - _ODD) ^ 0x80000000) - 0x80000000
        name = type_name(self.table, Kind.SYSCALL, EventFlag.COMPAT if compat else 0, number)
        return f"{name} (32-bit)" if compat else name


def file_of(event: Event) -> str | None:
    """Return the file or directory that a call is about: of its descriptor, else the path among its arguments."""
    descriptor = event.descriptor
    if descriptor is not None:
        return descriptor.path
    return _path_among(event.syscall, lambda: event.segments) if event.syscall is not None else None


def _path_among(syscall: Syscall, segments: Callable[[], list[Segment]]) -> str | None:
    """Return the first path among a call's arguments."""
    for position, param in enumerate(syscall.params):
        if param.type.kind == "path":
            data = first_memory(segments(), position)
            return decode(data) if data else None
    return None


def peer_of(event: Event) -> str | None:
    """Return who is at the other end of the socket that a call is about."""
    return peer_name(event.descriptor) if event.descriptor is not None else None


def peer_name(descriptor: Descriptor) -> str | None:
    """Return who is at the other end of a socket."""
    if not descriptor.is_socket or descriptor.remote is None:
        return None
    return f"{descriptor.protocol or descriptor.family} {descriptor.remote}"


def feed(
    collector: Collector,
    blocks: Iterable[Block],
    info: Mapping[str, Any],
    lock: AbstractContextManager[Any] | None = None,
) -> None:
    """Put all events of a block stream into a collector.

    Args:
        collector: to put them into.
        blocks: of a recording, or as a capture writes them.
        info: what the INFO block says.
        lock: held while the collector changes, so that another thread may look at it in between.
    """
    held = lock if lock is not None else nullcontext()
    if not collector.needs_events:
        for block in blocks:
            with held:
                _take_other(collector, block)
                if block.type == BlockType.EVENTS:
                    collector.add_batch(block.batch())
        return
    tracker = Tracker(Context.from_info(info), collector.table)
    source = TrackedEvents(tracker, RowMerger(lambda seq, text: None), collector.wanted)
    for block in blocks:
        with held:
            _take_other(collector, block)
            if block.type == BlockType.SNAPSHOT:
                tracker.load_snapshot(block.snapshot())
            elif block.type == BlockType.EVENTS:
                _take_events(collector, source, block.batch())
    with held:
        for event in source.finish():
            collector.add_event(event)


def _take_events(collector: Collector, source: TrackedEvents, batch: Batch) -> None:
    steps = source.steps(batch)
    if steps is not None:
        collector.add_steps(batch, steps)
        return
    for event in source.batch(batch):
        collector.add_event(event)


def _take_other(collector: Collector, block: Block) -> None:
    if block.type == BlockType.LOSS:
        lost = block.json().get("lost")
        collector.lost += lost if isinstance(lost, int) and lost > 0 else 0
    elif block.type == BlockType.SNAPSHOT and collector.by == "process":
        collector.note_snapshot(block.snapshot())


def collect(recording: Recording, by: By = "syscall", wanted: Filter | None = None) -> Summary:
    """Return what a recording's calls add up to.

    Args:
        recording: open.
        by: what to group calls by.
        wanted: which events count; None for all.
    """
    from retrograde.syscalls import load

    collector = Collector(load(recording.arch), by, wanted)
    feed(collector, recording.blocks(), recording.info)
    end = recording.end
    duration = end.get("duration_ns") if end else None
    return collector.summary(duration_s=duration / 1e9 if isinstance(duration, int) and duration > 0 else None)
