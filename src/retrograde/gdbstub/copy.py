"""The process as gdb sees and changes it: that of the recorded run, or a throw-away copy once gdb writes to it.

The past can't be changed, but gdb has to write when the user calls a function of the program (`print f(x)`). The rule:

- The first write that changes anything, to memory or to a register, begins a copy (:meth:`Debuggee.scratch`). All
  memory, and the registers of its one thread, are read from it from then on, so that what a called function returned
  (a string that it allocated, say) can be looked at, and what the user set (`set var`) is there for the next call.
- Where gdb then lets the program run forward, the copy runs if its pc or stack pointer is not the run's: a call is
  under way, or the user said `jump`. If both are the run's, no call is under way: the copy is thrown away and the
  recorded run moves.
- Moving backwards, seeking and restarting throw it away in any case; amid a call, backwards leads to where the copy
  began.

So a called function's effects are seen as in a live process until the run moves, and never after.
"""

from __future__ import annotations

import contextlib
import signal

from retrograde.errors import RetrogradeError, UsageError
from retrograde.gdbstub.registers import Register, RegisterFile, Values
from retrograde.replay.debuggee import BreakpointKind, Debuggee, Scratch, Stop, StopReason

Breakpoint = tuple[BreakpointKind, int, int]
_IN_CODE = (BreakpointKind.SOFTWARE, BreakpointKind.HARDWARE)
_RED_ZONE = 128
_FAULTS = frozenset((signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGABRT, signal.SIGSYS))


class Process:
    """The debuggee and, between a write and the next move, a copy of it."""

    def __init__(self, debuggee: Debuggee, registers: RegisterFile) -> None:
        self.debuggee = debuggee
        self.registers = registers
        self._copy: Scratch | None = None
        self._copies = contextlib.ExitStack()
        self._copied_tid = 0
        self._origin = b""
        self._set_memory = False
        self._has_run = False
        self._fault = b""
        self._wanted: set[Breakpoint] = set()
        self._in_run: set[Breakpoint] = set()
        self._in_copy: set[Breakpoint] = set()

    # --- what is read ---

    def values(self, tid: int) -> Values:
        """Return a thread's registers."""
        if self._copy is not None and tid == self._copied_tid:
            return Values(self._copy.registers(), self._copy.fp_registers(), self._tls(tid))
        return Values(self.debuggee.registers(tid), self.debuggee.fp_registers(tid), self._tls(tid))

    def _tls(self, tid: int) -> bytes:
        return (self.debuggee.tls(tid) & (1 << 64) - 1).to_bytes(8, "little")

    def read_memory(self, address: int, length: int) -> bytes:
        """Return memory, up to the first byte that can't be read."""
        return (self._copy or self.debuggee).read_memory(address, length)

    # --- what is written ---

    def write_register(self, tid: int, register: Register, data: bytes) -> None:
        """Set a register in the copy.

        Raises:
            UsageError: it can't be set.
        """
        values = self.values(tid)
        if values.read(register) != data:
            self._set_values(tid, values, values.with_register(register, data))

    def write_registers(self, tid: int, data: bytes) -> None:
        """Set all registers, given as the packet G has them, that differ; registers that can't be set stay.

        Raises:
            UsageError: the thread can't be copied.
        """
        old = values = self.values(tid)
        at = 0
        for register in self.registers.registers:
            part = data[at : at + register.width]
            at += register.width
            if len(part) == register.width and values.read(register) not in (part, None):
                with contextlib.suppress(UsageError):
                    values = values.with_register(register, part)
        self._set_values(tid, old, values)

    def _set_values(self, tid: int, old: Values, new: Values) -> None:
        if new == old:
            return
        copy = self._copy_of(tid)
        if new.general != old.general:
            copy.set_registers(new.general)
        if new.floating != old.floating:
            copy.set_fp_registers(new.floating)

    def write_memory(self, tid: int, address: int, data: bytes) -> bool:
        """Write memory of the copy; tell if it could be written."""
        present = self.read_memory(address, len(data))
        if len(present) < len(data):
            return False
        if present != data:
            self._copy_of(tid).write_memory(address, data)
            if not self._is_below_stack(address, len(data)):
                self._set_memory = True
        return True

    def _is_below_stack(self, address: int, length: int) -> bool:
        """Tell if memory is where gdb puts the frame of a call."""
        stack = self.registers.general_word(self._origin, self.registers.sp)
        return stack - (1 << 20) <= address and address + length <= stack - _RED_ZONE

    def _copy_of(self, tid: int) -> Scratch:
        if self._copy is None:
            self._copy = self._copies.enter_context(self.debuggee.scratch())
            self._copied_tid = self.debuggee.current_thread
            self._origin = self.debuggee.registers(self._copied_tid)
            self._in_copy = set()
            self._set_memory, self._has_run, self._fault = False, False, b""
            for breakpoint_ in self._wanted:
                self._insert_in_copy(breakpoint_)
        if tid != self._copied_tid:
            self._copy_thread(self._copy, tid)
        return self._copy

    def _copy_thread(self, copy: Scratch, tid: int) -> None:
        """Make the copy's one thread another one of the run's."""
        if self.is_in_call:
            raise UsageError(f"a call by thread {self._copied_tid} is under way")
        general = self.debuggee.registers(tid)
        copy.set_registers(general)
        copy.set_tls(self.debuggee.tls(tid))
        copy.set_fp_registers(self.debuggee.fp_registers(tid))
        self._copied_tid, self._origin = tid, general

    # --- breakpoints ---

    def add_breakpoint(self, kind: BreakpointKind, address: int, length: int) -> None:
        """Insert a breakpoint.

        Raises:
            RetrogradeError: there is no room for it.
        """
        breakpoint_ = (kind, address, length)
        if breakpoint_ in self._wanted:
            return
        copied = self._copy is not None and self._insert_in_copy(breakpoint_)
        try:
            self.debuggee.add_breakpoint(*breakpoint_)
            self._in_run.add(breakpoint_)
        except RetrogradeError:
            # It is in memory that only the copy has.
            if not copied or kind not in _IN_CODE:
                self._remove_from_copy(breakpoint_)
                raise
        self._wanted.add(breakpoint_)

    def remove_breakpoint(self, kind: BreakpointKind, address: int, length: int) -> None:
        """Remove a breakpoint."""
        breakpoint_ = (kind, address, length)
        self._wanted.discard(breakpoint_)
        self._remove_from_copy(breakpoint_)
        if breakpoint_ in self._in_run:
            self._in_run.remove(breakpoint_)
            self.debuggee.remove_breakpoint(*breakpoint_)

    def remove_breakpoints(self) -> None:
        """Remove all breakpoints, as the client has gone."""
        for breakpoint_ in list(self._wanted):
            self.remove_breakpoint(*breakpoint_)

    def has_breakpoint(self, address: int) -> bool:
        """Tell if a breakpoint in code is at an address."""
        return any(where == address and kind in _IN_CODE for kind, where, _ in self._wanted)

    def has_watchpoint(self, address: int) -> bool:
        """Tell if the byte at an address is watched."""
        return any(where <= address < where + length for kind, where, length in self._wanted if kind not in _IN_CODE)

    def is_hardware_breakpoint(self, address: int) -> bool:
        """Tell if the breakpoints at an address are hardware's alone."""
        kinds = {kind for kind, where, _ in self._wanted if where == address}
        return BreakpointKind.HARDWARE in kinds and BreakpointKind.SOFTWARE not in kinds

    def _insert_in_copy(self, breakpoint_: Breakpoint) -> bool:
        assert self._copy is not None
        try:
            self._copy.add_breakpoint(*breakpoint_)
        except RetrogradeError:
            return False
        self._in_copy.add(breakpoint_)
        return True

    def _remove_from_copy(self, breakpoint_: Breakpoint) -> None:
        if self._copy is not None and breakpoint_ in self._in_copy:
            self._in_copy.remove(breakpoint_)
            self._copy.remove_breakpoint(*breakpoint_)

    # --- the copy's life ---

    @property
    def is_copied(self) -> bool:
        """A copy is there."""
        return self._copy is not None

    @property
    def copied_thread(self) -> int:
        """The copy's one thread."""
        return self._copied_tid

    @property
    def is_in_call(self) -> bool:
        """The copy is elsewhere than the run."""
        if self._copy is None:
            return False
        now = self._copy.registers()
        names = (self.registers.pc, self.registers.sp)
        return any(self.registers.general_word(now, n) != self.registers.general_word(self._origin, n) for n in names)

    def resume_copy(self, step: bool) -> Stop:
        """Run the copy.

        Returns:
            Why it stopped; where the copy has ended, a stop of the run, at which it was left.
        """
        assert self._copy is not None
        self._has_run = True
        if self._copy.registers() == self._fault:
            return self._ended()
        stop = self._copy.resume(step)
        if stop.reason in (StopReason.EXITED, StopReason.EXEC):
            return self._ended()
        self._fault = b""
        if stop.reason is StopReason.SIGNAL and stop.signal in _FAULTS:
            self._fault = self._copy.registers()
        return Stop(stop.reason, self._copied_tid, stop.signal, stop.address, stop.kind)

    def _ended(self) -> Stop:
        self.forget()
        return Stop(StopReason.EVENT, self.debuggee.current_thread)

    def jump_notice(self) -> str:
        """Return what to say as the copy is about to run for the first time other than for a call of gdb's."""
        if self._has_run or self._copy is None or self.has_breakpoint(self._return_address()):
            return ""
        return (
            "The recorded run can't go another way: a copy of the process runs, in which system calls fail. "
            "Any reverse command throws it away.\n"
        )

    def _return_address(self) -> int:
        assert self._copy is not None
        general = self._copy.registers()
        if self.debuggee.arch != "x86_64":
            return self.registers.general_word(general, "x30")
        stack = self.registers.general_word(general, "rsp")
        return int.from_bytes(self._copy.read_memory(stack, 8), "little")

    def forget(self) -> str:
        """Throw the copy away, as the run is about to move; return what to say of it."""
        if self._copy is None:
            return ""
        set_by_hand = self._set_memory and not self._has_run
        set_by_hand = set_by_hand or (not self.is_in_call and self._copy.registers() != self._origin)
        self._copy = None
        self._copies.close()
        self._in_copy = set()
        for breakpoint_ in self._wanted - self._in_run:
            with contextlib.suppress(RetrogradeError):
                self.debuggee.add_breakpoint(*breakpoint_)
                self._in_run.add(breakpoint_)
        if not set_by_hand:
            return ""
        return "The past can't be changed: what was set here is forgotten, and the run goes on as recorded.\n"
