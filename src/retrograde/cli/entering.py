"""Lines where calls began (`>`), in the order of time.

A call's record stands where it returned. Within a block the beginnings are sorted in; of a call that began before its
own block, the beginning belongs further up. A thread is in one call at a time, so that such calls are few: a first pass
collects them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from retrograde.cli.printing import EventPrinter
from retrograde.events import Event, Kind, SegmentFlag
from retrograde.printer.merger import MOST_BYTES, Merger
from retrograde.recording import Recording
from retrograde.recording.batch import Batch
from retrograde.recording.blocks import BlockType


def beginning(event: Event) -> Event:
    """Return the event that stands where a call began, with the memory that the kernel read alone."""
    read = [segment for segment in event.segments if not segment.flags & SegmentFlag.OUT]
    return replace(event, kind=int(Kind.ENTER), exit=event.enter, result=0, segments=read)


def early_beginnings(recording: Recording) -> list[Event]:
    """Return the beginnings of calls that began before the first exit of their own block, by time."""
    found: list[Event] = []
    for batch in recording.batches():
        if not batch.count:
            continue
        early = (batch.kind == Kind.SYSCALL) & (batch.enter < batch.exit.min())
        found += [beginning(batch.event(int(index))) for index in np.flatnonzero(early)]
    found.sort(key=lambda event: (event.exit, event.seq))
    return found


def in_order(batch: Batch, events: list[Event], early: Iterator[Event], head: list[Event]) -> list[Event]:
    """Return a batch's events with the beginnings that fall between them.

    Args:
        batch: the events' own.
        events: whole ones.
        early: beginnings of calls that end in this batch or later, by time.
        head: the first of them that did not fit yet, at most one; changed.
    """
    if not events:
        return []
    first, last = int(batch.exit.min()), max(event.exit for event in events)
    entries = [(event.exit, 1, position, event) for position, event in enumerate(events)]
    for position, event in enumerate(events):
        if event.kind == Kind.SYSCALL and event.enter >= first:
            entries.append((event.enter, 0, position, beginning(event)))
    while True:
        event_ahead = head.pop() if head else next(early, None)
        if event_ahead is None:
            break
        if event_ahead.exit > last:
            head.append(event_ahead)
            break
        entries.append((event_ahead.exit, 0, -1, event_ahead))
    # Rows of one thread are in order already; a stable sort keeps those of equal times so.
    entries.sort(key=lambda entry: entry[:3])
    return [entry[3] for entry in entries]


def print_with_beginnings(recording: Recording, printer: EventPrinter) -> None:
    """Print a recording's events, and a line where each call began."""
    early, head = iter(early_beginnings(recording)), list[Event]()
    merger = Merger(MOST_BYTES)
    context = printer.tracker.context
    for block in recording.blocks():
        if block.type == BlockType.SNAPSHOT:
            printer.tracker.load_snapshot(block.snapshot())
        elif block.type == BlockType.EVENTS:
            batch = block.batch()
            if batch.count and context.start_ns is None:
                context.start_ns = int(batch.exit[0])
            printer.events(in_order(batch, list(merger.feed(batch)), early, head))
        if printer.done:
            return
    printer.events(list(merger.flush()))
