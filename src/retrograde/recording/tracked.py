"""Events of a recording as a tracker has seen them: all, or those that a filter wants.

Rows that a filter excludes by their columns never become events; the tracker sees those of them that change what is
known of processes. What a filter asks of the thread alone is asked once, until something about a process changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from retrograde.events import Event, EventFlag, Kind, Segment
from retrograde.recording.blocks import Block, BlockType
from retrograde.state.walk import Step, Walk

if TYPE_CHECKING:
    from retrograde.filters import Filter
    from retrograde.recording.batch import Batch
    from retrograde.state import Tracker

# Fields that look at the event before: no event may be left out of sight.
_SEQUENTIAL = frozenset({"evt.deltatime"})
_MORE = int(EventFlag.MORE)


class Merging(Protocol):
    """What joins the rows of continued events."""

    @property
    def holding(self) -> bool:
        """Whether events wait for what is still to come."""

    def feed(self, batch: Batch, wanted: NDArray[np.bool_] | None = None) -> Iterator[Event]:
        """Yield the events of the rows that are wanted, as far as they are whole."""

    def flush(self) -> Iterator[Event]:
        """Yield what was held back, at the end."""


class TrackedEvents:
    """Turns blocks into events.

    Args:
        tracker: has seen everything before the first block.
        merger: joins the rows of continued events.
        wanted: which events; None for all.
        fields: names of the fields that the events' reader asks for, besides the filter.
    """

    def __init__(
        self, tracker: Tracker, merger: Merging, wanted: Filter | None = None, fields: frozenset[str] = frozenset()
    ) -> None:
        self.tracker = tracker
        self.wanted = wanted
        self._merger = merger
        self._walk = Walk(tracker)
        self._may_skip = wanted is not None and not (wanted.fields | fields) & _SEQUENTIAL

    def block(self, block: Block) -> Iterator[Event]:
        """Yield the events of a block, one at a time: a tracker's knowledge is that of the latest."""
        if block.type == BlockType.SNAPSHOT:
            self.tracker.load_snapshot(block.snapshot())
        elif block.type == BlockType.EVENTS:
            yield from self.batch(block.batch())

    def batch(self, batch: Batch) -> Iterator[Event]:
        """Yield the events of a batch."""
        if not batch.count:
            return
        if self.tracker.context.start_ns is None:
            self.tracker.context.start_ns = int(batch.exit[0])
        rows = self._mask(batch)
        if self._is_continued(batch):
            if rows is not None:
                rows = rows | self._walk.changes.rows(batch)
            yield from self._applied(self._merger.feed(batch, rows))
        else:
            yield from self._events(batch, rows)

    def _mask(self, batch: Batch) -> NDArray[np.bool_] | None:
        """Return the rows that the filter may hold for, None for all."""
        return self.wanted.mask(batch, self.tracker.table) if self.wanted is not None and self._may_skip else None

    def _is_continued(self, batch: Batch) -> bool:
        return self._merger.holding or bool((batch.flags & _MORE).any() or (batch.kind == Kind.DATA).any())

    def finish(self) -> Iterator[Event]:
        """Yield the events that were held back."""
        yield from self._applied(self._merger.flush())

    def _applied(self, events: Iterator[Event]) -> Iterator[Event]:
        matches = self.wanted.matches if self.wanted is not None else None
        for event in events:
            self.tracker.apply(event)
            if matches is None or matches(event):
                yield event

    def _events(self, batch: Batch, rows: NDArray[np.bool_] | None) -> Iterator[Event]:
        make = _EventRows(batch).event
        for step, event in self._matching(batch, rows):
            yield event if event is not None else make(step)

    def steps(self, batch: Batch) -> Iterator[Step] | None:
        """Yield the rows that are wanted, without making events of them; None where events are continued in others."""
        if self._is_continued(batch):
            return None
        return (step for step, _ in self._matching(batch, self._mask(batch)))

    def _matching(self, batch: Batch, rows: NDArray[np.bool_] | None) -> Iterator[tuple[Step, Event | None]]:
        """Yield the rows that are wanted, with their event where it had to be made."""
        wanted, walk = self.wanted, self._walk
        if wanted is None:
            yield from ((step, None) for step in walk.steps(batch, rows))
            return
        of_thread, of_event, needs_memory = wanted.of_thread, wanted.of_event, not wanted.needs_no_memory
        events = _EventRows(batch)
        pids, tids = events.pids, events.tids
        # What was found out about threads holds until something about a process changes.
        verdicts: dict[tuple[int, int], bool] = {}
        epoch = walk.epoch
        for step in walk.steps(batch, rows):
            if of_thread is not None:
                if epoch != walk.epoch:
                    verdicts.clear()
                    epoch = walk.epoch
                thread = pids[step[0]], tids[step[0]]
                verdict = verdicts.get(thread)
                if verdict is None:
                    verdict = verdicts[thread] = of_thread(events.event(step, with_memory=False))
                if not verdict:
                    continue
                if of_event is None:
                    yield step, None
                    continue
            event = events.event(step, with_memory=needs_memory)
            if of_event is None or of_event(event):
                if not needs_memory:
                    events.add_memory(event, step[0])
                yield step, event


class _EventRows:
    """Makes events of the rows of a batch."""

    def __init__(self, batch: Batch) -> None:
        self._seq = batch.first_seq
        self._kinds, self._flags, self._cpus = batch.kind.tolist(), batch.flags.tolist(), batch.cpu.tolist()
        self.pids, self.tids, self._numbers = batch.pid.tolist(), batch.tid.tolist(), batch.nr.tolist()
        self._durations, self._exits = batch.duration.tolist(), batch.exit.tolist()
        self._results = batch.result.tolist()
        self._arguments = list(zip(*(column.tolist() for column in batch.args), strict=True))
        self._starts, self._memory = batch.segment_start.tolist(), batch.memory

    def event(self, step: Step, *, with_memory: bool = True) -> Event:
        """Return the event of a row."""
        at, syscall, process, descriptor = step
        has_memory = with_memory and self._starts[at] != self._starts[at + 1]
        time = self._exits[at]
        return Event(
            self._seq + at, self._kinds[at], self._flags[at], self._cpus[at], self.pids[at], self.tids[at],
            self._numbers[at], time - self._durations[at], time, self._results[at], self._arguments[at],
            [Segment(*each) for each in self._memory(at)] if has_memory else [], syscall, process, descriptor,
        )  # fmt: skip

    def add_memory(self, event: Event, at: int) -> None:
        """Give an event that was made without its memory what belongs to it."""
        if self._starts[at] != self._starts[at + 1]:
            event.segments = [Segment(*each) for each in self._memory(at)]
