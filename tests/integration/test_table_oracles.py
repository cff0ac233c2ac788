"""The syscall table against those who know better: the running kernel, a package of numbers, and C headers."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from system_calls.tables.arm import syscalls_arm
from system_calls.tables.arm64 import syscalls_arm64
from system_calls.tables.i386 import syscalls_i386
from system_calls.tables.x86_64 import syscalls_x86_64

from retrograde.syscalls import ARCHITECTURES, Param, Syscall, Table, load
from retrograde.syscalls.model import NUMBERS

TRACEFS = Path("/sys/kernel/tracing")
LAST_NUMBER = 469  # file_setattr: the last call of 6.18

# Events are named after the kernel's functions, a few of which are not called as their system calls are.
FUNCTIONS = {
    "newstat": "stat",
    "newfstat": "fstat",
    "newlstat": "lstat",
    "newuname": "uname",
    "sendfile64": "sendfile",
    "umount": "umount2",
}


@pytest.fixture(scope="module")
def formats() -> dict[str, list[tuple[str, str]]]:
    """The parameters, (C type, name), of each call of the running kernel."""
    events = TRACEFS / "events/syscalls"
    if not events.exists() and os.geteuid() == 0:
        subprocess.run(["mount", "-t", "tracefs", "nodev", str(TRACEFS)], check=False, capture_output=True)
    try:
        folders = list(events.glob("sys_enter_*"))
    except PermissionError:
        folders = []
    if not folders:
        pytest.skip(f"{events} is missing or not readable: it needs root and CONFIG_FTRACE_SYSCALLS")
    found = {}
    for folder in folders:
        text = (folder / "format").read_text()
        fields = re.findall(r"field:(.+?)\s*\b(\w+);\s*offset:(\d+)", text)
        name = folder.name.removeprefix("sys_enter_")
        # The kernel may add fields of its own behind the call's (the strings it reads, since 6.19).
        found[FUNCTIONS.get(name, name)] = [
            (c, n) for c, n, offset in fields if int(offset) >= 16 and "__data_loc" not in c
        ]
    return found


@pytest.fixture(scope="module")
def native() -> Table:
    machine = platform.machine()
    if machine not in ("x86_64", "aarch64"):
        pytest.skip(f"the table has no {machine}")
    return load(machine)


def test_the_running_kernels_calls_are_in_the_table(formats: dict[str, list[tuple[str, str]]], native: Table) -> None:
    unknown = sorted(set(formats) - set(native.by_name) - {"listns", "rseq_slice_yield"})
    assert unknown == []


def test_counts_of_arguments(formats: dict[str, list[tuple[str, str]]], native: Table) -> None:
    wrong = {}
    for name, fields in formats.items():
        line = native.by_name.get(name)
        if line is not None and len(line.params) != len(fields):
            wrong[name] = (str(line), fields)
    assert wrong == {}


# Typedefs of pointers, and of numbers, that do not say so.
POINTER_TYPEDEFS = {"cap_user_header_t", "cap_user_data_t", "__sighandler_t"}
WIDTHS = {
    "long": 8, "size_t": 8, "loff_t": 8, "off_t": 8, "aio_context_t": 8, "u64": 8, "__u64": 8,
    "int": 4, "unsigned": 4, "u32": 4, "__u32": 4, "__s32": 4, "pid_t": 4, "uid_t": 4, "gid_t": 4, "qid_t": 4,
    "key_t": 4, "clockid_t": 4, "timer_t": 4, "mqd_t": 4, "key_serial_t": 4, "rwf_t": 4, "umode_t": 2,
}  # fmt: skip


def c_width(c_type: str) -> int:
    """Return the bytes of a C type of a parameter; pointers have 8."""
    words = c_type.replace("const", "").split()
    if "*" in c_type or words[-1] in POINTER_TYPEDEFS:
        return 8
    if words[0] == "enum":
        return 4
    if words[-1] == "int" and "long" in words:
        return 8
    return WIDTHS[words[-1]]


def disagreement(param: Param, c_type: str) -> str | None:
    """Return how a parameter of the table contradicts the kernel's, or None."""
    pointer = "*" in c_type or c_type.rsplit(maxsplit=1)[-1] in POINTER_TYPEDEFS
    wide, declared = c_width(c_type), param.type.width
    said = None
    if param.direction and not pointer:
        # Several calls take an address as a plain long.
        said = None if wide == 8 else "memory, but the kernel takes a 32-bit number"
    elif pointer and param.direction is None:
        said = None if declared == 8 else "a 32-bit number, but the kernel takes a pointer"
    elif pointer:
        const = c_type.startswith("const") and param.type.kind not in ("iovec", "mmsghdr")
        said = "written, but the kernel has it const" if const and param.direction != "in" else None
    elif wide == 8 and declared < 8 and "long" not in c_type:
        said = f"{declared} bytes, but {c_type} has 8"
    elif wide <= 4 and declared == 8 and param.type.kind not in ("addr", "size", "offset"):
        said = f"8 bytes, but {c_type} has {wide}"
    return said


def test_types_of_arguments(formats: dict[str, list[tuple[str, str]]], native: Table) -> None:
    wrong = []
    for name, fields in formats.items():
        line = native.by_name.get(name)
        if line is None or len(line.params) != len(fields):
            continue
        for param, (c_type, c_name) in zip(line.params, fields, strict=True):
            said = disagreement(param, c_type)
            if said:
                wrong.append(f"{name}: {param} -- {c_type} {c_name}: {said}")
    assert wrong == []


def test_structures_are_called_as_the_kernel_calls_them(
    formats: dict[str, list[tuple[str, str]]], native: Table
) -> None:
    """Where the kernel says `struct T *`, the table says T, or something that is known to stand for it."""
    other_names = {
        "__kernel_timespec": {"timespec"},
        "__kernel_old_timeval": {"timeval"},
        "__kernel_itimerspec": {"itimerspec"},
        "__kernel_old_itimerval": {"itimerval"},
        "__kernel_timex": {"timex"},
        "user_msghdr": {"msghdr"},
        "new_utsname": {"utsname"},
        "__aio_sigset": {"aio_sigset"},
        "siginfo": {"siginfo"},
        "linux_dirent": {"bytes"},
        "linux_dirent64": {"bytes"},
        "iovec": {"iovec", "remote_iovec"},
        "sockaddr": {"sockaddr"},
        "xattr_args": {"xattr_args", "iovec"},  # a pointer and a size
        "sched_param": {"sched_param", "int", "i32"},
    }
    wrong = []
    for name, fields in formats.items():
        line = native.by_name.get(name)
        if line is None or line.irregular or line.unsupported or len(line.params) != len(fields):
            continue
        for param, (c_type, _) in zip(line.params, fields, strict=True):
            match = re.search(r"\bstruct (\w+) \*$", c_type)
            if not match or param.type.name in ("addr", "bytes", "ulong"):
                continue
            if param.type.name not in other_names.get(match[1], {match[1]}):
                wrong.append(f"{name}: {param} -- {c_type}")
    assert wrong == []


PACKAGE = {"x86_64": syscalls_x86_64, "arm64": syscalls_arm64, "i386": syscalls_i386, "arm": syscalls_arm}
# Numbers that the kernel's tables keep without an entry point; the package leaves them out.
NO_ENTRY = {
    "_sysctl", "afs_syscall", "create_module", "get_kernel_syms", "getpmsg", "nfsservctl", "putpmsg", "query_module",
    "security", "tuxcall", "uselib", "vserver", "epoll_ctl_old", "epoll_wait_old", "lookup_dcookie",
}  # fmt: skip


@pytest.mark.parametrize("arch", sorted(PACKAGE))
def test_numbers(arch: str) -> None:
    table = load("x86_64")
    names = set(PACKAGE[arch]) | set(table.by_name) | set(load("arm64").by_name)
    ours = {name: table.numbers_of(name)[arch] for name in names if arch in table.numbers_of(name)}
    theirs = {name: number for name, number in PACKAGE[arch].items() if not 469 < number < 500}
    assert max(number for number in theirs.values() if number < 1000) == LAST_NUMBER
    assert {name: number for name, number in theirs.items() if ours.get(name) != number} == {}
    assert set(ours) - set(theirs) <= NO_ENTRY


# Headers that define the structures and constants; those that a machine lacks are left out.
HEADERS = [
    "asm/prctl.h", "asm/ldt.h", "fcntl.h", "linux/fcntl.h", "linux/openat2.h", "linux/stat.h", "linux/fs.h",
    "sys/stat.h", "sys/statfs.h", "poll.h", "linux/poll.h", "sys/epoll.h", "sys/eventfd.h", "sys/timerfd.h",
    "sys/signalfd.h", "sys/inotify.h", "sys/fanotify.h", "sys/mman.h", "linux/mman.h", "linux/memfd.h",
    "sys/mount.h", "linux/mount.h", "sys/socket.h", "netinet/in.h", "netinet/tcp.h", "netinet/udp.h",
    "netinet/ip.h", "sys/un.h", "linux/netlink.h", "linux/if_packet.h", "linux/vm_sockets.h", "linux/if_alg.h",
    "net/if.h", "sys/time.h", "time.h", "sys/timex.h", "utime.h", "sys/times.h", "sys/resource.h", "sys/wait.h",
    "sched.h", "linux/sched.h", "linux/sched/types.h", "sys/sysinfo.h", "sys/utsname.h", "sys/ioctl.h", "termios.h",
    "sys/prctl.h", "linux/prctl.h", "linux/capability.h", "linux/seccomp.h", "linux/audit.h", "linux/bpf.h",
    "linux/perf_event.h", "linux/futex.h", "linux/aio_abi.h", "linux/io_uring.h", "linux/keyctl.h", "linux/kcmp.h",
    "linux/landlock.h", "linux/membarrier.h", "linux/mempolicy.h", "linux/module.h", "linux/kexec.h",
    "linux/reboot.h", "linux/random.h", "linux/rseq.h", "linux/userfaultfd.h", "linux/close_range.h",
    "linux/quota.h", "sys/quota.h", "sys/ipc.h", "sys/shm.h", "sys/sem.h", "sys/msg.h", "mqueue.h", "sys/ptrace.h",
    "linux/ptrace.h", "signal.h", "errno.h", "sys/personality.h", "sys/klog.h", "sys/swap.h", "sys/syslog.h",
    "linux/ioprio.h", "linux/xattr.h", "linux/lsm.h", "linux/netfilter/x_tables.h", "ustat.h", "linux/nsfs.h",
    "linux/pidfd.h", "linux/cachestat.h", "linux/watch_queue.h", "linux/fiemap.h", "linux/fscrypt.h",
    "linux/fsverity.h", "linux/loop.h", "linux/hdreg.h", "linux/blkpg.h", "linux/sockios.h", "linux/tty.h",
    "linux/vt.h", "linux/kd.h", "linux/usbdevice_fs.h", "linux/rtc.h", "linux/random.h", "linux/if_tun.h",
    "linux/input.h", "linux/uinput.h", "linux/kvm.h", "linux/vhost.h", "linux/dm-ioctl.h",
]  # fmt: skip
PROLOGUE = "#define _GNU_SOURCE 1\n#include <stddef.h>\n#include <stdio.h>\n#include <sys/types.h>\n"


TRIPLES = {"x86_64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}


class Compiler:
    """Asks a C compiler about names, many at once; nothing is run, so it may be one for another architecture."""

    _NAME = re.compile(r"[A-Za-z_]\w*")
    _NUMBER = re.compile(r"^\s*\.(?:quad|xword|8byte)\s+(-?\w+)|^\s*\.zero\s+(\d+)", re.MULTILINE)

    def __init__(self, gcc: str) -> None:
        self.gcc = gcc

    def _run(self, text: str, *options: str) -> subprocess.CompletedProcess[str]:
        words = [self.gcc, "-w", "-fmax-errors=0", *options, "-x", "c", "-"]
        return subprocess.run(words, input=text, text=True, capture_output=True, check=False)

    def values(self, header: str, asked: list[tuple[str, str]]) -> dict[str, int]:
        """Return the values of the expressions, (key, C), that are constants behind one header, by key."""
        prologue = f"{PROLOGUE}#include <{header}>\n"
        words = set(re.findall(r"\w+", self._run(prologue, "-E", "-dD").stdout))
        asked = [(key, c) for key, c in asked if self._NAME.findall(c)[-1] in words]
        # Names that have no value are found by the errors they make, all at once.
        numbered = "".join(f"const unsigned long long v{i} = ({c});\n" for i, (_, c) in enumerate(asked))
        errors = self._run(f'{prologue}#line 1 "asked"\n{numbered}', "-fsyntax-only").stderr
        bad = {int(number) for number in re.findall(r"^asked:(\d+):.*error", errors, re.MULTILINE)}
        known = [(key, c) for line, (key, c) in enumerate(asked, 1) if line not in bad]
        values = ",\n".join(f"(unsigned long long)({c})" for _, c in known)
        built = self._run(
            f"{prologue}const unsigned long long retrograde_values[] = {{ {values} }};\n", "-S", "-o", "-"
        )
        if not known or built.returncode:
            return {}
        listing = built.stdout.partition("retrograde_values:\n")[2]
        found: list[int] = []
        for number, zeros in self._NUMBER.findall(listing):
            found += [0] * (int(zeros) // 8) if zeros else [int(number, 0) & (1 << 64) - 1]
        return dict(zip([key for key, _ in known], found[: len(known)], strict=True))


@pytest.fixture(scope="module", params=ARCHITECTURES)
def target(request: pytest.FixtureRequest) -> tuple[Table, Compiler]:
    """The table of an architecture and a compiler for it."""
    arch: str = request.param
    native = platform.machine() in (arch, TRIPLES[arch].partition("-")[0])
    gcc = shutil.which("gcc" if native else f"{TRIPLES[arch]}-gcc")
    if gcc is None:
        pytest.skip(f"a C compiler for {arch} is missing: apt-get install gcc{'' if native else '-' + TRIPLES[arch]}")
    return load(arch), Compiler(gcc)


def all_constants(table: Table) -> dict[str, set[int]]:
    """Return the values that each name has in any set, as 64-bit numbers."""
    found: dict[str, set[int]] = {}
    for constants in table.constants.values():
        for name, value in constants.values.items():
            found.setdefault(name, set()).add(value & (1 << 64) - 1)
    return found


# What the table has otherwise on purpose: glibc keeps the first real-time signals to itself and says that large files
# need no flag; an I/O priority holds its class in its upper bits.
OTHERWISE = {"SIGRTMIN", "O_LARGEFILE", "IOPRIO_CLASS_RT", "IOPRIO_CLASS_BE", "IOPRIO_CLASS_IDLE"}


def agrees(ours: set[int], value: int) -> bool:
    """Whether C's value is one of ours: its type decides how a negative or a 32-bit one is widened."""
    return value in ours or (
        value >> 32 in (0, 0xFFFF_FFFF) and value & 0xFFFF_FFFF in {one & 0xFFFF_FFFF for one in ours}
    )


def test_constants_are_those_of_the_headers(target: tuple[Table, Compiler]) -> None:
    table, compiler = target
    ours = all_constants(table)
    asked = [(name, name) for name in ours if re.fullmatch(r"[A-Z_]\w*", name)]
    seen: dict[str, dict[str, int]] = {}
    for header in HEADERS:
        for name, value in compiler.values(header, asked).items():
            seen.setdefault(name, {})[header] = value
            if agrees(ours[name], value):
                asked.remove((name, name))
    assert len(seen) > 1000, "the headers define hardly any of our constants"
    wrong = []
    for name, values in seen.items():
        if not any(agrees(ours[name], value) for value in values.values()):
            where, value = next(iter(values.items()))
            wrong.append(f"{name} is {value:#x} in {where}, here {', '.join(map(hex, ours[name]))}")
    assert [line for line in wrong if line.split()[0] not in OTHERWISE] == []


# What C calls a structure where it is not `struct NAME`; None where userland's headers lay out another of that name.
C_NAMES = {
    "siginfo": "siginfo_t",
    "stack_t": "stack_t",
    "sigaltstack": "stack_t",
    "sigaction": None,
    "termios": None,
    "ustat": None,
}
# Structures that have grown since some of the headers in use.
GROWING = {"perf_event_attr", "landlock_ruleset_attr", "mnt_id_req", "statx", "clone_args", "io_uring_params", "rseq"}


def test_structures_are_those_of_the_headers(target: tuple[Table, Compiler]) -> None:
    table, compiler = target
    asked: list[tuple[str, str]] = []
    for name, struct in table.structs.items():
        c_name = C_NAMES.get(name, f"{'union' if struct.union else 'struct'} {name}")
        if c_name is None:
            continue
        asked.append((f"{name}.", f"sizeof({c_name})"))
        asked += [(f"{name}.{field.name}", f"offsetof({c_name}, {field.name})") for field in struct.fields]
    seen: dict[str, set[int]] = {}
    for header in HEADERS:
        for key, value in compiler.values(header, asked).items():
            seen.setdefault(key, set()).add(value)
    checked = {key.partition(".")[0] for key in seen}
    wrong = []
    for key, values in seen.items():
        name, _, field = key.partition(".")
        struct = table.structs[name]
        mine = struct.field(field).offset if field else struct.size
        if mine not in values and not (not field and name in GROWING and mine > min(values)):
            wrong.append(f"{key or name}: {mine} here, {values} in C")
    assert len(checked) > 30, "the headers define hardly any of our structures"
    assert wrong == []


def test_lengths_refer_to_numbers() -> None:
    """A length never depends on what is no number: a flag set, a descriptor, a path."""
    odd = []
    for arch in ARCHITECTURES:
        table = load(arch)
        lines: list[Syscall] = [*table.by_name.values(), *(v for variants in table.variants.values() for v in variants)]
        for line in lines:
            for param in line.params:
                for term in param.type.length.terms if param.type.length else ():
                    if term.kind == "arg" and line.params[term.arg].type.kind not in NUMBERS:
                        odd.append(f"{line}: {param.name}")
    assert odd == []
