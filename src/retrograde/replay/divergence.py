"""What is told of a run that does not go as recorded: the event, the source line, the last events, the registers."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from retrograde.errors import RetrogradeError
from retrograde.replay.backtrace import unwind
from retrograde.replay.failures import ReplayDivergenceError
from retrograde.replay.maps import parsed_maps
from retrograde.replay.modules import Modules
from retrograde.replay.registers import Registers

if TYPE_CHECKING:
    from retrograde.recording import Recording
    from retrograde.replay import _core

_LAST_EVENTS = 8
_FRAMES = 12


def explained(recording: Recording, divergence: ReplayDivergenceError, session: _core.Session) -> ReplayDivergenceError:
    """Return a divergence with the source line, the events before it, and the registers.

    Args:
        recording: what is replayed.
        divergence: as the native replayer tells it.
        session: stopped where it happened.
    """
    lines = [divergence.what, *_frames(recording, divergence.tid, session)]
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
