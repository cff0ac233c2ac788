"""Single events of a recording by their number."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from retrograde.events import Event, EventFlag, Kind, SegmentFlag
from retrograde.syscalls import load

if TYPE_CHECKING:
    from retrograde.recording import Recording
    from retrograde.recording.batch import Batch

# Rows that an event's memory is looked for in.
_MOST_ROWS = 4096


class RecordedEvents:
    """Events by number; quickest in order, since a recording is read from its beginning.

    Args:
        recording: what holds them.
    """

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._batches: Iterator[Batch] | None = None
        self._batch: Batch | None = None

    def event(self, number: int) -> Event | None:
        """Return a row, without what a tracker knows; None where there is none."""
        if self._batch is None or number < self._batch.first_seq:
            self._batches, self._batch = self._recording.batches(), None
        assert self._batches is not None
        while self._batch is None or number >= self._batch.first_seq + self._batch.count:
            self._batch = next(self._batches, None)
            if self._batch is None:
                return None
        return self._batch.event(number - self._batch.first_seq) if number >= self._batch.first_seq else None

    def writes(self, number: int, address: int, size: int) -> bool:
        """Return whether an event is a system call that has written to memory."""
        event = self.event(number)
        if event is None or event.kind != Kind.SYSCALL:
            return False
        tid, more = event.tid, bool(event.flags & EventFlag.MORE)
        for at in range(number, number + _MOST_ROWS):
            event = self.event(at) if at > number else event
            if event is None or (at > number and event.tid == tid and event.kind != Kind.DATA):
                return False
            if event.tid == tid and any(
                segment.flags & SegmentFlag.OUT
                and segment.address < address + size
                and address < segment.address + len(segment.data)
                for segment in event.segments
            ):
                return True
            if not more:
                return False
        return False

    def writing_call(self, number: int, pid: int, address: int, size: int) -> Event | None:
        """Return the system call by which an event has written to a process's memory: its own call, or another's.

        It may have written to a file that is mapped, or to the memory of another process (the event WRITTEN).
        """
        event = self.event(number)
        if event is None or self.writes(number, address, size):
            return event
        if event.kind != Kind.WRITTEN:
            return event if event.kind == Kind.SYSCALL and event.pid != pid else None
        writer = event.tid
        for at in range(number + 1, number + _MOST_ROWS):
            event = self.event(at)
            if event is None or (event.tid == writer and event.kind == Kind.SYSCALL):
                return event
        return None

    def call(self, number: int) -> str | None:
        """Return the name of the system call that an event is; None where it is none."""
        event = self.event(number)
        if event is None or event.kind not in (Kind.SYSCALL, Kind.ENTER):
            return None
        found = load(self._recording.arch).calls.get(event.nr)
        return found.name if found is not None else f"syscall_{event.nr}"
