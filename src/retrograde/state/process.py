"""Processes and their threads."""

from __future__ import annotations

import enum
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

from retrograde.state.context import Context
from retrograde.state.descriptor import DescriptorTable
from retrograde.state.text import printable

_serials = itertools.count()


class ThreadLabels(dict[int, str]):
    """Printed forms of a process's threads by tid, `curl (17497)`, made when first asked for."""

    def __init__(self, process: Process) -> None:
        super().__init__()
        self._process = process

    def __missing__(self, tid: int) -> str:
        if len(self) > 65536:
            self.clear()
        text = self[tid] = f"{printable(self._process.thread_name(tid)) or '<NA>'} ({tid})"
        return text


class PidsOfChildren(enum.Enum):
    """What is known of the numbers of a process's next children in their own pid namespace (pid_namespaces(7))."""

    SAME = enum.auto()  # it is the process's own: a fork returns them
    FIRST = enum.auto()  # it is new, and the next child will be its first, 1
    UNKNOWN = enum.auto()  # it is, or may be, another


@dataclass(slots=True, eq=False, repr=False)
class Process:
    """A process, from its fork to its exit. A reused pid is a new object.

    Attributes:
        pid, ppid: numbers as the capture saw them; ppid 0 where it is not known.
        context: what holds for the whole recording.
        parent: the parent, where it is known.
        name: the main thread's comm, at most 15 characters; empty where it is not known.
        exe: the first argument (argv[0]); exepath: the absolute path of the program.
        args: the arguments behind the first.
        cwd: the current directory, None where it is not known.
        environ: the environment as `NAME=value`, None where it is not known.
        uid, gid, loginuid, sid, tty, vpid: None where they are not known. tty is the device's number, 0 for none.
        cgroup: the cgroup's path; container_id, container_name: of the container, as far as the path names it.
        start: ns of CLOCK_BOOTTIME, None where it is not known.
        threads: the names of its threads by tid, and vtids their numbers in their own pid namespace.
        descriptors: the table of file descriptors.
        pids_of_children: what its next children's vpid will be.
        foreign: whether its pid namespace is, or may be, another than the recording's where vpid is not known.
        exec_filename: what the last exec was asked to run, as it was written; None before one was seen.
        provisional: whether it was met without its fork or a snapshot, so that little is known of it yet.
        serial: a number that no other process has, also after this one is gone.
    """

    pid: int
    ppid: int
    context: Context
    parent: Process | None = None
    name: str = ""
    exe: str = ""
    exepath: str = ""
    args: list[str] = field(default_factory=list)
    cwd: str | None = None
    environ: list[str] | None = None
    uid: int | None = None
    gid: int | None = None
    loginuid: int | None = None
    sid: int | None = None
    tty: int | None = None
    vpid: int | None = None
    cgroup: str | None = None
    container_id: str | None = None
    container_name: str | None = None
    start: int | None = None
    threads: dict[int, str] = field(default_factory=dict)
    vtids: dict[int, int] = field(default_factory=dict)
    descriptors: DescriptorTable = field(default_factory=DescriptorTable)
    pids_of_children: PidsOfChildren = PidsOfChildren.SAME
    foreign: bool = False
    exec_filename: str | None = None
    provisional: bool = False
    serial: int = field(init=False, default_factory=_serials.__next__)
    labels: ThreadLabels = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.labels = ThreadLabels(self)

    def __repr__(self) -> str:
        return f"Process({self.pid}, {self.name!r})"

    @property
    def has_own_pids(self) -> bool:
        """Whether it lives in another pid namespace than the recording's, so that ids mean others to it."""
        return self.foreign if self.vpid is None else self.vpid != self.pid

    def number(self, vpid: int | None) -> None:
        """Set its number in its own pid namespace, None where that is another one and does not tell."""
        self.vpid, self.foreign = vpid, vpid is None
        if vpid is None:
            self.vtids.pop(self.pid, None)
        else:
            self.vtids[self.pid] = vpid

    def relative(self, vpid: int) -> Process | None:
        """Return the process that an id means to this one, None where that is not known for sure.

        To processes of another pid namespace it is one of the same namespace: of the same first process or, where they
        entered it one by one, of the same container.
        """
        if not self.has_own_pids:
            return self.context.processes.get(vpid)
        if vpid == self.vpid:
            return self
        called = [process for process in self.context.processes.values() if process.vpid == vpid]
        called = [process for process in called if process.has_own_pids]
        first = self._first_of_namespace()
        found = [process for process in called if process._first_of_namespace() is first]
        if not found and self.container_id is not None:
            found = [process for process in called if process.container_id == self.container_id]
        return found[0] if len(found) == 1 else None

    def _first_of_namespace(self) -> Process:
        """Return the first process of its pid namespace, or the ancestor that entered that, as far as it is known."""
        first = self
        for process in (self, *self.ancestors()):
            if not process.has_own_pids:
                break
            first = process
            if process.vpid in (1, None):
                break
        return first

    @property
    def cmdline(self) -> str:
        """The command line, joined by blanks."""
        return " ".join([self.exe, *self.args]) if self.exe or self.args else self.name

    def thread_name(self, tid: int) -> str:
        """Return the comm of one of the process's threads (the main thread's where it has none of its own)."""
        return self.threads.get(tid) or self.name

    def rename(self, tid: int, name: str) -> None:
        """Set a thread's comm; the main thread's is the process's name."""
        self.threads[tid] = name
        if tid == self.pid:
            self.name = name
            self.labels.clear()
        else:
            self.labels.pop(tid, None)

    def ancestors(self) -> Iterator[Process]:
        """Yield parent, grandparent and so on, as far as they are known."""
        seen = {id(self)}
        process = self.parent
        while process is not None and id(process) not in seen:  # a damaged recording may hold a circle
            seen.add(id(process))
            yield process
            process = process.parent
