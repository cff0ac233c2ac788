"""Rows of batches as whole events: further segments (rows of kind DATA) joined to the event they belong to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from retrograde.events import Event, EventFlag, Kind

if TYPE_CHECKING:
    from retrograde.recording.batch import Batch

# Of a continued buffer a line shows only the beginning; a filter may look at all of it.
LINE_BYTES = 1 << 20
MOST_BYTES = 1 << 30


class Merger:
    """Turns batches into events, in order; an event whose continuation is still to come holds back those behind it.

    Args:
        kept_bytes: of a continued event's memory, about so much is kept.
    """

    def __init__(self, kept_bytes: int = LINE_BYTES) -> None:
        self._kept_bytes = kept_bytes
        self._held: list[Event] = []
        self._open: dict[int, Event] = {}

    @property
    def holding(self) -> bool:
        """Whether events wait for a continuation."""
        return bool(self._held)

    def feed(self, batch: Batch, wanted: NDArray[np.bool_] | None = None) -> Iterator[Event]:
        """Yield the events of the rows that are wanted or continue one that is.

        Args:
            batch: the next one of the recording.
            wanted: rows of interest; None for all.
        """
        rows: Iterator[Event]
        if wanted is None:
            rows, count = batch.events(), batch.count
        else:
            chosen = np.flatnonzero(wanted | (batch.kind == Kind.DATA))
            count = len(chosen)
            if count * 8 > batch.count:
                everything = list(batch.events())
                rows = (everything[index] for index in chosen.tolist())
            else:
                rows = (batch.event(index) for index in chosen.tolist())
        for event in rows:
            if event.kind == Kind.DATA:
                self._continue(event)
                if not self._open and self._held:
                    yield from self.flush()
                continue
            if event.flags & EventFlag.MORE:
                self._open[event.tid] = event
            if self._open:
                # A thread that goes on has no continuation to come: the rest was lost with a damaged block.
                if not event.flags & EventFlag.MORE:
                    self._open.pop(event.tid, None)
                self._held.append(event)
                if not self._open:
                    yield from self.flush()
            else:
                yield event

    def _continue(self, data: Event) -> None:
        event = self._open.get(data.tid)
        if event is None:
            return
        kept = sum(len(segment.data) for segment in event.segments)
        for segment in data.segments:
            if kept + len(segment.data) <= self._kept_bytes or len(segment.data) <= 4096:
                event.segments.append(segment)
                kept += len(segment.data)
        if not data.flags & EventFlag.MORE:
            del self._open[data.tid]

    def flush(self) -> Iterator[Event]:
        """Yield what is held back; the recording ended before it was complete, or it now is."""
        held, self._held = self._held, []
        self._open.clear()
        yield from held
