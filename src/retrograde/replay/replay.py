"""A replay: a recorded run again, to look at from Python, forwards and backwards."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from retrograde.errors import RetrogradeError, UsageError
from retrograde.events import Event
from retrograde.recording.describe import printable
from retrograde.replay.backtrace import Frame, unwind
from retrograde.replay.debuggee import BreakpointKind, Direction, Mapping, Stop, StopReason
from retrograde.replay.memory import Memory
from retrograde.replay.modules import Modules, Place
from retrograde.replay.recorded_events import RecordedEvents
from retrograde.replay.registers import Registers
from retrograde.replay.replay_debuggee import ReplayDebuggee

if TYPE_CHECKING:
    from retrograde.recording import Recording

_PC = {"x86_64": "rip", "arm64": "pc"}
# The instruction that makes a system call: syscall, svc #0.
_CALL = {"x86_64": b"\x0f\x05", "arm64": b"\x01\0\0\xd4"}
_FRAMES = 1000
_BEGINS_AND_ENDS = (StopReason.EXITED, StopReason.HISTORY_BEGIN, StopReason.HISTORY_END)


@dataclass(frozen=True, slots=True)
class Write:
    """A write to memory.

    Attributes:
        event: number of the next event when it happened; where a system call wrote, the call's own.
        tid: the thread that wrote. It may be another process's, where a call has written to a file that is mapped or to
            this process's memory; ``pc`` and ``place`` then tell where this process was.
        pc: the instruction that wrote; of a system call, its own, or the one behind it.
        address: of the memory that was asked for.
        old, new: its bytes before and after.
        call: the name of the system call that wrote, or None: it was an instruction.
        place: the function and the source line.
    """

    event: int
    tid: int
    pc: int
    address: int
    old: bytes
    new: bytes
    call: str | None
    place: Place

    @property
    def function(self) -> str | None:
        """The name of the function that wrote, or None."""
        return self.place.function

    @property
    def file(self) -> str | None:
        """The source file, or None."""
        return self.place.file

    @property
    def line(self) -> int | None:
        """The source line, or None."""
        return self.place.line

    def __str__(self) -> str:
        who = f"{self.call}() in {self.place}" if self.call else str(self.place)
        return f"event {self.event}, thread {self.tid}: {who} wrote {self.new.hex()} over {self.old.hex()}"


class Thread:
    """A thread of the process, at the present moment of a replay.

    Attributes:
        tid: its id in the recording.
        name: its name.
    """

    def __init__(self, replay: Replay, tid: int) -> None:
        self._replay = replay
        self.tid = tid
        # One that has never been named has the program's name.
        name = replay.debuggee.thread_name(tid) or replay.debuggee.exec_file().rpartition("/")[2]
        self.name = printable(name[:15])

    @property
    def regs(self) -> Registers:
        """Its registers."""
        return self._replay.registers_of(self.tid)

    def backtrace(self, limit: int = _FRAMES) -> list[Frame]:
        """Return the frames of its stack, the innermost first, so many at most."""
        return self._replay.frames_of(self.tid, limit)

    def __repr__(self) -> str:
        return f"<thread {self.tid} {self.name!r}>"


class Replay:
    """A process of a recorded run, at one moment of it; the moment can be moved both ways. A context manager.

    Args:
        recording: what is replayed.
        pid: the process to look at; the first one where None.
        echo: show again what the program wrote to its terminal.
        verify: compare what the program hands to the kernel with what it did when it was recorded.
        debug_directories: folders of this machine with separate debugging information, such as `/usr/lib/debug`.
            Where empty, nothing outside the recording is read.

    Attributes:
        recording: what is replayed.
        debuggee: the same process for a debugger.

    Raises:
        CannotError: the recording can't be replayed here.
        UsageError: there is no such process.
        ReplayDivergenceError: as every method that moves, where the run does not go as recorded.
    """

    def __init__(
        self,
        recording: Recording,
        *,
        pid: int | None = None,
        echo: bool = False,
        verify: bool = True,
        debug_directories: Sequence[str | Path] = (),
    ) -> None:
        self.recording = recording
        self.debuggee = ReplayDebuggee(recording, pid=pid, echo=echo, verify=verify)
        self._tid = self.debuggee.current_thread
        self._maps: list[Mapping] = []
        self._maps_of = -1
        self._modules = Modules(
            recording, self.maps, self.debuggee.read_memory, [Path(folder) for folder in debug_directories]
        )
        self._events = RecordedEvents(recording)

    def __enter__(self) -> Replay:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the replayed processes."""
        self._modules.close()
        self.debuggee.close()

    # ---- the present ----

    @property
    def pid(self) -> int:
        """The process."""
        return self.debuggee.pid

    @property
    def event(self) -> int:
        """Number of the recording's next event: those before it have happened."""
        return self.debuggee.event

    @property
    def time(self) -> int:
        """When the next event was recorded, as its `enter`: ns of CLOCK_BOOTTIME. Behind the last one, its `exit`."""
        number = self.event
        event = self._events.event(number)
        if event is not None:
            return event.enter
        last = self._events.event(number - 1)
        return last.exit if last is not None else 0

    def at_end(self) -> bool:
        """Return whether the process goes no further: it is about to die or to exit, or has, or the recording ends."""
        facts = self.debuggee.scan.processes[self.pid]
        last = facts.end if facts.end is not None else self.debuggee.size
        if facts.failure is not None and facts.status & 0x7F:
            last = facts.failure
        return self.event > last or (self.event == last and self._has_reached_event())

    def _has_reached_event(self) -> bool:
        tid = self.debuggee.current_thread
        return tid == 0 or self.event >= self.debuggee.size or self.debuggee.timeline.moment().registers is None

    def maps(self) -> list[Mapping]:
        """Return the memory map."""
        if self._maps_of != self.event:  # only an event changes it
            self._alive()
            self._maps, self._maps_of = self.debuggee.maps(), self.event
        return self._maps

    def _alive(self) -> None:
        if not self.debuggee.threads:
            raise UsageError(
                f"process {self.pid} has ended before event {self.event}",
                hint="r.seek_end() goes to the last moment at which it is there",
            )

    @property
    def thread(self) -> Thread:
        """The thread that runs, or that has stopped the last move."""
        self._alive()
        threads = self.debuggee.threads
        return Thread(self, self._tid if self._tid in threads else self.debuggee.current_thread)

    @property
    def threads(self) -> list[Thread]:
        """The threads that live."""
        return [Thread(self, tid) for tid in self.debuggee.threads]

    @property
    def regs(self) -> Registers:
        """The registers of :attr:`thread`."""
        return self.thread.regs

    def registers_of(self, tid: int) -> Registers:
        """Return the registers of a thread."""
        debuggee = self.debuggee
        return Registers(debuggee.arch, debuggee.registers(tid), lambda: debuggee.fp_registers(tid))

    @property
    def memory(self) -> Memory:
        """The process's memory."""
        self._alive()
        return Memory(self.debuggee.read_memory)

    def backtrace(self, limit: int = _FRAMES) -> list[Frame]:
        """Return the frames of :attr:`thread`, the innermost first, so many at most."""
        return self.thread.backtrace(limit)

    def frames_of(self, tid: int, limit: int) -> list[Frame]:
        """Return the frames of a thread."""
        debuggee = self.debuggee
        return unwind(self.registers_of(tid), debuggee.arch, debuggee.read_memory, self._modules, limit)

    # ---- names ----

    def symbol(self, name: str) -> int:
        """Return the address of a function or a variable.

        Raises:
            NotFoundError: nothing that is loaded at this moment has it.
        """
        self._alive()
        return self._modules.symbol(name, self.debuggee.exec_file())[0]

    def describe(self, address: int | None = None) -> str:
        """Return what is known of an address: `square+4 at t.c:9`. Of where :attr:`thread` is, where None."""
        return str(self.place(address))

    def place(self, address: int | None = None) -> Place:
        """Return the function, the file and the line of an address; of where :attr:`thread` is, where None."""
        if address is None:
            address = self.regs[_PC[self.debuggee.arch]]
        self._alive()
        return self._modules.place(address)

    def _addresses(self, where: int | str) -> list[int]:
        if isinstance(where, int):
            return [where]
        file, colon, line = where.rpartition(":")
        if colon and line.isdecimal():
            return self._modules.line(file, int(line), self.debuggee.exec_file())
        return [self.symbol(where)]

    # ---- moving ----

    def _move(self, move: Callable[[], Stop]) -> Stop:
        stop = move()
        if stop.reason is StopReason.INTERRUPTED:
            raise KeyboardInterrupt
        self._tid = stop.tid
        return stop

    def seek(self, event: int | Event) -> None:
        """Go to where an event is about to happen, its thread having reached it.

        Args:
            event: its number, or itself.

        Raises:
            UsageError: there is no such event.
        """
        number = event.seq if isinstance(event, Event) else event
        self._move(lambda: self.debuggee.seek(number))

    def seek_end(self) -> None:
        """Go to the failure or the end: the last moment at which the process is there."""
        self._move(self.debuggee.seek_end)

    def run_to(self, *where: int | str, event: int | Event | None = None, backwards: bool = False) -> bool:
        """Run until a thread is about to run the code at an address, or to where an event is about to happen.

        Args:
            where: addresses, names of functions, or source lines as `file.c:12`: the first that is met stops.
            event: number of an event, or itself, instead.
            backwards: run backwards.

        Returns:
            Whether it was met; otherwise the run is at its end, as :meth:`seek_end` has it, or at its start.

        Raises:
            NotFoundError: there is no such function or line.
            UsageError: there is no such event in this direction.
        """
        if (event is None) == (not where):
            raise UsageError("run to a place or to an event", hint='r.run_to("main"), r.run_to(event=12)')
        if event is not None:
            number = event.seq if isinstance(event, Event) else event
            if number > self.event if backwards else number < self.event:
                raise UsageError(
                    f"event {number} is {'later' if backwards else 'earlier'}: the next one is {self.event}",
                    hint="r.seek(EVENT) goes there in either direction",
                )
            self.seek(number)
            return True
        programs = self.debuggee.scan.processes[self.pid].programs
        if len(programs) > 1 and not backwards:  # a later one may have the names
            addresses = self._addresses_there(where)
        else:
            addresses = {address for each in where for address in self._addresses(each)}
        while True:
            with self._breakpoints(BreakpointKind.SOFTWARE, [(address, 1) for address in addresses]):
                stop = self._run(addresses, Direction.BACKWARD if backwards else Direction.FORWARD)
            if stop.reason is StopReason.BREAKPOINT:
                return True
            if stop.reason is not StopReason.EXEC:
                if not backwards:
                    self.seek_end()
                return False
            addresses = self._addresses_there(where)

    def _addresses_there(self, where: Sequence[int | str]) -> set[int]:
        """Return the addresses of those names that the program has."""
        found: set[int] = set()
        for each in where:
            with contextlib.suppress(RetrogradeError):
                found.update(self._addresses(each))
        return found

    def _run(self, addresses: set[int], direction: Direction) -> Stop:
        """Run until one of the breakpoints, another program, or an end; signals are passed by."""
        while True:
            stop = self._move(lambda: self.debuggee.resume(direction))
            if stop.reason is StopReason.EXEC or stop.reason in _BEGINS_AND_ENDS:
                return stop
            if stop.reason is StopReason.BREAKPOINT and self.registers_of(stop.tid)["pc"] in addresses:
                return stop

    @contextlib.contextmanager
    def _breakpoints(self, kind: BreakpointKind, places: Sequence[tuple[int, int]]) -> Iterator[None]:
        added: list[tuple[int, int]] = []
        try:
            for address, length in places:
                self.debuggee.add_breakpoint(kind, address, length)
                added.append((address, length))
            yield
        finally:
            for address, length in added:
                self.debuggee.remove_breakpoint(kind, address, length)

    def step(self, count: int = 1) -> int:
        """Run so many instructions of :attr:`thread`, backwards where the number is negative.

        A system call is one, and so is a signal, which leads to its handler. Other threads run where the recording says
        so.

        Returns:
            How many were run; fewer where the run begins or ends before.
        """
        direction = Direction.FORWARD if count > 0 else Direction.BACKWARD
        debuggee, done, stepped = self.debuggee, 0, self._tid
        while done < abs(count) and debuggee.threads:
            # Signals of other threads are told of on the way.
            tid = stepped if stepped in debuggee.threads else debuggee.current_thread
            stop = self._move(lambda tid=tid: debuggee.step(tid, direction))  # type: ignore[misc]
            if stop.reason in _BEGINS_AND_ENDS:
                if direction is Direction.FORWARD:
                    self.seek_end()
                return done
            if stop.reason is StopReason.STEP:
                done, stepped = done + 1, stop.tid
        self._tid = stepped
        return done

    def checkpoint(self) -> int:
        """Remember this moment; returns its number."""
        return self.debuggee.checkpoint()

    def restore(self, checkpoint: int) -> None:
        """Go to a remembered moment.

        Raises:
            UsageError: there is no such checkpoint.
        """
        self._move(lambda: self.debuggee.restore(checkpoint))

    # ---- who wrote ----

    def last_write(self, address: int, size: int = 8) -> Write | None:
        """Go back to the last write to memory: to where the instruction or the system call is about to write.

        Args:
            address: of the memory.
            size: its bytes, 32 at most, aligned to 8.

        Returns:
            The write; None where nothing has written there since the start, which the replay is at then.

        Raises:
            RetrogradeError: so much memory can't be watched.
        """
        new = self._bytes(address, size)
        with self._breakpoints(BreakpointKind.WRITE, [(address, size)]):
            stop = self._until_write(Direction.BACKWARD)
        if stop is None:
            return None
        return self._write(stop.tid, address, size, new)

    def next_write(self, address: int, size: int = 8) -> Write | None:
        """Go on to behind the next write to memory.

        Arguments and exceptions are those of :meth:`last_write`, which finds that same write from there.

        Returns:
            The write; None where nothing writes there any more, and the replay is at its end then.
        """
        with self._breakpoints(BreakpointKind.WRITE, [(address, size)]):
            stop = self._until_write(Direction.FORWARD)
            if stop is None:
                self.seek_end()
                return None
            new = self._bytes(address, size)
            behind, tid = self.debuggee.checkpoint(), stop.tid
            try:
                self._until_write(Direction.BACKWARD)
                write = self._write(tid, address, size, new)
                self.debuggee.restore(behind)
            finally:
                self.debuggee.delete_checkpoint(behind)
        self._tid = tid
        return write

    def _bytes(self, address: int, size: int) -> bytes:
        self._alive()
        return self.debuggee.read_memory(address, size) if 0 < size <= 4096 else b""

    def _until_write(self, direction: Direction) -> Stop | None:
        while True:
            stop = self._move(lambda: self.debuggee.resume(direction))
            if stop.reason in _BEGINS_AND_ENDS or stop.reason is StopReason.EXEC:
                return None
            if stop.reason is StopReason.WATCHPOINT:
                return stop

    def _writing_call(self, tid: int, pc: int, address: int, size: int) -> Event | None:
        """Return the system call that has written, where a thread is about to make a call or in one."""
        code = _CALL[self.debuggee.arch]
        reached = self.debuggee.in_call(tid) or self.debuggee.read_memory(pc, len(code)) == code
        return self._events.writing_call(self.event, self.debuggee.pid, address, size) if reached else None

    def _write(self, tid: int, address: int, size: int, new: bytes) -> Write:
        pc = self.registers_of(tid)["pc"]
        writing = self._writing_call(tid, pc, address, size)
        call = self._events.call(writing.seq) if writing is not None else None
        tid = writing.tid if writing is not None else tid
        return Write(self.event, tid, pc, address, self._bytes(address, size), new, call, self.place(pc))
