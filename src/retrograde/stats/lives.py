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
        self._seen: set[int] = set()
        self._keys: dict[int, int] = {}  # by pid, of those that were used again
        self._processes: dict[int, list[Process]] = {}

    def of_batch(self, batch: Batch) -> NDArray[np.int64]:
        """Return the number of each row's process; shape (n,). Batches must come in their order."""
        pids = batch.pid.astype(np.int64)
        keys = pids.copy()
        for pid, key in self._keys.items():
            keys[pids == pid] = key
        for row in np.flatnonzero((batch.kind == Kind.FORK) & (batch.pid == batch.tid)).tolist():
            pid = int(pids[row])
            if pid in self._seen or (pids[:row] == pid).any():
                key = self._keys[pid] = self._keys.get(pid, pid) + _ANOTHER
                keys[row:][pids[row:] == pid] = key
        self._seen.update(np.unique(pids).tolist())
        return keys

    def of_process(self, process: Process) -> int:
        """Return the number of a process that a tracker knows."""
        processes = self._processes.setdefault(process.pid, [])
        for place, known in enumerate(processes):
            if known is process:
                return process.pid + place * _ANOTHER
        processes.append(process)
        return process.pid + (len(processes) - 1) * _ANOTHER


def pid_of(key: int) -> int:
    """Return the pid of a process by its number."""
    return key % _ANOTHER
