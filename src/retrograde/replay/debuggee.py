"""What a debugger needs of a run that it can move in both directions: the interface between replay and gdb.

A replay is one; so is whatever else can say what a program's memory and registers were at a moment of the past.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol


class Direction(enum.Enum):
    """Which way a run goes."""

    FORWARD = 1
    BACKWARD = -1


class BreakpointKind(enum.IntEnum):
    """Kinds of breakpoint, numbered as gdb's packets Z0 to Z4 have them."""

    SOFTWARE = 0
    HARDWARE = 1
    WRITE = 2
    READ = 3
    ACCESS = 4


class StopReason(enum.Enum):
    """Why a run has stopped."""

    STEP = "step"
    BREAKPOINT = "breakpoint"
    WATCHPOINT = "watchpoint"
    SIGNAL = "signal"  # about to be delivered
    EXEC = "exec"
    EXITED = "exited"  # the process has ended; memory and registers are gone
    HISTORY_BEGIN = "history-begin"
    HISTORY_END = "history-end"  # the recording goes no further
    INTERRUPTED = "interrupted"
    EVENT = "event"  # reached the event that was asked for


@dataclass(frozen=True, slots=True)
class Stop:
    """Why and where a run has stopped.

    Attributes:
        reason: why.
        tid: the thread that caused it, as the recording numbers it.
        signal: Linux's number of the signal, for SIGNAL, and for EXITED by a signal; else 0.
        address: what was accessed, for WATCHPOINT.
        kind: of the watchpoint that was hit.
        status: exit status, for EXITED without a signal.
        path: the new program's path, for EXEC.
    """

    reason: StopReason
    tid: int
    signal: int = 0
    address: int = 0
    kind: BreakpointKind | None = None
    status: int = 0
    path: str = ""


@dataclass(frozen=True, slots=True)
class Mapping:
    """One mapping of a process.

    Attributes:
        start, end: addresses.
        permissions: as /proc/PID/maps has them: `r-xp`.
        offset: in the file, bytes.
        path: the file's path when it was recorded, or `[stack]` and the like, or empty.
        image: the file in the recording that holds the content, or None.
    """

    start: int
    end: int
    permissions: str
    offset: int
    path: str
    image: str | None


class Debuggee(Protocol):
    """One process of a recorded run, at one moment of it.

    Threads are named by their recorded tids, addresses are the recorded process's. Methods raise
    :class:`retrograde.errors.DivergenceError` where the replay cannot go on as recorded.
    """

    @property
    def arch(self) -> str:
        """`x86_64` or `arm64`."""

    @property
    def pid(self) -> int:
        """The process."""

    @property
    def threads(self) -> list[int]:
        """Live threads at this moment."""

    @property
    def current_thread(self) -> int:
        """The thread that runs next."""

    @property
    def event(self) -> int:
        """Number of the recording's next event: those before it have happened."""

    def thread_name(self, tid: int) -> str:
        """Return the thread's name."""

    def registers(self, tid: int) -> bytes:
        """Return the general registers, as the regset NT_PRSTATUS has them."""

    def fp_registers(self, tid: int) -> bytes:
        """Return NT_X86_XSTATE on x86-64; on arm64 NT_ARM_SVE with all vectors, or NT_PRFPREG without SVE."""

    def tls(self, tid: int) -> int:
        """Return the thread pointer: fs_base on x86-64, TPIDR_EL0 on arm64."""

    def siginfo(self, tid: int) -> bytes:
        """Return the siginfo of the signal that the thread stopped with, 128 bytes; empty where there is none."""

    def read_memory(self, address: int, length: int) -> bytes:
        """Return memory, up to the first byte that can't be read; without breakpoints in it."""

    def maps(self) -> list[Mapping]:
        """Return the memory map at this moment."""

    def auxv(self) -> bytes:
        """Return the auxiliary vector as the program saw it at its start."""

    def exec_file(self) -> str:
        """Return the path of the program, as recorded."""

    def open_image(self, path: str) -> int | None:
        """Return a descriptor, read-only, of the recording's copy of the file that was at `path`; None if it has none.

        Never opens anything outside the recording. The caller closes it.
        """

    def add_breakpoint(self, kind: BreakpointKind, address: int, length: int) -> None:
        """Insert a breakpoint or watchpoint.

        Raises:
            RetrogradeError: there is no room for it (hardware), or its length can't be watched.
        """

    def remove_breakpoint(self, kind: BreakpointKind, address: int, length: int) -> None:
        """Remove it; nothing happens where it is not there."""

    def resume(self, direction: Direction = Direction.FORWARD) -> Stop:
        """Run until a breakpoint, a signal, an interrupt, or either end of the recorded run.

        Backwards, a watchpoint is hit where the instruction that wrote is about to run.
        """

    def step(self, tid: int, direction: Direction = Direction.FORWARD) -> Stop:
        """Run one instruction of the thread; others run before it where the recording says so."""

    def interrupt(self) -> None:
        """Make a running :meth:`resume` return; from another thread."""

    def seek(self, event: int) -> Stop:
        """Go to where event `event` is about to happen, its thread having reached it.

        Raises:
            UsageError: there is no such event.
        """

    def seek_end(self) -> Stop:
        """Go to the failure or the end: the last moment at which the process is still there."""

    def checkpoint(self) -> int:
        """Remember this moment; returns its number."""

    def restore(self, checkpoint: int) -> Stop:
        """Go back (or forward) to a remembered moment.

        Raises:
            UsageError: there is no such checkpoint.
        """

    def delete_checkpoint(self, checkpoint: int) -> None:
        """Forget it."""

    def scratch(self) -> AbstractContextManager[Scratch]:
        """Return a copy of the process that can be written to and called into, thrown away at the end."""

    def events(self, filter_text: str = "") -> Iterator[str]:
        """Yield the recording's events as lines, `>` before the next one."""


class Scratch(Protocol):
    """A throw-away copy of a process, of its one stopped thread, for calling functions of the program."""

    def registers(self) -> bytes:
        """As :meth:`Debuggee.registers`."""

    def set_registers(self, registers: bytes) -> None:
        """Set the general registers."""

    def fp_registers(self) -> bytes:
        """As :meth:`Debuggee.fp_registers`."""

    def set_fp_registers(self, registers: bytes) -> None:
        """Set the floating-point registers."""

    def set_tls(self, value: int) -> None:
        """Set the thread pointer, as :meth:`Debuggee.tls` returns it."""

    def read_memory(self, address: int, length: int) -> bytes:
        """Return memory."""

    def write_memory(self, address: int, data: bytes) -> None:
        """Write memory."""

    def resume(self, step: bool = False) -> Stop:
        """Run until a breakpoint or a signal; system calls of it fail with ENOSYS, but for writes to the terminal."""

    def add_breakpoint(self, kind: BreakpointKind, address: int, length: int) -> None:
        """Insert a breakpoint."""

    def remove_breakpoint(self, kind: BreakpointKind, address: int, length: int) -> None:
        """Remove a breakpoint."""
