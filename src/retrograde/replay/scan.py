"""What has to be known of a recording before it is replayed: its processes, where they end, and who shares memory."""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass, field

import numpy as np

from retrograde.events import Kind, SegmentArg
from retrograde.recording import Recording
from retrograde.recording.batch import Batch
from retrograde.syscalls import ARCHITECTURES, load

_MAP_SHARED, _MAP_SHARED_VALIDATE, _MAP_TYPE, _PROT_WRITE = 1, 3, 15, 2
_IMAGE = re.compile(rb"^\S+ \S+ \S+ \S+ \S+ ([0-9a-f]{32})(?: |$)", re.MULTILINE)


@dataclass(slots=True)
class ProcessFacts:
    """One recorded process.

    Attributes:
        pid: its id.
        parent: the process that made it, or None for the first.
        begin: the event that made it.
        end: its last event: the exit of its last thread, or None where the recording ends before.
        status: its wait status.
        failure: the event of the signal that ended it, or None.
        programs: the paths of what it executed.
        deadly: events of signals without a handler, by their number.
    """

    pid: int
    parent: int | None
    begin: int
    end: int | None = None
    status: int = 0
    failure: int | None = None
    programs: list[str] = field(default_factory=list)
    deadly: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class ReplayScan:
    """What a scan has found.

    Attributes:
        processes: by pid, in order of appearance.
        shares_memory: whether processes may share memory that one of them writes.
        start: the first START event, or None: nothing can be replayed.
        images: names of the images that the recording needs.
    """

    processes: dict[int, ProcessFacts] = field(default_factory=dict)
    shares_memory: bool = False
    start: int | None = None
    images: set[str] = field(default_factory=set)

    def ancestors(self, pid: int) -> set[int]:
        """Return a process and those it descends from."""
        found: set[int] = set()
        at: int | None = pid
        while at is not None and at in self.processes and at not in found:
            found.add(at)
            at = self.processes[at].parent
        return found


def scan(recording: Recording) -> ReplayScan:
    """Read a recording once, its rare events alone, and return what a replay has to know."""
    result = ReplayScan()
    if recording.arch not in ARCHITECTURES:
        return result  # nobody replays it
    numbers = load(recording.arch).numbers
    mmap, shmat = numbers["mmap"], numbers["shmat"]
    rare = np.array([Kind.FORK, Kind.EXEC, Kind.EXIT, Kind.SIGNAL, Kind.START, Kind.MAPPED], np.uint8)
    for batch in recording.batches():
        for index in np.flatnonzero(np.isin(batch.kind, rare)).tolist():
            _take(result, batch, index)
        calls = batch.kind == Kind.SYSCALL
        shared = (batch.args[3] & _MAP_TYPE == _MAP_SHARED) | (batch.args[3] & _MAP_TYPE == _MAP_SHARED_VALIDATE)
        maps = calls & (batch.nr == mmap) & shared & (batch.args[2] & _PROT_WRITE != 0)
        result.shares_memory |= bool((maps | (calls & (batch.nr == shmat))).any())
    return result


def _take(result: ReplayScan, batch: Batch, index: int) -> None:
    kind, pid, seq = int(batch.kind[index]), int(batch.pid[index]), batch.first_seq + index
    if kind == Kind.FORK:
        parent = int(batch.args[1][index])
        if pid != parent:
            result.processes[pid] = ProcessFacts(pid, parent, seq)
        return
    process = result.processes.setdefault(pid, ProcessFacts(pid, None, seq))
    if kind == Kind.EXEC:
        event = batch.event(index)
        path = (event.memory(SegmentArg.FILENAME) or b"").rstrip(b"\0")
        process.programs.append(path.decode("utf-8", "surrogateescape"))
    elif kind == Kind.EXIT and int(batch.args[0][index]) == 1:
        process.end, process.status = seq, int(batch.result[index])
        process.failure = process.deadly.get(process.status & 0x7F)
    elif kind == Kind.SIGNAL:
        if not any(segment.arg == SegmentArg.HANDLER_REGISTERS for segment in batch.segments(index)):
            # A signal that ends a process reaches one thread of it, and SIGKILL then the others.
            number = int(batch.nr[index])
            process.deadly[number] = process.deadly.get(number, seq) if number == signal.SIGKILL else seq
    elif kind in (Kind.START, Kind.MAPPED):
        if kind == Kind.START and result.start is None:
            result.start = seq
        for segment in batch.segments(index):
            if segment.arg == SegmentArg.MAPS:
                result.images |= {name.decode() for name in _IMAGE.findall(segment.data)}
