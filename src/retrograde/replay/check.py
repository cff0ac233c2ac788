"""Replaying a whole recording, every process of it, and comparing all that can be compared."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from retrograde.errors import CannotError, UsageError
from retrograde.replay import _core
from retrograde.replay.divergence import explained
from retrograde.replay.failures import ReplayDivergenceError
from retrograde.replay.replay_debuggee import in_real_time, run_on_one_cpu
from retrograde.replay.requirements import check as check_requirements
from retrograde.replay.scan import scan
from retrograde.replay.unpacked import unpacked

if TYPE_CHECKING:
    from retrograde.recording import Recording


def check(recording: Recording, *, echo: bool = False, checksums: bool = False) -> str:
    """Replay a recording to its end.

    Args:
        recording: what is replayed.
        echo: show again what the program wrote to its terminal.
        checksums: compare the memory, too, with the checksums that were recorded.

    Returns:
        A sentence about it.

    Raises:
        ReplayDivergenceError: it does not go as recorded; the message shows both sides and the last events.
        CannotError: it can't be replayed here, or a part of it is missing.
        UsageError: there are no checksums in it.
    """
    check_requirements(recording, scan(recording), None)
    if checksums and not recording.info["replay"].get("checksum_interval_ns"):
        raise UsageError(
            f"{recording.name} has no checksums of its programs' memory",
            hint="record it again: retrograde record --checksums -- COMMAND",
        )
    if not recording.complete:
        why = (recording.problems or ["the capture has not closed it"])[0]
        raise CannotError(
            f"{recording.name} is not whole, and has no end to compare with: {why}",
            hint="without --check it is replayed as far as it goes",
        )
    with unpacked(recording) as folder, run_on_one_cpu(recording), in_real_time():
        begin = time.monotonic()
        session = _core.Session.open(str(folder), set(), 0, echo, True, checksums)
        if session.damage:
            raise CannotError(f"{recording.name} is not whole: {session.damage}")
        try:
            stop = session.run(stops=False)
        except ReplayDivergenceError as divergence:
            raise explained(recording, divergence, session) from None
        if stop.kind is _core.StopKind.INTERRUPTED:
            raise KeyboardInterrupt
        seconds = time.monotonic() - begin
        events, compared = session.next_event, session.checksums_compared
    memory = f", {compared:,} times the memory," if checksums else ""
    return f"{recording.name} replays: {events:,} events{memory} in {seconds:.2f} s, no divergence"
