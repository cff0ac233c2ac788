"""Going through the rows of a batch with the tracker, without making an event for each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from retrograde.events import EventFlag, Kind
from retrograde.state.changes import NUMBERS, Changes
from retrograde.state.tracker import Tracker, fd_argument

if TYPE_CHECKING:
    from retrograde.recording.batch import Batch
    from retrograde.state.descriptor import Descriptor
    from retrograde.state.process import Process
    from retrograde.syscalls import Syscall

_CHANGING, _ODD, _UNWANTED = 1, 2, 4
_RETURNED = 6  # behind the six arguments
_CHOOSES = 7  # the arguments choose the line
_ODD_FLAGS = int(EventFlag.COMPAT | EventFlag.MORE)
# A row's index in the batch, its call, process and descriptor.
Step = tuple[int, "Syscall | None", "Process", "Descriptor | None"]


class Walk:
    """Shows a tracker the rows that it has to see, and says what it knows at those that are wanted.

    Args:
        tracker: has seen everything before the first batch.

    Attributes:
        epoch: another number whenever something about a process may have changed, besides its descriptors.
    """

    def __init__(self, tracker: Tracker) -> None:
        self.tracker = tracker
        self.epoch = 0
        self.changes = Changes(tracker.table)
        self._lines: dict[int, tuple[Syscall | None, int]] = {}
        self._places: dict[int, tuple[Syscall, int]] = {}

    def steps(self, batch: Batch, wanted: NDArray[np.bool_] | None = None) -> Iterator[Step]:  # noqa: PLR0912
        """Yield the rows that are wanted, each as it stands when its event is the current one.

        Args:
            batch: the next one; no event of it is continued.
            wanted: rows of interest; None for all. Of the others only those are looked at that change something.
        """
        if not batch.count:
            return
        # One loop, without calls where nothing changes: this is what reading event by event costs.
        tracker, context = self.tracker, self.tracker.context
        if context.start_ns is None:
            context.start_ns = int(batch.exit[0])
        of_processes, by_memory = self.changes.of_processes.tolist(), self.changes.by_memory.tolist()
        ended = False
        processes, lines, places = tracker.processes, self._lines, self._places
        for index, kind, pid, tid, nr, time, result, *args in self._rows(batch, wanted):
            if tracker.unsettled:
                tracker.settle()
            if ended:  # what the row before has ended is forgotten now
                self.epoch += 1
                ended = False
            if kind & _ODD:
                self.epoch += 1
                ended = True
                event = batch.event(index)
                tracker.apply(event)
                if not kind & _UNWANTED:
                    assert event.process is not None
                    yield index, event.syscall, event.process, event.descriptor
                continue
            context.previous_ns, context.current_ns = context.current_ns, time
            process = processes.get(pid)
            if process is None:
                process = tracker.process_of(pid, tid)
            if kind & _CHANGING:
                memory = batch.memory(index) if by_memory[nr] else []
                tracker.apply_call(0, process, tid, nr, result, tuple(args), memory)
                if of_processes[nr]:
                    self.epoch += 1
                if kind & _UNWANTED:
                    continue
            try:
                syscall, place = lines[nr]
            except KeyError:
                syscall, place = self._line(nr)
            if place == _CHOOSES:
                syscall = tracker.table.choose(nr, tuple(args))
                assert syscall is not None
                try:
                    place = places[id(syscall)][1]
                except KeyError:
                    place = self._place(syscall)
            if place < 0:
                yield index, syscall, process, None
            elif place < _RETURNED:
                yield index, syscall, process, process.descriptors.get(args[place] & 0xFFFFFFFF)
            else:
                yield index, syscall, process, process.descriptors.get(result) if result >= 0 else None

    def _rows(self, batch: Batch, wanted: NDArray[np.bool_] | None) -> Iterator[tuple[int, ...]]:
        """Return of each row that matters: index, what it needs, pid, tid, nr, exit, result and arguments."""
        what = np.where(self.changes.calls(batch), _CHANGING, 0)
        odd = (batch.kind != Kind.SYSCALL) | (batch.flags & _ODD_FLAGS != 0) | (batch.nr < 0) | (batch.nr >= NUMBERS)
        what[odd] = _ODD
        columns: list[NDArray[Any]] = [what, batch.pid, batch.tid, batch.nr, batch.exit, batch.result, *batch.args]
        if wanted is None:
            return zip(range(batch.count), *(column.tolist() for column in columns), strict=True)
        what[~wanted] |= _UNWANTED
        chosen = np.flatnonzero(what != _UNWANTED)
        return zip(chosen.tolist(), *(column[chosen].tolist() for column in columns), strict=True)

    def _line(self, nr: int) -> tuple[Syscall | None, int]:
        table = self.tracker.table
        line = table.calls.get(nr)
        if line is None:
            found: tuple[Syscall | None, int] = (None, -1)
        elif table.choosers(nr):
            found = (None, _CHOOSES)
        else:
            found = (line, self._place(line))
        self._lines[nr] = found
        return found

    def _place(self, syscall: Syscall) -> int:
        """Return which argument is the descriptor that a call is about; -1 for none."""
        place = fd_argument(syscall)
        if place < 0 and syscall.returns.kind == "fd":
            place = _RETURNED
        self._places[id(syscall)] = (syscall, place)
        return place
