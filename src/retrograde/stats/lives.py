"""Processes told apart where the kernel gave one's id to another after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from retrograde.events import Kind

if TYPE_CHECKING:
    from retrograde.recording import Batch
    from retrograde.state import Process

_ANOTHER = 1 << 32  # above all process ids


class Lives:
    """Numbers for processes: the pid, and above it how many had it before."""

    def __init__(self) -> None:
        self._keys: dict[int, int] = {}  # by pid, of those that were used again
        self._known: set[int] = set()  # pids whose process was seen (its fork, its exec or in a snapshot), and no end
        self._latest: dict[int, tuple[int, int]] = {}  # by pid, the serial and the number of the process last asked for

    def note_snapshot(self, pid: int) -> None:
        """Take note of a process in a snapshot."""
        self._known.add(pid)

    def of_batch(self, batch: Batch) -> NDArray[np.int64]:
        """Return the number of each row's process, as a tracker would tell them apart; shape (n,).

        Batches must come in their order.
        """
        pids = batch.pid.astype(np.int64)
        keys = pids.copy()
        for pid in self._keys.keys() & set(np.unique(pids).tolist()):
            keys[pids == pid] = self._keys[pid]
        kinds, arguments = batch.kind, batch.args
        for row in np.flatnonzero((kinds == Kind.FORK) | (kinds == Kind.EXEC) | (kinds == Kind.EXIT)).tolist():
            pid, first = int(pids[row]), row
            if kinds[row] == Kind.EXIT:
                if not arguments[0][row]:  # other threads go on
                    continue
                self._known.discard(pid)
                first = row + 1
            elif kinds[row] == Kind.FORK and arguments[1][row] == pid:  # a thread
                continue
            elif kinds[row] == Kind.EXEC or pid not in self._known:
                self._known.add(pid)
                continue
            key = self._keys[pid] = self._keys.get(pid, pid) + _ANOTHER
            keys[first:][pids[first:] == pid] = key
        return keys

    def of_process(self, process: Process) -> int:
        """Return the number of a process that a tracker knows; it must be asked in the order of events."""
        serial, key = self._latest.get(process.pid, (process.serial, process.pid))
        if serial != process.serial:
            key += _ANOTHER
        self._latest[process.pid] = process.serial, key
        return key


def pid_of(key: int) -> int:
    """Return the pid of a process by its number."""
    return key % _ANOTHER
