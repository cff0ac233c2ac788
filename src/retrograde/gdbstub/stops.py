"""Stop replies: why and where the run has stopped, as gdb's packet T has it."""

from __future__ import annotations

from collections.abc import Collection

from retrograde.gdbstub.copy import Process
from retrograde.gdbstub.packets import to_hex
from retrograde.gdbstub.signals import INTERRUPT, TRAP, to_gdb
from retrograde.replay.debuggee import BreakpointKind, Stop, StopReason

_WATCHPOINTS = {BreakpointKind.WRITE: b"watch", BreakpointKind.READ: b"rwatch", BreakpointKind.ACCESS: b"awatch"}
_HISTORY = {
    StopReason.HISTORY_BEGIN: b"replaylog:begin;",
    StopReason.HISTORY_END: b"replaylog:end;",
    StopReason.EXITED: b"replaylog:end;",
}


def stop_reply(
    process: Process, stop: Stop, thread: bytes, features: Collection[bytes], is_step_pretended: bool = False
) -> bytes:
    """Return the packet T.

    Args:
        process: whose registers are told along.
        stop: why.
        thread: id of the thread, as packets have it.
        features: what gdb said it understands.
        is_step_pretended: the thread has not moved, but gdb is not to believe that it has met its breakpoint again.
    """
    reply = b"T%02xthread:%b;" % (_signal(stop), thread)
    reply += _HISTORY.get(stop.reason, b"")
    if stop.reason is StopReason.BREAKPOINT:
        pc = process.registers.general_word(process.values(stop.tid).general, process.registers.pc)
        name = b"hwbreak" if process.is_hardware_breakpoint(pc) else b"swbreak"
        if name + b"+" in features:
            reply += name + b":;"
    elif stop.reason is StopReason.WATCHPOINT:
        reply += b"%b:%x;" % (_WATCHPOINTS.get(stop.kind or BreakpointKind.WRITE, b"watch"), stop.address)
    elif stop.reason is StopReason.EXEC and b"exec-events+" in features:
        reply += b"exec:%b;" % to_hex(stop.path.encode("utf-8", "surrogateescape"))
    return reply + _registers(process, stop.tid, is_step_pretended)


def _signal(stop: Stop) -> int:
    if stop.reason is StopReason.SIGNAL:
        return to_gdb(stop.signal)
    if stop.reason is StopReason.EVENT:
        return 0
    return INTERRUPT if stop.reason is StopReason.INTERRUPTED else TRAP


def _registers(process: Process, tid: int, is_step_pretended: bool) -> bytes:
    """Return the registers that gdb needs at each stop, so that it need not ask."""
    values = process.values(tid)
    reply = b""
    for name in (process.registers.frame, process.registers.sp, process.registers.pc):
        number = process.registers.by_name[name]
        value = values.read(process.registers.registers[number])
        if is_step_pretended and name == process.registers.pc and value is not None:
            # For the moment of this stop alone: gdb asks anew for all registers once the program has run.
            value = ((int.from_bytes(value, "little") + 4) & (1 << 64) - 1).to_bytes(len(value), "little")
        if value is not None:
            reply += b"%x:%b;" % (number, to_hex(value))
    return reply
