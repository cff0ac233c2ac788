"""Which rows of a batch change what is known of processes: the tracker need not see the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from retrograde.events import EventFlag, Kind
from retrograde.state.calls import COMMANDS, HANDLERS, LATE_HANDLERS, SEEING_FAILURES, WITHOUT_MEMORY

if TYPE_CHECKING:
    from retrograde.recording.batch import Batch
    from retrograde.syscalls import Table

NUMBERS = 1024  # above the highest number of any call
_ODD_FLAGS = int(EventFlag.COMPAT | EventFlag.MORE)


# Calls that change descriptors, and nothing that is known of the process itself.
_OF_DESCRIPTORS = frozenset(
    {
        "open", "openat", "openat2", "creat", "close", "close_range", "dup", "dup2", "dup3", "fcntl", "getdents",
        "getdents64", "pipe", "pipe2", "socket", "socketpair", "bind", "connect", "accept", "accept4", "eventfd",
        "eventfd2", "epoll_create", "epoll_create1", "memfd_create",
    }
)  # fmt: skip


class Changes:
    """Finds the rows that change the state of processes and descriptors.

    Args:
        table: the syscall table.

    Attributes:
        of_processes: by number of a call, whether it changes more than descriptors.
        by_memory: by number of a call, whether it takes the call's memory to tell what it changes.
    """

    def __init__(self, table: Table) -> None:
        self._tracked = np.zeros(NUMBERS, np.bool_)
        self._sees_failures = np.zeros(NUMBERS, np.bool_)
        self.of_processes = np.zeros(NUMBERS, np.bool_)
        self.by_memory = np.zeros(NUMBERS, np.bool_)
        self._commands: list[tuple[int, int, NDArray[np.uint32]]] = []
        for name in (*HANDLERS, *LATE_HANDLERS):
            number = table.numbers[name] if name in table.by_name else NUMBERS
            if number >= NUMBERS:
                continue
            self._tracked[number] = True
            self.of_processes[number] |= name not in _OF_DESCRIPTORS
            self.by_memory[number] |= name not in WITHOUT_MEMORY
            self._sees_failures[number] |= name in SEEING_FAILURES
            if name in COMMANDS:
                argument, values = COMMANDS[name]
                self._commands.append((number, argument, np.array(values, np.uint32)))

    def calls(self, batch: Batch) -> NDArray[np.bool_]:
        """Return, in shape (n,), where calls of the table change something."""
        nr = batch.nr
        known = (nr >= 0) & (nr < NUMBERS)
        numbers = nr if known.all() else np.where(known, nr, NUMBERS - 1)
        changing: NDArray[np.bool_] = self._tracked[numbers] & (batch.kind == Kind.SYSCALL)
        changing &= (batch.result >= 0) | self._sees_failures[numbers]
        for number, argument, values in self._commands:
            rows = np.flatnonzero(changing & (nr == number))
            if len(rows):
                commands = batch.args[argument][rows].astype(np.uint32)
                changing[rows] = (commands[:, None] == values).any(axis=1)  # not np.isin: its imports cost 20 ms
        return changing

    def rows(self, batch: Batch) -> NDArray[np.bool_]:
        """Return, in shape (n,), which rows a tracker has to see, those of other kinds than calls among them."""
        rows: NDArray[np.bool_] = self.calls(batch) | (batch.kind != Kind.SYSCALL) | (batch.flags & _ODD_FLAGS != 0)
        return rows
