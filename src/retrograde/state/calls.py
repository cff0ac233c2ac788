"""What each system call changes in the state of processes: one small handler a call.

A handler gets the tracker, the process, the tid, the result, the arguments as the registers held them and the memory
as tuples (arg, flags, address, full length, bytes). Handlers of :data:`LATE_HANDLERS` run when the next event comes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from retrograde.events import SegmentFlag
from retrograde.state.address import FAMILY_NAMES, TYPECHARS, parse_sockaddr, socket_protocol
from retrograde.state.descriptor import Address, Descriptor
from retrograde.state.paths import resolve_at
from retrograde.state.process import PidsOfChildren
from retrograde.state.snapshot import O_DIRECTORY
from retrograde.state.text import decode

if TYPE_CHECKING:
    from retrograde.state.process import Process
    from retrograde.state.tracker import Tracker

# Plain numbers: an enumeration's operators are slow.
_FAULT = int(SegmentFlag.FAULT)
_NESTED = int(SegmentFlag.NESTED)
_OUT = int(SegmentFlag.OUT)


SegmentTuple = tuple[int, int, int, int, bytes]
Handler = Callable[["Tracker", "Process", int, int, tuple[int, ...], list[SegmentTuple]], None]

O_CLOEXEC = 0o2000000  # also SOCK_CLOEXEC, EFD_CLOEXEC, EPOLL_CLOEXEC, TFD_CLOEXEC, SFD_CLOEXEC, IN_CLOEXEC
CLONE_FILES = 0x400
O_TMPFILE = 0o20000000  # the bit that is its own: it comes with O_DIRECTORY, for a file in that directory
CLONE_THREAD = 0x10000
CLONE_PIDFD = 0x1000
CLONE_NEWPID = 0x20000000
EBADF, EINPROGRESS = -9, -115
NO_ID = 0xFFFFFFFF
PR_SET_NAME = 15
F_DUPFD, F_SETFD, F_DUPFD_CLOEXEC, FD_CLOEXEC = 0, 2, 1030, 1

HANDLERS: dict[str, Handler] = {}
LATE_HANDLERS: dict[str, Handler] = {}
COMPAT_HANDLERS: dict[str, Handler] = {}
# Calls whose handlers want to see failures; calls of which only some commands change anything: argument and commands.
SEEING_FAILURES: set[str] = set()
WITHOUT_MEMORY: set[str] = set()  # calls whose handlers look at numbers alone
COMMANDS: dict[str, tuple[int, tuple[int, ...]]] = {}
_OF_SUCCESS: dict[Handler, Handler] = {}


def of_success(handler: Handler | None) -> Handler | None:
    """Return what a handler comes down to for calls that are known to have changed something."""
    return _OF_SUCCESS.get(handler, handler) if handler is not None else None


def on(
    *names: str,
    failed: bool = False,
    late: bool = False,
    compat: bool = False,
    memory: bool = True,
    commands: tuple[int, tuple[int, ...]] | None = None,
) -> Callable[[Handler], Handler]:
    """Enter the decorated function as the handler of calls.

    Args:
        names: of the calls.
        failed: it wants to see calls that returned an error too.
        late: it runs when the next event comes.
        compat: it works without the call's memory, so that it does for 32-bit calls too.
        memory: it looks at the call's memory where that is there; if not, none has to be given to it.
        commands: an argument, and the values of its lower half that it looks at; None where it looks at all calls.
    """

    def enter(handler: Handler) -> Handler:
        def successful(
            tracker: Tracker,
            process: Process,
            tid: int,
            result: int,
            args: tuple[int, ...],
            segments: list[SegmentTuple],
        ) -> None:
            if result >= 0:
                handler(tracker, process, tid, result, args, segments)

        _OF_SUCCESS[successful] = handler
        chosen = handler if failed else successful
        for name in names:
            (LATE_HANDLERS if late else HANDLERS)[name] = chosen
            if compat:
                COMPAT_HANDLERS[name] = chosen
            if failed:
                SEEING_FAILURES.add(name)
            if not memory:
                WITHOUT_MEMORY.add(name)
            if commands is not None:
                COMMANDS[name] = commands
        return handler

    return enter


def memory_of(segments: list[SegmentTuple], argument: int, *, written: bool = False) -> bytes | None:
    """Return what an argument points to (what the kernel wrote there, if asked for), None where it was not kept."""
    for arg, flags, _, _, data in segments:
        if arg == argument and not flags & (_NESTED | _FAULT):
            if written and not flags & _OUT:
                continue
            return data
    return None


def _nested_at(segments: list[SegmentTuple], argument: int, address: int) -> bytes | None:
    for arg, flags, start, _, data in segments:
        if arg == argument and start == address and flags & _NESTED and not flags & _FAULT:
            return data
    return None


def _signed32(value: int) -> int:
    value &= 0xFFFFFFFF
    return value - 0x1_0000_0000 if value & 0x8000_0000 else value


# ---- files ----


def _put_file(tracker: Tracker, process: Process, number: int, dirfd: int, path: bytes | None, flags: int) -> None:
    name = resolve_at(process, dirfd, decode(path)) if path is not None else ""
    is_directory = flags & O_DIRECTORY.get(tracker.context.arch, 0) and not flags & O_TMPFILE
    typechar = "d" if is_directory else "f"
    process.descriptors.put(Descriptor(number, typechar, name, bool(flags & O_CLOEXEC)))


@on("open", compat=True)
def _open(t: Tracker, p: Process, tid: int, result: int, args: tuple[int, ...], segments: list[SegmentTuple]) -> None:
    _put_file(t, p, result, -100, memory_of(segments, 0), args[1])


@on("creat", compat=True)
def _creat(t: Tracker, p: Process, tid: int, result: int, args: tuple[int, ...], segments: list[SegmentTuple]) -> None:
    _put_file(t, p, result, -100, memory_of(segments, 0), 0)


@on("openat", compat=True)
def _openat(t: Tracker, p: Process, tid: int, result: int, args: tuple[int, ...], segments: list[SegmentTuple]) -> None:
    _put_file(t, p, result, args[0], memory_of(segments, 1), args[2])


@on("openat2")
def _openat2(
    t: Tracker, p: Process, tid: int, result: int, args: tuple[int, ...], segments: list[SegmentTuple]
) -> None:
    how = memory_of(segments, 2) or b""
    _put_file(t, p, result, args[0], memory_of(segments, 1), int.from_bytes(how[:8], "little"))


@on("open_by_handle_at")
def _open_by_handle(
    t: Tracker, p: Process, tid: int, result: int, args: tuple[int, ...], segments: list[SegmentTuple]
) -> None:
    _put_file(t, p, result, -100, None, args[2])


@on("open_tree")
def _open_tree(
    t: Tracker, p: Process, tid: int, result: int, args: tuple[int, ...], segments: list[SegmentTuple]
) -> None:
    _put_file(t, p, result, args[0], memory_of(segments, 1), args[2])


@on("getdents64", "getdents", memory=False)
def _getdents(
    t: Tracker, p: Process, tid: int, result: int, args: tuple[int, ...], segments: list[SegmentTuple]
) -> None:
    descriptor = p.descriptors.get(args[0] & 0xFFFFFFFF)
    if descriptor is not None and descriptor.typechar == "f":
        p.descriptors.update(descriptor.number, typechar="d")


@on("close", failed=True, late=True, compat=True, memory=False)
def _close(t: Tracker, p: Process, tid: int, result: int, args: tuple[int, ...], segments: list[SegmentTuple]) -> None:
    if result != EBADF:  # any other error comes after the descriptor is gone (close(2))
        p.descriptors.close(args[0] & 0xFFFFFFFF)


@on("close_range", late=True, compat=True, memory=False)
def _close_range(
    t: Tracker, p: Process, tid: int, result: int, args: tuple[int, ...], segments: list[SegmentTuple]
) -> None:
    first, last, flags = args[0] & 0xFFFFFFFF, args[1] & 0xFFFFFFFF, args[2]
    if flags & 2:  # CLOSE_RANGE_UNSHARE
        p.descriptors = p.descriptors.copy()
    if flags & 4:  # CLOSE_RANGE_CLOEXEC
        p.descriptors.set_cloexec(first, last)
    else:
        p.descriptors.close_range(first, last)


@on("dup", "dup2", compat=True, memory=False)
def _dup(t: Tracker, p: Process, tid: int, result: int, args: tuple[int, ...], segments: list[SegmentTuple]) -> None:
    p.descriptors.duplicate(args[0] & 0xFFFFFFFF, result)


@on("dup3", compat=True, memory=False)
def _dup3(t: Tracker, p: Process, tid: int, result: int, args: tuple[int, ...], segments: list[SegmentTuple]) -> None:
    p.descriptors.duplicate(args[0] & 0xFFFFFFFF, result, cloexec=bool(args[2] & O_CLOEXEC))


@on("fcntl", "fcntl64", compat=True, memory=False, commands=(1, (F_DUPFD, F_SETFD, F_DUPFD_CLOEXEC)))
def _fcntl(t: Tracker, p: Process, tid: int, result: int, args: tuple[int, ...], segments: list[SegmentTuple]) -> None:
    number, command = args[0] & 0xFFFFFFFF, args[1] & 0xFFFFFFFF
    if command in (F_DUPFD, F_DUPFD_CLOEXEC):
        p.descriptors.duplicate(number, result, cloexec=command == F_DUPFD_CLOEXEC)
    elif command == F_SETFD:
        descriptor = p.descriptors.get(number)
        if descriptor is not None:
            descriptor.cloexec = bool(args[2] & FD_CLOEXEC)


def _put_pipe(t: Tracker, p: Process, memory: bytes | None, flags: int) -> None:
    if memory is None or len(memory) < 8:
        return
    name = f"pipe#{t.next_serial()}"  # its inode is not known; the number joins the two ends
    for number in struct.unpack_from("<II", memory):
        p.descriptors.put(Descriptor(number, "p", name, bool(flags & O_CLOEXEC)))


@on("pipe")
def _pipe(t: Tracker, p: Process, tid: int, result: int, args: tuple[int, ...], segments: list[SegmentTuple]) -> None:
    _put_pipe(t, p, memory_of(segments, 0), 0)


@on("pipe2")
def _pipe2(t: Tracker, p: Process, tid: int, result: int, args: tuple[int, ...], segments: list[SegmentTuple]) -> None:
    _put_pipe(t, p, memory_of(segments, 0), args[1])


# ---- descriptors that are no files: which argument has the flags (-1: none), the cloexec bit ----


def _anonymous(name: str, typechar: str, flags_argument: int, label: str = "", bit: int = O_CLOEXEC) -> None:
    @on(name)
    def handler(
        t: Tracker, p: Process, tid: int, result: int, args: tuple[int, ...], segments: list[SegmentTuple]
    ) -> None:
        cloexec = bit == -1 or (flags_argument >= 0 and bool(args[flags_argument] & bit))
        p.descriptors.put(Descriptor(result, typechar, label, cloexec))


for _name, _typechar, _argument in (
    ("eventfd", "e", -1), ("eventfd2", "e", 1), ("epoll_create", "l", -1), ("epoll_create1", "l", 0),
    ("timerfd_create", "t", 1), ("inotify_init", "i", -1), ("inotify_init1", "i", 0),
):  # fmt: skip
    _anonymous(_name, _typechar, _argument)
_anonymous("io_uring_setup", "r", -1, bit=-1)  # always close-on-exec, as are the next
_anonymous("landlock_create_ruleset", "o", -1, "landlock-ruleset", bit=-1)
_anonymous("userfaultfd", "o", 0, "userfaultfd")
_anonymous("perf_event_open", "o", 4, "perf_event", bit=8)  # PERF_FLAG_FD_CLOEXEC
_anonymous("fanotify_init", "o", 0, "fanotify", bit=1)  # FAN_CLOEXEC
_anonymous("fsopen", "o", 1, "fscontext", bit=1)  # FSOPEN_CLOEXEC
_anonymous("fspick", "o", 2, "fscontext", bit=1)
_anonymous("fsmount", "o", 1, "mount", bit=1)  # FSMOUNT_CLOEXEC
_anonymous("memfd_secret", "m", 0, "secretmem")


@on("signalfd", "signalfd4")
def _signalfd(
    t: Tracker, p: Process, tid: int, result: int, args: tuple[int, ...], segments: list[SegmentTuple]
) -> None:
    p.descriptors.put(Descriptor(result, "s", "", bool(args[3] & O_CLOEXEC)))


@on("memfd_create")
def _memfd(t: Tracker, p: Process, tid: int, result: int, args: tuple[int, ...], segments: list[SegmentTuple]) -> None:
    p.descriptors.put(Descriptor(result, "m", decode(memory_of(segments, 0) or b""), bool(args[1] & 1)))


@on("mq_open")
def _mq_open(
    t: Tracker, p: Process, tid: int, result: int, args: tuple[int, ...], segments: list[SegmentTuple]
) -> None:
    p.descriptors.put(Descriptor(result, "o", "mqueue:" + decode(memory_of(segments, 0) or b""), True))


_BPF_COMMANDS = {0: "map", 5: "prog", 7: "object", 13: "prog", 14: "map", 16: "raw_tracepoint", 18: "btf", 19: "btf",
                 28: "link", 30: "link", 32: "stats", 33: "iter"}  # fmt: skip


@on("bpf")
def _bpf(t: Tracker, p: Process, tid: int, result: int, args: tuple[int, ...], segments: list[SegmentTuple]) -> None:
    kind = _BPF_COMMANDS.get(args[0] & 0xFFFFFFFF)
    if kind is not None:
        p.descriptors.put(Descriptor(result, "b", f"bpf-{kind}", True))


@on("pidfd_open")
def _pidfd_open(
    t: Tracker, p: Process, tid: int, result: int, args: tuple[int, ...], segments: list[SegmentTuple]
) -> None:
    p.descriptors.put(Descriptor(result, "P", str(args[0] & 0xFFFFFFFF), True))


@on("pidfd_getfd")
def _pidfd_getfd(
    t: Tracker, p: Process, tid: int, result: int, args: tuple[int, ...], segments: list[SegmentTuple]
) -> None:
    pidfd = p.descriptors.get(args[0] & 0xFFFFFFFF)
    target = t.processes.get(int(pidfd.name)) if pidfd is not None and pidfd.name.isdecimal() else None
    source = target.descriptors.get(args[1] & 0xFFFFFFFF) if target is not None else None
    p.descriptors.put(source.copy(result, cloexec=True) if source is not None else Descriptor(result, "o", "", True))


# ---- sockets ----


@on("socket")
def _socket(t: Tracker, p: Process, tid: int, result: int, args: tuple[int, ...], segments: list[SegmentTuple]) -> None:
    family, kind, protocol = (value & 0xFFFFFFFF for value in args[:3])
    name, typechar = FAMILY_NAMES.get(family, "other"), TYPECHARS.get(family, "o")
    protocol_name = socket_protocol(family, kind, protocol)
    p.descriptors.put(Descriptor(result, typechar, "", bool(kind & O_CLOEXEC), name, protocol_name))


@on("socketpair")
def _socketpair(
    t: Tracker, p: Process, tid: int, result: int, args: tuple[int, ...], segments: list[SegmentTuple]
) -> None:
    memory = memory_of(segments, 3)
    if memory is None or len(memory) < 8:
        return
    family, kind = args[0] & 0xFFFFFFFF, args[1] & 0xFFFFFFFF
    label, typechar = f"socketpair#{t.next_serial()}", TYPECHARS.get(family, "o")
    for number in struct.unpack_from("<II", memory):
        cloexec, protocol = bool(kind & O_CLOEXEC), socket_protocol(family, kind, 0)
        p.descriptors.put(Descriptor(number, typechar, label, cloexec, FAMILY_NAMES.get(family, "other"), protocol))


@on("bind")
def _bind(t: Tracker, p: Process, tid: int, result: int, args: tuple[int, ...], segments: list[SegmentTuple]) -> None:
    _, address = parse_sockaddr(memory_of(segments, 1))
    if address is not None:
        p.descriptors.update(args[0] & 0xFFFFFFFF, local=address)


@on("listen")
def _listen(t: Tracker, p: Process, tid: int, result: int, args: tuple[int, ...], segments: list[SegmentTuple]) -> None:
    p.descriptors.update(args[0] & 0xFFFFFFFF, server=True)


@on("connect", failed=True)
def _connect(
    t: Tracker, p: Process, tid: int, result: int, args: tuple[int, ...], segments: list[SegmentTuple]
) -> None:
    if result < 0 and result != EINPROGRESS:
        return
    family, address = parse_sockaddr(memory_of(segments, 1))
    number = args[0] & 0xFFFFFFFF
    if family == 0:  # AF_UNSPEC dissolves the association (connect(2))
        p.descriptors.update(number, remote=None, server=None)
    elif address is not None:
        p.descriptors.update(number, remote=address, server=False)


@on("accept", "accept4")
def _accept(t: Tracker, p: Process, tid: int, result: int, args: tuple[int, ...], segments: list[SegmentTuple]) -> None:
    listening = p.descriptors.get(args[0] & 0xFFFFFFFF)
    family, address = parse_sockaddr(memory_of(segments, 1))
    cloexec = bool(args[3] & O_CLOEXEC) and len(args) > 3
    if listening is None:
        name, typechar = FAMILY_NAMES.get(family, "unknown"), TYPECHARS.get(family, "o")
        protocol = "tcp" if typechar in "46" else "stream"
        accepted = Descriptor(result, typechar, "", cloexec, name, protocol, None, address, True)
    else:
        accepted = listening.copy(result, cloexec=cloexec)
        accepted.remote, accepted.server = address, True
    accepted.name = accepted.tuple_name()
    p.descriptors.put(accepted)


@on("getsockname")
def _getsockname(
    t: Tracker, p: Process, tid: int, result: int, args: tuple[int, ...], segments: list[SegmentTuple]
) -> None:
    _, address = parse_sockaddr(memory_of(segments, 1, written=True))
    if address is not None:
        p.descriptors.update(args[0] & 0xFFFFFFFF, local=address)


@on("getpeername")
def _getpeername(
    t: Tracker, p: Process, tid: int, result: int, args: tuple[int, ...], segments: list[SegmentTuple]
) -> None:
    _, address = parse_sockaddr(memory_of(segments, 1, written=True))
    if address is not None:
        p.descriptors.update(args[0] & 0xFFFFFFFF, remote=address)


def _note_peer(p: Process, number: int, address: Address | None, *, server: bool) -> None:
    """Note the peer of a datagram; who speaks first is the client."""
    descriptor = p.descriptors.get(number)
    if descriptor is None or address is None or descriptor.remote == address:
        return
    if descriptor.typechar in "46" and descriptor.protocol != "tcp":
        role = server if descriptor.server is None else descriptor.server
        p.descriptors.update(number, remote=address, server=role)


@on("sendto")
def _sendto(t: Tracker, p: Process, tid: int, result: int, args: tuple[int, ...], segments: list[SegmentTuple]) -> None:
    if args[4] and segments:
        _note_peer(p, args[0] & 0xFFFFFFFF, parse_sockaddr(memory_of(segments, 4))[1], server=False)


@on("recvfrom")
def _recvfrom(
    t: Tracker, p: Process, tid: int, result: int, args: tuple[int, ...], segments: list[SegmentTuple]
) -> None:
    if args[4] and segments:
        _note_peer(p, args[0] & 0xFFFFFFFF, parse_sockaddr(memory_of(segments, 4, written=True))[1], server=True)


def _passed_descriptors(control: bytes) -> list[int]:
    """Return the descriptors in a message's control data (cmsg(3), SCM_RIGHTS)."""
    numbers: list[int] = []
    at = 0
    while at + 16 <= len(control):
        length, level, kind = struct.unpack_from("<Qii", control, at)
        if length < 16:
            break
        if level == 1 and kind == 1:  # SOL_SOCKET, SCM_RIGHTS
            body = control[at + 16 : at + min(length, len(control) - at)]
            numbers += [number for (number,) in struct.iter_unpack("<I", body[: len(body) // 4 * 4])]
        at += (length + 7) & ~7
    return numbers


def _message(p: Process, number: int, header: bytes, segments: list[SegmentTuple], received: bool) -> bytes:
    """Note the peer of a message; return its control data."""
    if len(header) < 56:
        return b""
    name, name_length, _, _, _, control, control_length = struct.unpack_from("<QIIQQQQ", header)
    if name and name_length:
        address = parse_sockaddr((_nested_at(segments, 1, name) or b"")[:name_length])[1]
        _note_peer(p, number, address, server=received)
    return (_nested_at(segments, 1, control) or b"")[:control_length] if control and control_length else b""


@on("sendmsg")
def _sendmsg(
    t: Tracker, p: Process, tid: int, result: int, args: tuple[int, ...], segments: list[SegmentTuple]
) -> None:
    header = memory_of(segments, 1)
    control = _message(p, args[0] & 0xFFFFFFFF, header, segments, False) if header else b""
    numbers = _passed_descriptors(control)
    if numbers:
        known = (p.descriptors.get(number) for number in numbers)
        t.sent_rights.append([item or Descriptor(-1, "o", "") for item in known])
        del t.sent_rights[:-256]


@on("recvmsg")
def _recvmsg(
    t: Tracker, p: Process, tid: int, result: int, args: tuple[int, ...], segments: list[SegmentTuple]
) -> None:
    header = memory_of(segments, 1)
    control = _message(p, args[0] & 0xFFFFFFFF, header, segments, True) if header else b""
    numbers = _passed_descriptors(control)
    if not numbers:
        return
    # What was sent first and is as many is taken for what came: the recording does not say which socket is whose peer.
    sent = next((items for items in t.sent_rights if len(items) == len(numbers)), None)
    if sent is not None:
        t.sent_rights.remove(sent)
    cloexec = bool(args[2] & 0x40000000)  # MSG_CMSG_CLOEXEC
    for position, number in enumerate(numbers):
        source = sent[position] if sent is not None else Descriptor(-1, "o", "")
        p.descriptors.put(source.copy(number, cloexec=cloexec))


# ---- processes ----


def _cloned(t: Tracker, p: Process, tid: int, result: int, flags: int, pidfd: bytes | None) -> None:
    """Handle both returns of a clone: the child's (result 0) and the parent's."""
    if result == 0:
        if flags & CLONE_FILES and not flags & CLONE_THREAD and p.parent is not None:
            t.share_descriptors(p.parent, p)
        return
    made = t.made.pop(tid, None)
    if made is None and p.has_own_pids:
        return  # the result means nothing outside of its pid namespace
    child_pid, child_tid = made or (p.pid if flags & CLONE_THREAD else result, result)
    if flags & CLONE_THREAD:
        if child_tid not in p.threads:
            p.rename(child_tid, p.thread_name(tid))
        p.vtids[child_tid] = result
        return
    child = t.processes.get(child_pid)
    if child is None or child.provisional:  # its FORK was lost, or comes later
        child = t.child_of(p, tid, child_pid)
        child.provisional = True
    if flags & CLONE_NEWPID or p.pids_of_children is PidsOfChildren.FIRST:
        child.number(1)
    else:
        child.number(result if p.pids_of_children is PidsOfChildren.SAME else None)
    if p.pids_of_children is PidsOfChildren.FIRST:  # the next ones come to the same namespace
        p.pids_of_children = PidsOfChildren.UNKNOWN
    if flags & CLONE_FILES and child.parent is p:
        t.share_descriptors(p, child)
    if flags & CLONE_PIDFD and pidfd is not None and len(pidfd) >= 4:
        p.descriptors.put(Descriptor(int.from_bytes(pidfd[:4], "little"), "P", str(child_pid), True))


@on("clone")
def _clone(t: Tracker, p: Process, tid: int, result: int, args: tuple[int, ...], segments: list[SegmentTuple]) -> None:
    _cloned(t, p, tid, result, args[0], memory_of(segments, 2, written=True))


@on("clone3")
def _clone3(t: Tracker, p: Process, tid: int, result: int, args: tuple[int, ...], segments: list[SegmentTuple]) -> None:
    if result == 0:
        return  # the child's copy was read late, from a stack that it may share; the parent's return tells it all
    memory = memory_of(segments, 0) or b""
    flags = int.from_bytes(memory[:8], "little")
    pidfd = _nested_at(segments, 0, int.from_bytes(memory[8:16], "little")) if len(memory) >= 16 else None
    _cloned(t, p, tid, result, flags, pidfd)


@on("fork", "vfork")
def _fork(t: Tracker, p: Process, tid: int, result: int, args: tuple[int, ...], segments: list[SegmentTuple]) -> None:
    _cloned(t, p, tid, result, 0, None)


@on("unshare")
def _unshare(
    t: Tracker, p: Process, tid: int, result: int, args: tuple[int, ...], segments: list[SegmentTuple]
) -> None:
    if args[0] & CLONE_FILES:
        p.descriptors = p.descriptors.copy()
    if args[0] & CLONE_NEWPID:
        p.pids_of_children = PidsOfChildren.FIRST


@on("setns", compat=True, memory=False)
def _setns(t: Tracker, p: Process, tid: int, result: int, args: tuple[int, ...], segments: list[SegmentTuple]) -> None:
    kinds = args[1] & 0xFFFFFFFF
    if not kinds or kinds & CLONE_NEWPID:  # 0: whatever the descriptor is of
        p.pids_of_children = PidsOfChildren.UNKNOWN


@on("prctl", commands=(0, (PR_SET_NAME,)))
def _prctl(t: Tracker, p: Process, tid: int, result: int, args: tuple[int, ...], segments: list[SegmentTuple]) -> None:
    if args[0] & 0xFFFFFFFF == PR_SET_NAME:
        name = memory_of(segments, 1)
        if name is not None:
            p.rename(tid, decode(name[:15]))


@on("chdir")
def _chdir(t: Tracker, p: Process, tid: int, result: int, args: tuple[int, ...], segments: list[SegmentTuple]) -> None:
    path = memory_of(segments, 0)
    p.cwd = resolve_at(p, -100, decode(path)) if path is not None else None


@on("fchdir")
def _fchdir(t: Tracker, p: Process, tid: int, result: int, args: tuple[int, ...], segments: list[SegmentTuple]) -> None:
    descriptor = p.descriptors.get(args[0] & 0xFFFFFFFF)
    p.cwd = (descriptor.path if descriptor is not None else None) or None


@on("setsid", compat=True)
def _setsid(t: Tracker, p: Process, tid: int, result: int, args: tuple[int, ...], segments: list[SegmentTuple]) -> None:
    p.sid, p.tty = p.pid, 0


def _identity(name: str, attribute: str, argument: int) -> None:
    """Enter a call whose argument becomes the effective user or group id, unless it is -1."""

    @on(name)
    def handler(
        t: Tracker, p: Process, tid: int, result: int, args: tuple[int, ...], segments: list[SegmentTuple]
    ) -> None:
        value = args[argument] & NO_ID
        if value != NO_ID:
            setattr(p, attribute, value)


for _kind in ("uid", "gid"):
    _identity(f"set{_kind}", _kind, 0)
    _identity(f"setre{_kind}", _kind, 1)
    _identity(f"setres{_kind}", _kind, 1)
