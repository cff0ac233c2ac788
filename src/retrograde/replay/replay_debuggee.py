"""A replayed process as a debugger sees it: a :class:`~retrograde.replay.debuggee.Debuggee`."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING

from retrograde.errors import RetrogradeError, UsageError
from retrograde.replay import _core
from retrograde.replay._core import StopKind
from retrograde.replay.debuggee import BreakpointKind, Direction, Mapping, Scratch, Stop, StopReason
from retrograde.replay.divergence import explained
from retrograde.replay.failures import Interrupted, ReplayDivergenceError
from retrograde.replay.maps import parsed_maps
from retrograde.replay.requirements import check
from retrograde.replay.scan import ReplayScan, scan
from retrograde.replay.timeline import Mark, Timeline
from retrograde.replay.unpacked import unpacked

if TYPE_CHECKING:
    from retrograde.recording import Recording

_REASONS = {
    StopKind.EVENT: StopReason.EVENT,
    StopKind.PLACE: StopReason.EVENT,
    StopKind.STEP: StopReason.STEP,
    StopKind.BREAKPOINT: StopReason.BREAKPOINT,
    StopKind.WATCHPOINT: StopReason.WATCHPOINT,
    StopKind.SIGNAL: StopReason.SIGNAL,
    StopKind.EXEC: StopReason.EXEC,
    StopKind.EXITED: StopReason.EXITED,
    StopKind.END: StopReason.HISTORY_END,
    StopKind.INTERRUPTED: StopReason.INTERRUPTED,
    StopKind.TIME_LIMIT: StopReason.INTERRUPTED,
}


class ReplayDebuggee:
    """A process of a recorded run, at one moment of it; the moment can be moved both ways.

    Args:
        recording: what is replayed.
        pid: the process to look at; the first one where None. Those that share memory with it are replayed as well.
        echo: show again what the program wrote to its terminal.
        verify: compare what the program hands to the kernel with what it did when it was recorded.

    Raises:
        CannotError: the recording can't be replayed here.
        UsageError: there is no such process.
        ReplayDivergenceError: as every other method, where the run does not go as recorded.
    """

    def __init__(
        self, recording: Recording, *, pid: int | None = None, echo: bool = False, verify: bool = True
    ) -> None:
        self.recording = recording
        self.scan: ReplayScan = scan(recording)
        check(recording, self.scan, pid)
        self._stack = contextlib.ExitStack()
        self._folder = self._stack.enter_context(unpacked(recording))
        self._stack.enter_context(run_on_one_cpu(recording))
        try:
            self._pid = pid if pid is not None else next(iter(self.scan.processes))
            follow = set() if self.scan.shares_memory else self.scan.ancestors(self._pid)
            self._session = _core.Session.open(str(self._folder), follow, self._pid, echo, verify)
            with self._explaining():
                self._begin(pid)
            self._timeline = Timeline(self._session)
        except BaseException:
            self.close()
            raise
        self._saved: dict[int, Mark] = {}

    def _begin(self, pid: int | None) -> None:
        """Go to where the process begins: made by fork, it is about to return from it."""
        facts = self.scan.processes[self._pid]
        if pid is not None and facts.parent is not None:
            self._session.run(facts.begin + 1, stops=False)

    def __enter__(self) -> ReplayDebuggee:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the replayed processes."""
        self.__dict__.pop("_timeline", None)
        self.__dict__.pop("_session", None)  # ends the processes
        self._stack.close()

    # ---- the present ----

    @property
    def arch(self) -> str:
        """`x86_64` or `arm64`."""
        return self.recording.arch

    @property
    def pid(self) -> int:
        """The process."""
        return self._pid

    @property
    def threads(self) -> list[int]:
        """Live threads at this moment."""
        return [tid for pid, tid, _, _ in self._session.threads() if pid == self._pid]

    @property
    def current_thread(self) -> int:
        """The thread that runs next; 0 where the process has ended."""
        return self._session.current_task()

    @property
    def event(self) -> int:
        """Number of the recording's next event: those before it have happened."""
        return self._session.next_event

    @property
    def size(self) -> int:
        """How many events the recording has."""
        return self._session.size

    def in_call(self, tid: int) -> bool:
        """Return whether a thread has reached its next event, which is about to happen."""
        return any(in_call for _, other, _, in_call in self._session.threads() if other == tid)

    @property
    def session(self) -> _core.Session:
        """The native replayer."""
        return self._session

    @property
    def timeline(self) -> Timeline:
        """How it moves."""
        return self._timeline

    def thread_name(self, tid: int) -> str:
        """Return the thread's name."""
        for _, other, name, _ in self._session.threads():
            if other == tid:
                return name
        raise UsageError(f"there is no thread {tid} at event {self.event}")

    def registers(self, tid: int) -> bytes:
        """Return the general registers, as the regset NT_PRSTATUS has them."""
        return self._session.registers(tid)

    def fp_registers(self, tid: int) -> bytes:
        """Return NT_X86_XSTATE on x86-64; on arm64 NT_ARM_SVE with all vectors, or NT_PRFPREG without SVE."""
        return self._session.fp_registers(tid)

    def tls(self, tid: int) -> int:
        """Return the thread pointer: fs_base on x86-64, TPIDR_EL0 on arm64."""
        return self._session.tls(tid)

    def siginfo(self, tid: int) -> bytes:
        """Return the siginfo of the signal that the thread stopped with, 128 bytes; empty where there is none."""
        return self._session.siginfo(tid)

    def read_memory(self, address: int, length: int) -> bytes:
        """Return memory, up to the first byte that can't be read; without breakpoints in it."""
        return self._session.read_memory(self._pid, address, length)

    def maps(self) -> list[Mapping]:
        """Return the memory map at this moment."""
        return parsed_maps(self._session.maps(self._pid))

    def auxv(self) -> bytes:
        """Return the auxiliary vector as the program saw it at its start."""
        return self._session.auxv(self._pid)

    def exec_file(self) -> str:
        """Return the path of the program, as recorded."""
        return self._session.program(self._pid).decode("utf-8", "surrogateescape")

    def open_image(self, path: str) -> int | None:
        """Return a descriptor, read-only, of the recording's copy of the file that was at `path`; None if it has none.

        Never opens anything outside the recording. The caller closes it.
        """
        for mapping in self.maps():
            if mapping.image is not None and mapping.path == path:
                path_of_image = self._folder / "images" / mapping.image
                return os.open(path_of_image, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        return None

    # ---- breakpoints ----

    def add_breakpoint(self, kind: BreakpointKind, address: int, length: int) -> None:
        """Insert a breakpoint or watchpoint.

        Raises:
            RetrogradeError: there is no room for it (hardware), or its length can't be watched.
        """
        self._session.add_breakpoint(int(kind), address, length)

    def remove_breakpoint(self, kind: BreakpointKind, address: int, length: int) -> None:
        """Remove it; nothing happens where it is not there."""
        self._session.remove_breakpoint(int(kind), address, length)

    # ---- moving ----

    def resume(self, direction: Direction = Direction.FORWARD) -> Stop:
        """Run until a breakpoint, a signal, an interrupt, or either end of the recorded run.

        Backwards, a watchpoint is hit where the instruction that wrote is about to run.
        """
        if direction is Direction.FORWARD:
            return self._move(lambda: self._stop(self._timeline.forward()))
        return self._move(lambda: self._stop_backwards(self._timeline.backward()))

    def step(self, tid: int, direction: Direction = Direction.FORWARD) -> Stop:
        """Run one instruction of the thread; others run before it where the recording says so."""
        if direction is Direction.FORWARD:
            return self._move(lambda: self._stop(self._timeline.step(tid)))
        return self._move(lambda: self._stop_backwards(self._timeline.step_back(tid)))

    def interrupt(self) -> None:
        """Make a running :meth:`resume` return; from another thread."""
        self._session.interrupt()

    def seek(self, event: int) -> Stop:
        """Go to where event `event` is about to happen, its thread having reached it.

        Raises:
            UsageError: there is no such event.
        """
        return self._move(lambda: self._stop(self._timeline.to_event(event)))

    def seek_end(self) -> Stop:
        """Go to the failure or the end: the last moment at which the process is still there."""
        facts = self.scan.processes[self._pid]
        if facts.end is None:
            return self.seek(self._session.size)
        killed = facts.status & 0x7F
        failure = facts.failure if killed else None
        stop = self.seek(failure if failure is not None else facts.end)
        if stop.reason is StopReason.INTERRUPTED:
            return stop
        self._timeline.tell()
        if failure is not None:
            return Stop(StopReason.SIGNAL, self.current_thread, signal=killed)
        return Stop(StopReason.EXITED, self.current_thread, signal=killed, status=facts.status >> 8 & 0xFF)

    def checkpoint(self) -> int:
        """Remember this moment; returns its number."""
        number = max(self._saved, default=0) + 1
        self._saved[number] = self._timeline.save()
        return number

    def restore(self, checkpoint: int) -> Stop:
        """Go back (or forward) to a remembered moment.

        Raises:
            UsageError: there is no such checkpoint.
        """
        if checkpoint not in self._saved:
            raise UsageError(f"there is no checkpoint {checkpoint}")
        mark = self._saved[checkpoint]

        def load() -> Stop:
            self._timeline.load(mark)
            return Stop(StopReason.EVENT, self.current_thread)

        return self._move(load)

    def delete_checkpoint(self, checkpoint: int) -> None:
        """Forget it."""
        self._saved.pop(checkpoint, None)

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Scratch]:
        """Return a copy of the process that can be written to and called into, thrown away at the end."""
        yield _Copy(_core.Scratch(self._session, self.current_thread))

    def events(self, filter_text: str = "") -> Iterator[str]:
        """Yield the recording's events as lines, `>` before the next one."""
        following = self.event
        for event in self.recording.events(filter_text or None):
            yield f"{'>' if event.seq == following else ' '} {event}"

    def _move(self, move: Callable[[], Stop]) -> Stop:
        try:
            with self._explaining():
                return move()
        except Interrupted:
            return Stop(StopReason.INTERRUPTED, self.current_thread)

    @contextlib.contextmanager
    def _explaining(self) -> Iterator[None]:
        """Tell more of a divergence than the native replayer does."""
        try:
            yield
        except ReplayDivergenceError as divergence:
            raise explained(self.recording, divergence, self._session) from None

    # ---- stops ----

    def _stop(self, stop: _core.Stop) -> Stop:
        reason = _REASONS[stop.kind]
        signal, status = stop.signal, 0
        if reason is StopReason.EXITED:
            signal, status = stop.status & 0x7F, stop.status >> 8 & 0xFF
        kind = BreakpointKind(stop.breakpoint) if reason is StopReason.WATCHPOINT else None
        path = self.exec_file() if reason is StopReason.EXEC else ""
        return Stop(reason, stop.tid, signal, stop.address, kind, status, path)

    def _stop_backwards(self, stop: _core.Stop | None) -> Stop:
        if stop is None:
            return Stop(StopReason.HISTORY_BEGIN, self.current_thread)
        return self._stop(stop)


class _Copy:
    """A :class:`Scratch`."""

    def __init__(self, native: _core.Scratch) -> None:
        self._native = native

    def registers(self) -> bytes:
        """See :class:`Scratch`."""
        return self._native.registers()

    def set_registers(self, registers: bytes) -> None:
        """See :class:`Scratch`."""
        self._native.set_registers(registers)

    def fp_registers(self) -> bytes:
        """See :class:`Scratch`."""
        return self._native.fp_registers()

    def set_fp_registers(self, registers: bytes) -> None:
        """See :class:`Scratch`."""
        self._native.set_fp_registers(registers)

    def set_tls(self, value: int) -> None:
        """See :class:`Scratch`."""
        self._native.set_tls(value)

    def read_memory(self, address: int, length: int) -> bytes:
        """See :class:`Scratch`."""
        return self._native.read_memory(address, length)

    def write_memory(self, address: int, data: bytes) -> None:
        """See :class:`Scratch`."""
        if self._native.write_memory(address, data) != len(data):
            raise RetrogradeError(f"{len(data)} bytes at {address:#x} can't be written")

    def resume(self, step: bool = False) -> Stop:
        """See :class:`Scratch`."""
        stop = self._native.run(step)
        return Stop(_REASONS[stop.kind], stop.tid, stop.signal or stop.status & 0x7F, stop.address)

    def add_breakpoint(self, kind: BreakpointKind, address: int, length: int) -> None:
        """See :class:`Scratch`."""
        self._native.add_breakpoint(address)

    def remove_breakpoint(self, kind: BreakpointKind, address: int, length: int) -> None:
        """See :class:`Scratch`."""
        self._native.remove_breakpoint(address)


@contextlib.contextmanager
def run_on_one_cpu(recording: Recording) -> Iterator[None]:
    """Bind this process, and what it replays, to the CPU of the recording, or to another where it has none.

    Who waits for a stop need not be woken on another CPU then, and instructions that tell the CPU's number tell the
    same.
    """
    allowed = os.sched_getaffinity(0)
    cpu = int(recording.info.get("replay", {}).get("cpu", 0))
    with contextlib.suppress(OSError):
        os.sched_setaffinity(0, {cpu if cpu in allowed else max(allowed)})
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, allowed)


@contextlib.contextmanager
def in_real_time() -> Iterator[None]:
    """Give this process, and what it replays, real-time scheduling, if it may have that and leaves others a CPU.

    The two take turns at each system call, and the kernel's real-time class changes faster between them.
    """
    policy, parameter = os.sched_getscheduler(0), os.sched_getparam(0)
    with contextlib.suppress(PermissionError):
        if (os.cpu_count() or 1) > 1:
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, parameter)
