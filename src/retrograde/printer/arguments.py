"""The arguments and the result of one event as text."""

from __future__ import annotations

import functools
from collections.abc import Callable

from retrograde.events import Event, EventFlag, Kind
from retrograde.printer.dialect import STRACE, SYSDIG
from retrograde.printer.renderer import KERNEL_ERRORS, Renderer, Segments
from retrograde.state.context import Context
from retrograde.state.process import Process
from retrograde.state.text import printable
from retrograde.state.tracker import segment_tuples
from retrograde.syscalls import Table, load

# Kinds of event that are no system calls.
OTHER_TYPES: dict[int, str] = {
    Kind.FORK: "clone",
    Kind.EXEC: "procexec",
    Kind.EXIT: "procexit",
    Kind.SIGNAL: "signaldeliver",
    Kind.SWITCH: "switch",
    Kind.DATA: "data",
    Kind.START: "start",
    Kind.MAPPED: "mapped",
    Kind.TRAP: "trap",
    Kind.WRITTEN: "written",
    Kind.CHECKSUM: "checksum",
}
COMPAT_ABI = {"x86_64": "i386", "arm64": "arm"}

# The state of a thread that leaves the CPU (include/linux/sched.h).
_TASK_STATES = {0: "running", 1: "sleeping", 2: "uninterruptible", 4: "stopped", 8: "traced", 0x10: "dead",
                0x20: "zombie", 0x40: "parked", 0x402: "idle"}  # fmt: skip
# si_code, where it does not depend on the signal (include/uapi/asm-generic/siginfo.h).
_SIGNAL_CODES = {0: "SI_USER", 0x80: "SI_KERNEL", -1: "SI_QUEUE", -2: "SI_TIMER", -3: "SI_MESGQ", -4: "SI_ASYNCIO",
                 -5: "SI_SIGIO", -6: "SI_TKILL", -60: "SI_ASYNCNL"}  # fmt: skip
_CODES_OF_SIGNAL: dict[str, dict[int, str]] = {
    "SIGCHLD": {1: "CLD_EXITED", 2: "CLD_KILLED", 3: "CLD_DUMPED", 4: "CLD_TRAPPED", 5: "CLD_STOPPED",
                6: "CLD_CONTINUED"},
    "SIGSEGV": {1: "SEGV_MAPERR", 2: "SEGV_ACCERR", 3: "SEGV_BNDERR", 4: "SEGV_PKUERR"},
    "SIGBUS": {1: "BUS_ADRALN", 2: "BUS_ADRERR", 3: "BUS_OBJERR"},
    "SIGFPE": {1: "FPE_INTDIV", 2: "FPE_INTOVF", 3: "FPE_FLTDIV", 4: "FPE_FLTOVF", 5: "FPE_FLTUND", 6: "FPE_FLTRES",
               7: "FPE_FLTINV", 8: "FPE_FLTSUB"},
    "SIGILL": {1: "ILL_ILLOPC", 2: "ILL_ILLOPN", 3: "ILL_ILLADR", 4: "ILL_ILLTRP", 5: "ILL_PRVOPC", 6: "ILL_PRVREG"},
    "SIGTRAP": {1: "TRAP_BRKPT", 2: "TRAP_TRACE", 3: "TRAP_BRANCH", 4: "TRAP_HWBKPT"},
    "SIGPOLL": {1: "POLL_IN", 2: "POLL_OUT", 3: "POLL_MSG", 4: "POLL_ERR", 5: "POLL_PRI", 6: "POLL_HUP"},
    "SIGSYS": {1: "SYS_SECCOMP", 2: "SYS_USER_DISPATCH"},
}  # fmt: skip
_FAULTS = frozenset({"SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGTRAP"})


@functools.cache
def renderer(arch: str, look: str = "sysdig") -> Renderer:
    """Return the renderer of an architecture in a look, `sysdig` or `strace`."""
    return Renderer(load(arch), STRACE if look == "strace" else SYSDIG)


_NOBODY = Process(0, 0, Context())


def _arch(event: Event) -> str:
    if event.syscall is not None:
        return event.syscall.arch
    return event.process.context.arch if event.process is not None else "x86_64"


def type_name(table: Table, kind: int, flags: int, nr: int) -> str:
    """Return `evt.type`: the call's name, or `unknown(NR)` for a number that the table does not have."""
    other = OTHER_TYPES.get(kind)
    if other is not None:
        return other
    if kind not in (Kind.SYSCALL, Kind.ENTER):
        return f"kind({kind})"
    if flags & EventFlag.COMPAT:
        return table.compat_name(nr) or f"unknown({nr})"
    call = table.calls.get(nr)
    return call.name if call is not None else f"unknown({nr})"


def event_type(event: Event) -> str:
    """Return the name of the system call, or what else the event is: `clone`, `procexec`, …."""
    if event.syscall is not None:
        return event.syscall.name
    return type_name(load(_arch(event)), event.kind, event.flags, event.nr)


def arguments(event: Event) -> list[tuple[str, str]]:
    """Return the result and the arguments as (name, text), as the line shows them.

    Descriptors and processes are named as the tracker knows them now: ask before the next event is applied.
    """
    process = event.process or _NOBODY
    if event.syscall is not None:
        render = renderer(event.syscall.arch)
        make = render.entry_pairs if event.kind == Kind.ENTER else render.pairs
        return make(event.syscall)(event.result, *event.args, segment_tuples(event.segments), process)
    return other_pairs(
        renderer(_arch(event)), event.kind, event.flags, event.nr, event.result, event.args,
        segment_tuples(event.segments), process,
    )  # fmt: skip


def format_info(event: Event) -> str:
    """Return the result and the arguments as one text: `res=0 name=value …`."""
    if event.syscall is not None:
        render = renderer(event.syscall.arch)
        make = render.entry if event.kind == Kind.ENTER else render.info
        process = event.process or _NOBODY
        return make(event.syscall)(event.result, *event.args, segment_tuples(event.segments), process)
    return " ".join(f"{name}={text}" for name, text in arguments(event))


def raw_argument(event: Event, name: str) -> int | None:
    """Return an argument's number as it was passed (the result for `res` and `fd`), None where there is none such."""
    if event.syscall is None:
        return None
    if event.kind == Kind.SYSCALL and name == Renderer.result_name(event.syscall):
        return event.result
    for position, param in enumerate(event.syscall.params):
        if param.name == name:
            return event.args[position]
    return None


def result_name(event: Event) -> str | None:
    """Return `SUCCESS` or the name of the error; None for what is no completed call."""
    if event.kind != Kind.SYSCALL:
        return None
    if not event.failed:
        return "SUCCESS"
    number = -event.result
    return load(_arch(event)).errno.get(number) or KERNEL_ERRORS.get(number) or str(number)


# ---- events that are no calls of the table ----


def other_pairs(
    render: Renderer,
    kind: int,
    flags: int,
    nr: int,
    result: int,
    args: tuple[int, ...],
    segments: Segments,
    process: Process,
) -> list[tuple[str, str]]:
    """Return (name, text) pairs of a call that the table does not have, or of an event of another kind."""
    if kind in (Kind.SYSCALL, Kind.ENTER):
        pairs = [("res", render.errors[result] if -4095 <= result < 0 else str(result))] if kind == Kind.SYSCALL else []
        if flags & EventFlag.COMPAT:
            pairs.append(("abi", COMPAT_ABI[render.table.arch]))
        return pairs + [(f"arg{position}", f"0x{value:x}") for position, value in enumerate(args)]
    make = _OTHERS.get(kind)
    pairs = make(render, nr, result, args, process) if make is not None else []
    if kind >= Kind.START:
        from retrograde.printer.replaying import replay_pairs

        pairs += replay_pairs(render.table.arch, kind, args, segments)
    elif kind == Kind.SWITCH:
        from retrograde.printer.replaying import switch_pairs

        pairs += switch_pairs(render.table.arch, args, segments)
    return pairs


def _fork_pairs(
    render: Renderer, nr: int, result: int, args: tuple[int, ...], process: Process
) -> list[tuple[str, str]]:
    parent = process.parent if args[1] != process.pid else process
    name = f"({printable(parent.name)})" if parent is not None and parent.name else ""
    pairs = [("res", "0"), ("ptid", str(args[0])), ("ppid", f"{args[1]}{name}")]
    return [*pairs, ("uid", _named(args[2], process.context.users)), ("gid", _named(args[3], process.context.groups))]


def _named(number: int, names: dict[int, str]) -> str:
    name = names.get(number)
    return f"{number}({name})" if name else str(number)


def _exec_pairs(
    render: Renderer, nr: int, result: int, args: tuple[int, ...], process: Process
) -> list[tuple[str, str]]:
    return [
        ("filename", printable(process.exec_filename or "<NA>")),
        ("args", printable(process.cmdline)),
        ("cwd", printable(process.cwd or "<NA>")),
        ("uid", _named(args[2], process.context.users)),
        ("gid", _named(args[3], process.context.groups)),
    ]


def exit_text(render: Renderer, status: int) -> str:
    """Return a wait status in words: `exited 0`, `killed SIGSEGV core dumped`."""
    number = status & 0x7F
    if number == 0:
        return f"exited {(status >> 8) & 0xFF}"
    core = " core dumped" if status & 0x80 else ""
    return f"killed {render.table.signals.get(number, number)}{core}"


def _exit_pairs(
    render: Renderer, nr: int, result: int, args: tuple[int, ...], process: Process
) -> list[tuple[str, str]]:
    scope = "process" if args[0] else "thread"
    return [("status", f"{result}({exit_text(render, result)})"), ("ended", scope)]


def signal_details(render: Renderer, nr: int, args: tuple[int, ...]) -> list[tuple[str, str]]:
    """Return what a signal's siginfo says that is of interest: code, and sender or address."""
    name = render.table.signals.get(nr, str(nr))
    code = args[0] - (1 << 64) if args[0] >> 63 else args[0]
    code = code - (1 << 32) if 0x8000_0000 <= code < 0x1_0000_0000 else code
    known = _CODES_OF_SIGNAL.get(name, {}).get(code) or _SIGNAL_CODES.get(code)
    pairs = [("code", f"{code}({known})" if known else str(code))]
    if name in _FAULTS and code > 0:
        pairs.append(("addr", f"0x{args[3]:x}"))
    elif args[1] or code <= 0 or name == "SIGCHLD":
        pairs += [("pid", str(args[1] & 0xFFFFFFFF)), ("uid", str(args[2] & 0xFFFFFFFF))]
    return pairs


def _signal_pairs(
    render: Renderer, nr: int, result: int, args: tuple[int, ...], process: Process
) -> list[tuple[str, str]]:
    name = render.table.signals.get(nr)
    handler = {0: "SIG_DFL", 1: "SIG_IGN"}.get(args[4], f"0x{args[4]:x}")
    first = ("sig", f"{nr}({name})" if name else str(nr))
    return [first, *signal_details(render, nr, args), ("handler", handler)]


def _switch_pairs(
    render: Renderer, nr: int, result: int, args: tuple[int, ...], process: Process
) -> list[tuple[str, str]]:
    return [("next", str(args[0])), ("state", f"{args[1]}({_TASK_STATES.get(args[1], '?')})")]


_OTHERS: dict[
    int, Callable[[Renderer, int, int, tuple[int, ...], Process], list[tuple[str, str]]]
] = {
    Kind.FORK: _fork_pairs,
    Kind.EXEC: _exec_pairs,
    Kind.EXIT: _exit_pairs,
    Kind.SIGNAL: _signal_pairs,
    Kind.SWITCH: _switch_pairs,
}  # fmt: skip
