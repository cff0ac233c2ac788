"""Replaying a whole recording, every process of it, and comparing all that can be compared."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from retrograde.errors import FormatError
from retrograde.replay import _core
from retrograde.replay.failures import ReplayDivergenceError
from retrograde.replay.replay import run_on_one_cpu
from retrograde.replay.requirements import check as check_requirements
from retrograde.replay.scan import scan
from retrograde.replay.unpacked import unpacked

if TYPE_CHECKING:
    from retrograde.recording import Recording

_LAST_EVENTS = 8


def check(recording: Recording, *, echo: bool = False) -> str:
    """Replay a recording to its end.

    Args:
        recording: what is replayed.
        echo: show again what the program wrote to its terminal.

    Returns:
        A sentence about it.

    Raises:
        ReplayDivergenceError: it does not go as recorded; the message shows both sides and the last events.
        CannotError: it can't be replayed here.
        FormatError: a part of the recording is missing.
    """
    check_requirements(recording, scan(recording), None)
    with unpacked(recording) as folder, run_on_one_cpu(recording):
        begin = time.monotonic()
        session = _core.Session.open(str(folder), set(), 0, echo, True)
        if session.damage:
            raise FormatError(f"{recording.name} is not whole: {session.damage}")
        try:
            stop = session.run(stops=False)
        except ReplayDivergenceError as divergence:
            raise explained(recording, divergence) from None
        if stop.kind is _core.StopKind.INTERRUPTED:
            raise KeyboardInterrupt
        seconds = time.monotonic() - begin
        events = session.next_event
    return f"{recording.name} replays: {events:,} events in {seconds:.2f} s, no divergence"


def explained(recording: Recording, divergence: ReplayDivergenceError) -> ReplayDivergenceError:
    """Return a divergence with the events before it, and the registers."""
    lines = [divergence.what]
    last = []
    for event in recording.events():
        if event.seq > divergence.event:
            break
        if event.tid == divergence.tid or event.seq == divergence.event:
            last.append(f"{'recorded >' if event.seq == divergence.event else '          '} {event}"[:240])
            del last[:-_LAST_EVENTS]
    lines += ["the last events of the thread:", *last]
    if divergence.registers:
        lines += ["registers:", divergence.registers]
    return ReplayDivergenceError("\n".join(lines), divergence.event, divergence.tid, divergence.registers)
