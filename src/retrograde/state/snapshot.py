"""What /proc showed when the capture began: processes, their threads and their file descriptors.

A snapshot comes out of a recording, which is untrusted: whatever does not parse is left unknown.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping

from retrograde.state.address import SocketEntry, parse_net_table
from retrograde.state.container import container_of
from retrograde.state.context import Context
from retrograde.state.descriptor import Descriptor
from retrograde.state.process import Process
from retrograde.state.text import decode

# Both in octal, as fdinfo shows them; O_DIRECTORY differs (arch/arm64/include/uapi/asm/fcntl.h).
O_CLOEXEC = 0o2000000
O_DIRECTORY = {"x86_64": 0o200000, "arm64": 0o40000}

_CLOCK_TICKS = 100  # USER_HZ, the unit of /proc/PID/stat on both architectures

_ANONYMOUS: dict[str, str] = {
    "eventfd": "e",
    "eventpoll": "l",
    "inotify": "i",
    "timerfd": "t",
    "signalfd": "s",
    "pidfd": "P",
    "io_uring": "r",
    "bpf-map": "b",
    "bpf-prog": "b",
    "bpf_link": "b",
    "bpf-link": "b",
    "btf": "b",
}


def load_processes(snapshot: Mapping[str, bytes], context: Context) -> dict[int, Process]:
    """Return the processes of a snapshot by pid, parents linked.

    Args:
        snapshot: contents by path, as the recording's SNAPSHOT block has them.
        context: of the recording.
    """
    by_pid: dict[int, dict[str, bytes]] = defaultdict(dict)
    for path, content in snapshot.items():
        words = path.split("/", 3)
        if len(words) == 4 and words[1] == "proc" and words[2].isdigit():
            by_pid[int(words[2])][words[3]] = content
    sockets = _all_sockets(by_pid)
    processes = {pid: _load(pid, files, context, sockets) for pid, files in by_pid.items()}
    for process in processes.values():
        process.parent = processes.get(process.ppid)
    return processes


def _all_sockets(by_pid: Mapping[int, Mapping[str, bytes]]) -> dict[int, SocketEntry]:
    """Return the sockets of all network namespaces: inodes of sockets are unique in the machine."""
    sockets: dict[int, SocketEntry] = {}
    for files in by_pid.values():
        for name, content in files.items():
            if name.startswith("net/"):
                sockets.update(parse_net_table(name[4:], content.decode("utf-8", "surrogateescape")))
    return sockets


def _load(pid: int, files: Mapping[str, bytes], context: Context, sockets: Mapping[int, SocketEntry]) -> Process:
    process = Process(pid, 0, context)
    _apply_stat(process, files.get("stat", b""))
    _apply_status(process, files.get("status", b"").decode("utf-8", "surrogateescape"))
    if "comm" in files:
        process.name = files["comm"].decode("utf-8", "surrogateescape").removesuffix("\n")
    arguments = split_strings(files.get("cmdline", b""))
    if arguments:
        process.exe, process.args = arguments[0], arguments[1:]
    if "environ" in files:
        process.environ = split_strings(files["environ"])
    if "exe" in files:
        process.exepath = decode(files["exe"]).removesuffix(" (deleted)")
    if "cwd" in files:
        process.cwd = decode(files["cwd"])
    if files.get("loginuid", b"").strip().isdigit():
        loginuid = int(files["loginuid"])
        process.loginuid = -1 if loginuid == 0xFFFFFFFF else loginuid
    if "cgroup" in files:
        process.cgroup = cgroup_path(files["cgroup"].decode("utf-8", "surrogateescape"))
        process.container_id, process.container_name = container_of(process.cgroup)
    process.threads[pid] = process.name
    for name, content in files.items():
        match = re.fullmatch(r"task/(\d+)/comm", name)
        if match:
            process.threads[int(match[1])] = content.decode("utf-8", "surrogateescape").removesuffix("\n")
        elif name.startswith("fd/") and name[3:].isdigit():
            info = files.get(f"fdinfo/{name[3:]}", b"").decode("utf-8", "replace")
            process.descriptors.put(describe(int(name[3:]), decode(content), info, context.arch, sockets))
    return process


def _apply_stat(process: Process, text: bytes) -> None:
    """Take what /proc/PID/stat says: `pid (comm) state ppid pgrp session tty_nr …` (proc_pid_stat(5))."""
    opening, closing = text.find(b"("), text.rfind(b")")
    if opening < 0 or closing < opening:
        return
    process.name = text[opening + 1 : closing].decode("utf-8", "surrogateescape")
    words = text[closing + 1 :].split()
    try:
        process.ppid, process.sid, process.tty = int(words[1]), int(words[3]), int(words[4])
        process.start = int(words[19]) * (1_000_000_000 // _CLOCK_TICKS)
    except (ValueError, IndexError):
        return


def _apply_status(process: Process, text: str) -> None:
    for line in text.split("\n"):
        key, _, value = line.partition(":")
        words = value.split()
        if not words or not words[-1].isdigit():
            continue
        if key in ("Uid", "Gid") and len(words) > 1 and words[1].isdigit():
            setattr(process, key.lower(), int(words[1]))  # real, effective, saved, file system
        elif key == "NSpid":
            process.vpid = int(words[-1])
            process.vtids[process.pid] = process.vpid


def split_strings(data: bytes) -> list[str]:
    """Split strings that each end with a NUL (the last one's may be cut off)."""
    if not data:
        return []
    return [part.decode("utf-8", "surrogateescape") for part in data.removesuffix(b"\0").split(b"\0")]


def cgroup_path(text: str) -> str | None:
    """Return the path that tells most of /proc/PID/cgroup: a container's, else that of version 2, else the first."""
    paths = [line.split(":", 2)[2] for line in text.splitlines() if line.count(":") >= 2]
    for path in paths:
        if container_of(path)[0] is not None:
            return path
    unified = [line[3:] for line in text.splitlines() if line.startswith("0::")]
    return next(iter(unified or paths), None)


def describe(number: int, link: str, info: str, arch: str, sockets: Mapping[int, SocketEntry]) -> Descriptor:
    """Return the descriptor that /proc/PID/fd/NUMBER and fdinfo describe.

    Args:
        number: of the descriptor.
        link: the link's target.
        info: text of fdinfo, may be empty.
        arch: of the recording, for the value of O_DIRECTORY.
        sockets: by inode.
    """
    match = re.search(r"^flags:\s*([0-7]+)", info, re.MULTILINE)
    flags = int(match[1], 8) if match else 0
    cloexec = bool(flags & O_CLOEXEC)
    if link.startswith("socket:["):
        entry = sockets.get(int(link[8:-1])) if link[8:-1].isdigit() else None
        if entry is None:
            return Descriptor(number, "o", link, cloexec, family="unknown")
        server = True if entry.listening else None
        ends = (entry.local, entry.remote)
        descriptor = Descriptor(number, entry.typechar, "", cloexec, entry.family, entry.protocol, *ends, server)
        descriptor.name = descriptor.tuple_name() or link
        return descriptor
    if link.startswith("pipe:["):
        return Descriptor(number, "p", link, cloexec)
    if link.startswith("anon_inode:"):
        kind = link[11:].strip("[]")
        typechar = _ANONYMOUS.get(kind, "o")
        name = link
        if typechar == "P":
            target = re.search(r"^Pid:\s*(\d+)", info, re.MULTILINE)
            name = target[1] if target else ""
        return Descriptor(number, typechar, name, cloexec)
    if link.startswith("/memfd:"):
        return Descriptor(number, "m", link[7:].removesuffix(" (deleted)"), cloexec)
    is_directory = bool(flags & O_DIRECTORY.get(arch, 0)) and link.startswith("/")
    return Descriptor(number, "d" if is_directory else "f", link, cloexec)
