"""The tracker: follows the events of a recording and knows the processes and their descriptors at each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from retrograde.events import Event, EventFlag, Kind, Segment, SegmentArg
from retrograde.state.calls import COMPAT_HANDLERS, HANDLERS, LATE_HANDLERS, Handler, SegmentTuple
from retrograde.state.context import Context
from retrograde.state.descriptor import Descriptor, DescriptorTable
from retrograde.state.paths import resolve_path
from retrograde.state.process import PidsOfChildren, Process
from retrograde.state.snapshot import load_processes, split_strings
from retrograde.state.text import decode

if TYPE_CHECKING:
    from retrograde.syscalls import Syscall, Table

# Plain numbers: an enumeration's operators are slow.
_COMPAT = int(EventFlag.COMPAT)


_RENAMES = (SegmentArg.COMM, SegmentArg.FILENAME, SegmentArg.ARGV, SegmentArg.ENVP)


def segment_tuples(segments: Iterable[Segment]) -> list[SegmentTuple]:
    """Return the segments of an event in the form that handlers and formatters take."""
    return [(s.arg, s.flags, s.address, s.full_length, s.data) for s in segments]


class Tracker:
    """Processes and file descriptors, as they stand at the event that was applied last.

    What an event ends (close, exit) is forgotten only when the next event comes, so that the event itself can still
    be printed with it.

    Args:
        context: of the recording.
        table: the syscall table of its architecture; loaded if None.

    Attributes:
        made: (pid, tid) of what a fork has made, by the tid of who called it, until that call returns.
        unsettled: what the event before has ended; :meth:`settle` forgets it.
    """

    def __init__(self, context: Context, table: Table | None = None) -> None:
        if table is None:
            from retrograde.syscalls import load

            table = load(context.arch)
        self.context = context
        self.table = table
        self.processes = context.processes
        self.made: dict[int, tuple[int, int]] = {}
        self.sent_rights: list[list[Descriptor]] = []
        self.unsettled: list[tuple[Handler | None, Process, int, int, tuple[int, ...], list[SegmentTuple]]] = []
        self._serial = 0
        self.handlers: dict[int, Handler] = {}
        self.late_handlers: dict[int, Handler] = {}
        for handlers, chosen in ((HANDLERS, self.handlers), (LATE_HANDLERS, self.late_handlers)):
            chosen.update((table.numbers[name], handler) for name, handler in handlers.items() if name in table.by_name)
        self._fd_arguments: dict[int, tuple[Syscall, int, bool]] = {}

    def load_snapshot(self, snapshot: Mapping[str, bytes]) -> None:
        """Enter the processes of a snapshot, unless they are known from events already.

        Args:
            snapshot: contents by path (docs/reference/recording-format.md).
        """
        for pid, process in load_processes(snapshot, self.context).items():
            known = self.processes.get(pid)
            if known is None or known.provisional:
                self.processes[pid] = process

    def next_serial(self) -> int:
        """Return a number for things that have no name, such as new pipes."""
        self._serial += 1
        return self._serial

    def process_of(self, pid: int, tid: int) -> Process:
        """Return the process, making an unknown one where it was never heard of."""
        process = self.processes.get(pid)
        if process is None:
            process = self.processes[pid] = Process(pid, 0, self.context, provisional=True)
        return process

    def apply(self, event: Event) -> None:
        """Note what the event changes, and set its `syscall`, `process` and `descriptor`."""
        if self.unsettled:
            self.settle()
        self.context.advance(event.exit)
        process = self.process_of(event.pid, event.tid)
        event.process = process
        kind = event.kind
        if kind in (Kind.SYSCALL, Kind.ENTER):
            compat = event.flags & _COMPAT
            event.syscall = None if compat else self.table.choose(event.nr, event.args)
            if kind == Kind.SYSCALL:
                self.apply_call(
                    event.flags, process, event.tid, event.nr, event.result, event.args, segment_tuples(event.segments)
                )
            if event.syscall is not None:
                event.descriptor = self._descriptor_of(event, event.syscall, process)
        else:
            event.syscall = None
            self.apply_other(kind, event.pid, event.tid, event.exit, event.args, segment_tuples(event.segments))
            event.process = self.process_of(event.pid, event.tid)

    def settle(self) -> None:
        """Forget what the event before has ended."""
        late, self.unsettled = self.unsettled, []
        for handler, process, tid, result, args, segments in late:
            if handler is not None:
                handler(self, process, tid, result, args, segments)
            else:
                self._end_thread(process, tid, bool(args[0]))

    def apply_call(
        self,
        flags: int,
        process: Process,
        tid: int,
        nr: int,
        result: int,
        args: tuple[int, ...],
        segments: list[SegmentTuple],
    ) -> None:
        """Note what a completed call changes."""
        if flags & _COMPAT:
            self._apply_compat(process, tid, nr, result, args)
            return
        handler = self.handlers.get(nr)
        if handler is not None:
            handler(self, process, tid, result, args, segments)
        handler = self.late_handlers.get(nr)
        if handler is not None:
            self.unsettled.append((handler, process, tid, result, args, segments))

    def _apply_compat(self, process: Process, tid: int, nr: int, result: int, args: tuple[int, ...]) -> None:
        """Note what a 32-bit call does to descriptors; its memory is not kept, so that names stay unknown."""
        name = self.table.compat_name(nr)
        if name in LATE_HANDLERS:
            self.unsettled.append((LATE_HANDLERS[name], process, tid, result, args, []))
        elif name in COMPAT_HANDLERS:
            COMPAT_HANDLERS[name](self, process, tid, result, args, [])

    def apply_other(
        self, kind: int, pid: int, tid: int, time: int, args: tuple[int, ...], segments: list[SegmentTuple]
    ) -> None:
        """Note what an event that is no call changes."""
        if kind == Kind.FORK:
            self._fork(pid, tid, time, args, segments)
        elif kind == Kind.EXEC:
            self._exec(pid, tid, args, segments)
        elif kind == Kind.EXIT:
            self.unsettled.append((None, self.process_of(pid, tid), tid, 0, args, segments))

    # ---- processes ----

    def _fork(self, pid: int, tid: int, time: int, args: tuple[int, ...], segments: list[SegmentTuple]) -> None:
        parent_tid, parent_pid, uid, gid = args[:4]
        name = next((decode(data) for arg, _, _, _, data in segments if arg == SegmentArg.COMM), None)
        self.made[parent_tid] = (pid, tid)
        if pid == parent_pid:  # a thread
            process = self.process_of(pid, tid)
            process.rename(tid, name if name is not None else process.thread_name(parent_tid))
            if process.vpid == pid:
                process.vtids[tid] = tid
            return
        parent = self.process_of(parent_pid, parent_tid)
        child = self.child_of(parent, parent_tid, pid)
        child.uid, child.gid, child.start = uid, gid, time
        # Until the call says otherwise:
        if parent.has_own_pids or parent.pids_of_children is not PidsOfChildren.SAME:
            child.number(None)
        elif parent.vpid == parent_pid:
            child.number(pid)
        if name is not None:
            child.rename(pid, name)

    def child_of(self, parent: Process, parent_tid: int, pid: int) -> Process:
        """Return the child that a fork made, with all it inherits; also one that was heard of before its fork."""
        known = self.processes.get(pid)
        child = known if known is not None and known.provisional else Process(pid, parent.pid, self.context)
        was_seen = child is known and (child.threads or len(child.descriptors))
        child.provisional = False
        child.ppid, child.parent = parent.pid, parent
        for attribute in (
            "cwd", "uid", "gid", "loginuid", "sid", "tty", "cgroup", "container_id", "container_name",
            "exe", "exepath", "environ", "exec_filename",
        ):  # fmt: skip
            if getattr(child, attribute) in (None, ""):
                setattr(child, attribute, getattr(parent, attribute))
        child.args = child.args or list(parent.args)
        if not child.name:
            child.rename(pid, parent.thread_name(parent_tid))
        inherited = parent.descriptors.copy()
        if was_seen:
            for descriptor in child.descriptors:
                inherited.put(descriptor)
        child.descriptors = inherited
        self.processes[pid] = child
        return child

    def _exec(self, pid: int, tid: int, args: tuple[int, ...], segments: list[SegmentTuple]) -> None:
        process = self.process_of(pid, tid)
        process.provisional = False
        found: dict[int, bytes] = {}
        for arg, _, _, _, data in segments:
            if arg in _RENAMES:
                found[arg] = found.get(arg, b"") + data
        process.uid, process.gid = args[2], args[3]
        process.threads.clear()
        process.vtids = {pid: process.vtids[args[0]]} if args[0] in process.vtids else {}
        process.labels.clear()
        if SegmentArg.FILENAME in found:
            process.exec_filename = decode(found[SegmentArg.FILENAME])
            path = resolve_path(process.cwd, process.exec_filename)
            if path not in ("/proc/self/exe", "/proc/thread-self/exe", f"/proc/{pid}/exe"):  # itself once more
                process.exepath = path
        if SegmentArg.COMM in found:
            process.rename(pid, decode(found[SegmentArg.COMM]))
        if SegmentArg.ARGV in found:
            arguments = split_strings(found[SegmentArg.ARGV])
            process.exe, process.args = (arguments[0], arguments[1:]) if arguments else ("", [])
        if SegmentArg.ENVP in found:
            process.environ = split_strings(found[SegmentArg.ENVP])
        if process.descriptors.shared:  # exec unshares the table before it closes (execve(2))
            process.descriptors = process.descriptors.copy()
        process.descriptors.close_on_exec()

    def _end_thread(self, process: Process, tid: int, last: bool) -> None:
        process.threads.pop(tid, None)
        process.labels.pop(tid, None)
        process.vtids.pop(tid, None)
        self.made.pop(tid, None)
        if last and self.processes.get(process.pid) is process:
            del self.processes[process.pid]

    def share_descriptors(self, owner: Process, other: Process) -> None:
        """Let another process use the owner's table, as clone(CLONE_FILES) does."""
        table: DescriptorTable = owner.descriptors
        table.shared = True
        other.descriptors = table

    # ---- the event's descriptor ----

    def _descriptor_of(self, event: Event, syscall: Syscall, process: Process) -> Descriptor | None:
        entry = self._fd_arguments.get(id(syscall))
        if entry is None:
            entry = self._fd_arguments[id(syscall)] = (syscall, fd_argument(syscall), syscall.returns.kind == "fd")
        _, argument, returns = entry
        number = None
        if argument >= 0:
            number = event.args[argument] & 0xFFFFFFFF
        elif returns and event.result >= 0 and event.kind == Kind.SYSCALL:
            number = event.result
        return process.descriptors.get(number) if number is not None else None


def fd_argument(syscall: Syscall) -> int:
    """Return the position of the file descriptor that a call is about, -1 where there is none.

    A directory that a path starts from is not what the call is about where it returns a descriptor of its own.
    """
    fallback = -1
    for position, param in enumerate(syscall.params):
        if param.direction is None and param.type.kind == "fd":
            return position
        if param.direction is None and param.type.kind == "dirfd" and fallback < 0:
            fallback = position
    return -1 if syscall.returns.kind == "fd" else fallback
