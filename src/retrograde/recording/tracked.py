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
from retrograde.state.walk import Walk

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
        rows = self.wanted.mask(batch, self.tracker.table) if self.wanted is not None and self._may_skip else None
        if self._merger.holding or (batch.flags & _MORE).any() or (batch.kind == Kind.DATA).any():
            if rows is not None:
                rows = rows | self._walk.changes.rows(batch)
            yield from self._applied(self._merger.feed(batch, rows))
        else:
            yield from self._events(batch, rows)

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
        wanted, walk = self.wanted, self._walk
        of_thread = wanted.of_thread if wanted is not None else None
        matches = wanted.of_event if wanted is not None else None
        late_memory = wanted is not None and wanted.needs_no_memory
        seq = batch.first_seq
        kinds, flags, cpus = batch.kind.tolist(), batch.flags.tolist(), batch.cpu.tolist()
        pids, tids, numbers = batch.pid.tolist(), batch.tid.tolist(), batch.nr.tolist()
        durations, exits, results = batch.duration.tolist(), batch.exit.tolist(), batch.result.tolist()
        arguments = list(zip(*(column.tolist() for column in batch.args), strict=True))
        starts, memory = batch.segment_start.tolist(), batch.memory
        # What was found out about threads holds until something about a process changes.
        verdicts: dict[tuple[int, int], bool] = {}
        epoch = walk.epoch
        for at, syscall, process, descriptor in walk.steps(batch, rows):
            pid, tid = pids[at], tids[at]
            verdict = None
            if of_thread is not None:
                if epoch != walk.epoch:
                    verdicts.clear()
                    epoch = walk.epoch
                verdict = verdicts.get((pid, tid))
                if verdict is False:
                    continue
            has_memory = starts[at] != starts[at + 1]
            segments = [Segment(*each) for each in memory(at)] if has_memory and not late_memory else []
            time = exits[at]
            event = Event(
                seq + at, kinds[at], flags[at], cpus[at], pid, tid, numbers[at], time - durations[at], time,
                results[at], arguments[at], segments, syscall, process, descriptor,
            )  # fmt: skip
            if of_thread is not None and verdict is None:
                verdicts[pid, tid] = verdict = of_thread(event)
                if not verdict:
                    continue
            if matches is not None and not matches(event):
                continue
            if late_memory and has_memory:
                event.segments = [Segment(*each) for each in memory(at)]
            yield event
