"""Putting together events whose memory was too long for one row."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator

from retrograde.events import Event, EventFlag, Kind, Segment

MAX_EVENT_BYTES = 1 << 30
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


def merge_rows(rows: Iterable[Event], note: Callable[[int, str], None]) -> Iterator[Event]:
    """Yield events in order, with the memory of their DATA rows.

    Args:
        rows: as they stand in the recording.
        note: told of memory that is missing: the event's number and a line.
    """
    growing: dict[int, _Growing] = {}
    waiting: deque[Event] = deque()

    def released(*, everything: bool = False) -> Iterator[Event]:
        while waiting and (everything or not _is_growing(growing, waiting[0])):
            yield waiting.popleft()

    def end(tid: int, *, whole: bool) -> None:
        event = growing.pop(tid).close()
        if not whole:
            event.flags |= EventFlag.FAULT
            note(event.seq, f"event {event.seq}: further memory of it is missing")

    for event in rows:
        current = growing.get(event.tid) if growing else None
        if event.kind == Kind.DATA:
            if current is None:
                note(event.seq, f"event {event.seq}: memory of an event that is missing")
                continue
            current.add(event)
            if not event.flags & EventFlag.MORE:
                end(event.tid, whole=True)
                yield from released()
            continue
        if current is not None:
            end(event.tid, whole=False)
        if event.flags & EventFlag.MORE:
            growing[event.tid] = _Growing(event)
        if not growing and not waiting:
            yield event
            continue
        waiting.append(event)
        if len(waiting) > _MAX_WAITING:
            for tid in list(growing):
                end(tid, whole=False)
        yield from released()
    for tid in list(growing):
        end(tid, whole=False)
    yield from released(everything=True)


def _is_growing(growing: dict[int, _Growing], event: Event) -> bool:
    current = growing.get(event.tid)
    return current is not None and current.event is event
