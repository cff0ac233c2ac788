"""Putting together events whose memory was too long for one row."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from retrograde.events import Event, EventFlag, Kind, Segment

if TYPE_CHECKING:
    from retrograde.recording.batch import Batch

MAX_EVENT_BYTES = 1 << 30
_MORE = int(EventFlag.MORE)
# Rows of other threads that wait behind an event that is not whole yet. The capture writes an event's rows close
# together; a recording that never ends one must not fill our memory.
_MAX_WAITING = 1 << 18


class _Growing:
    """An event that further rows belong to."""

    def __init__(self, event: Event) -> None:
        self.event = event
        self.size = sum(len(segment.data) for segment in event.segments)
        self.parts: list[bytes] = []

    def add(self, row: Event) -> None:
        segments = row.segments
        self.size += sum(len(segment.data) for segment in segments)
        if self.size > MAX_EVENT_BYTES:
            self.cut(segments)
            return
        if segments and self.event.segments and self._continues(segments[0]):
            last = self.event.segments[-1]
            if not self.parts:
                self.parts.append(last.data)
            self.parts.append(segments[0].data)
            last.full_length += segments[0].full_length
            segments = segments[1:]
        if segments:
            self.join()
            self.event.segments += segments
        self.event.flags |= row.flags & EventFlag.FAULT

    def cut(self, segments: list[Segment]) -> None:
        """Keep of further memory its length alone."""
        if self.event.segments:
            self.event.segments[-1].full_length += sum(segment.full_length for segment in segments)

    def _continues(self, segment: Segment) -> bool:
        """Return whether ``segment`` is a further piece of the last one."""
        last = self.event.segments[-1]
        # The last one was whole so far, and this one lies right behind it.
        length = sum(map(len, self.parts)) if self.parts else len(last.data)
        return (
            length > 0
            and last.full_length == length
            and segment.arg == last.arg
            and segment.flags == last.flags
            and segment.address == last.address + length
        )

    def join(self) -> None:
        """Make one segment of the pieces."""
        if self.parts:
            self.event.segments[-1].data = b"".join(self.parts)
            self.parts = []

    def close(self) -> Event:
        """Return the event, whole."""
        self.join()
        self.event.flags &= ~EventFlag.MORE
        return self.event


class RowMerger:
    """Turns rows into events, in order, with the memory of their DATA rows.

    Args:
        note: told of memory that is missing: the event's number and a line.
    """

    def __init__(self, note: Callable[[int, str], None]) -> None:
        self._note = note
        self._growing: dict[int, _Growing] = {}
        self._waiting: deque[Event] = deque()

    @property
    def holding(self) -> bool:
        """Whether events wait for what is still to come."""
        return bool(self._growing or self._waiting)

    def feed(self, batch: Batch, wanted: NDArray[np.bool_] | None = None) -> Iterator[Event]:
        """Yield the events of a batch that are whole.

        Args:
            batch: the next one.
            wanted: rows of interest; rows that continue an event come with it. None for all.
        """
        if wanted is None:
            return self.rows(batch.events())
        chosen = wanted | (batch.kind == Kind.DATA) | (batch.flags & _MORE != 0)
        return self.rows(event for event, is_chosen in zip(batch.events(), chosen.tolist(), strict=True) if is_chosen)

    def rows(self, rows: Iterable[Event]) -> Iterator[Event]:
        """Yield the events of rows that are whole."""
        growing, waiting = self._growing, self._waiting
        for event in rows:
            current = growing.get(event.tid) if growing else None
            if event.kind == Kind.DATA:
                if current is None:
                    self._note(event.seq, f"event {event.seq}: memory of an event that is missing")
                    continue
                current.add(event)
                if not event.flags & _MORE:
                    self._end(event.tid, whole=True)
                    yield from self._released()
                continue
            if current is not None:
                self._end(event.tid, whole=False)
            if event.flags & _MORE:
                growing[event.tid] = _Growing(event)
            if not growing and not waiting:
                yield event
                continue
            waiting.append(event)
            if len(waiting) > _MAX_WAITING:
                for tid in list(growing):
                    self._end(tid, whole=False)
            yield from self._released()

    def flush(self) -> Iterator[Event]:
        """Yield what was held back, at the end of the recording."""
        for tid in list(self._growing):
            self._end(tid, whole=False)
        while self._waiting:
            yield self._waiting.popleft()

    def _end(self, tid: int, *, whole: bool) -> None:
        event = self._growing.pop(tid).close()
        if not whole:
            event.flags |= EventFlag.FAULT
            self._note(event.seq, f"event {event.seq}: further memory of it is missing")

    def _released(self) -> Iterator[Event]:
        while self._waiting and not self._is_growing(self._waiting[0]):
            yield self._waiting.popleft()

    def _is_growing(self, event: Event) -> bool:
        current = self._growing.get(event.tid)
        return current is not None and current.event is event


def merge_rows(rows: Iterable[Event], note: Callable[[int, str], None]) -> Iterator[Event]:
    """Yield events in order, with the memory of their DATA rows.

    Args:
        rows: as they stand in the recording.
        note: told of memory that is missing: the event's number and a line.
    """
    merger = RowMerger(note)
    yield from merger.rows(rows)
    yield from merger.flush()
