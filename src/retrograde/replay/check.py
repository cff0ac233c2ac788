"""Replaying a whole recording, every process of it, and comparing all that can be compared."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from retrograde.errors import CannotError, RetrogradeError
from retrograde.replay import _core
from retrograde.replay.backtrace import unwind
from retrograde.replay.failures import ReplayDivergenceError
from retrograde.replay.modules import Modules
from retrograde.replay.registers import Registers
from retrograde.replay.replay_debuggee import parsed_maps, run_on_one_cpu
from retrograde.replay.requirements import check as check_requirements
from retrograde.replay.scan import scan
from retrograde.replay.unpacked import unpacked

if TYPE_CHECKING:
    from retrograde.recording import Recording

_LAST_EVENTS = 8
_FRAMES = 12


def check(recording: Recording, *, echo: bool = False) -> str:
    """Replay a recording to its end.

    Args:
        recording: what is replayed.
        echo: show again what the program wrote to its terminal.

    Returns:
        A sentence about it.

    Raises:
        ReplayDivergenceError: it does not go as recorded; the message shows both sides and the last events.
        CannotError: it can't be replayed here, or a part of it is missing.
    """
    check_requirements(recording, scan(recording), None)
    if not recording.complete:
        why = (recording.problems or ["the capture has not closed it"])[0]
        raise CannotError(
            f"{recording.name} is not whole, and has no end to compare with: {why}",
            hint="without --check it is replayed as far as it goes",
        )
    with unpacked(recording) as folder, run_on_one_cpu(recording):
        begin = time.monotonic()
        session = _core.Session.open(str(folder), set(), 0, echo, True)
        if session.damage:
            raise CannotError(f"{recording.name} is not whole: {session.damage}")
        try:
            stop = session.run(stops=False)
        except ReplayDivergenceError as divergence:
            raise explained(recording, divergence, session) from None
        if stop.kind is _core.StopKind.INTERRUPTED:
            raise KeyboardInterrupt
        seconds = time.monotonic() - begin
        events = session.next_event
    return f"{recording.name} replays: {events:,} events in {seconds:.2f} s, no divergence"


def explained(
    recording: Recording, divergence: ReplayDivergenceError, session: _core.Session | None = None
) -> ReplayDivergenceError:
    """Return a divergence with the source line, the events before it, and the registers.

    Args:
        recording: what is replayed.
        divergence: as the native replayer tells it.
        session: stopped where it happened, where it is still there.
    """
    lines = [divergence.what]
    if session is not None:
        lines += _frames(recording, divergence.tid, session)
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


def _frames(recording: Recording, tid: int, session: _core.Session) -> list[str]:
    """Return where a thread is, and its callers, a line each; none where the process is gone."""
    pids = [pid for pid, other, _, _ in session.threads() if other == tid]
    try:
        if not pids:
            return []
        maps = parsed_maps(session.maps(pids[0]))

        def read(address: int, length: int) -> bytes:
            return session.read_memory(pids[0], address, length)

        with contextlib.closing(Modules(recording, lambda: maps, read)) as modules:
            registers = Registers(recording.arch, session.registers(tid))
            return ["at:", *(f"  {frame}" for frame in unwind(registers, recording.arch, read, modules, _FRAMES))]
    except RetrogradeError:
        return []
