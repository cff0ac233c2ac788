"""A debuggee that moves both ways: a small program stepped once from main to its end, all its states remembered.

Each state is what ptrace and /proc/PID/mem said after one more instruction. x86-64, one thread, some ten thousand
instructions. A copy is the program run once more to the same instruction.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import signal
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from retrograde.errors import RetrogradeError, UsageError
from retrograde.replay.debuggee import BreakpointKind, Direction, Mapping, Scratch, Stop, StopReason

_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
_LIBC.ptrace.restype = ctypes.c_long
_TRACEME, _CONT, _SINGLESTEP, _GETSIGINFO, _GETREGSET, _SETREGSET = 0, 7, 9, 0x4202, 0x4204, 0x4205
_PRSTATUS, _XSTATE = 1, 0x202
_NO_RANDOM = 0x0040000
_RIP, _RSP, _FS_BASE, _RAX = 16, 19, 21, 10
_PAGE = 4096
_MOST_STEPS = 60_000

Region = tuple[int, int]
Change = tuple[int, bytes, bytes]


class _Vector(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


def _ptrace(request: int, pid: int, address: int = 0, data: object = None) -> None:
    if _LIBC.ptrace(request, pid, address, data) < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


class _Tracee:
    """A program under ptrace, stopped at main."""

    def __init__(self, program: Path) -> None:
        symbols = subprocess.run(["nm", str(program)], check=True, capture_output=True, text=True).stdout
        main = next(int(line.split()[0], 16) for line in symbols.splitlines() if line.endswith(" T main"))
        self.pid = os.fork()
        if self.pid == 0:
            _LIBC.personality(_NO_RANDOM)
            _LIBC.ptrace(_TRACEME, 0, None, None)
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, 1)
            os.execve(program, [str(program), "one", "two"], {"HOME": "/", "GLIBC_TUNABLES": "glibc.pthread.rseq=0"})
        self.wait()
        self.memory = os.open(f"/proc/{self.pid}/mem", os.O_RDWR)
        self.poke(main, 1)
        _ptrace(_CONT, self.pid)
        self.wait()
        self.unpoke(main)
        general = bytearray(self.registers())
        struct.pack_into("<Q", general, 8 * _RIP, main)
        self.set_registers(bytes(general))

    def wait(self) -> int:
        _, status = os.waitpid(self.pid, 0)
        return status

    def _get(self, kind: int) -> bytes:
        buffer = ctypes.create_string_buffer(16384)
        vector = _Vector(ctypes.addressof(buffer), 16384)
        _ptrace(_GETREGSET, self.pid, kind, ctypes.byref(vector))
        return buffer.raw[: vector.length]

    def _set(self, kind: int, data: bytes) -> None:
        buffer = ctypes.create_string_buffer(data, len(data))
        vector = _Vector(ctypes.addressof(buffer), len(data))
        _ptrace(_SETREGSET, self.pid, kind, ctypes.byref(vector))

    def registers(self) -> bytes:
        return self._get(_PRSTATUS)

    def fp_registers(self) -> bytes:
        return self._get(_XSTATE)

    def set_registers(self, data: bytes) -> None:
        self._set(_PRSTATUS, data)

    def set_fp_registers(self, data: bytes) -> None:
        self._set(_XSTATE, data)

    def siginfo(self) -> bytes:
        buffer = ctypes.create_string_buffer(128)
        _ptrace(_GETSIGINFO, self.pid, 0, ctypes.byref(buffer))
        return buffer.raw

    def read(self, address: int, length: int) -> bytes:
        try:
            return os.pread(self.memory, length, address)
        except (OSError, OverflowError):
            return b""

    def write(self, address: int, data: bytes) -> None:
        os.pwrite(self.memory, data, address)

    def poke(self, address: int, _length: int) -> None:
        self._under = getattr(self, "_under", {})
        self._under[address] = self.read(address, 1)
        self.write(address, b"\xcc")

    def unpoke(self, address: int) -> None:
        self.write(address, self._under.pop(address))

    def step(self) -> int:
        _ptrace(_SINGLESTEP, self.pid)
        return self.wait()

    def maps(self) -> list[Mapping]:
        result = []
        for line in Path(f"/proc/{self.pid}/maps").read_text().splitlines():
            span, permissions, offset, _, _, *path = line.split(maxsplit=5)
            start, end = (int(part, 16) for part in span.split("-"))
            name = path[0] if path else ""
            result.append(Mapping(start, end, permissions, int(offset, 16), name, name if name[:1] == "/" else None))
        return result

    def end(self) -> None:
        os.close(self.memory)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)


def _word(registers: bytes | bytearray, index: int) -> int:
    return int(struct.unpack_from("<Q", registers, 8 * index)[0])


def _differences(start: int, old: bytes, new: bytes) -> Iterator[Change]:
    for at in range(0, len(old), _PAGE):
        before, after = old[at : at + _PAGE], new[at : at + _PAGE]
        if before == after:
            continue
        low = next(i for i in range(len(before)) if before[i] != after[i])
        high = next(i for i in range(len(before) - 1, -1, -1) if before[i] != after[i]) + 1
        yield start + at + low, before[low:high], after[low:high]


class SteppedDebuggee:
    """See the module.

    Args:
        program: an executable linked at fixed addresses.
        slow: seconds a step takes.
    """

    arch = "x86_64"

    def __init__(self, program: Path, slow: float = 0) -> None:
        self.program, self.slow = program, slow
        self._interrupted = threading.Event()
        self._breakpoints: set[tuple[BreakpointKind, int, int]] = set()
        self._checkpoints: dict[int, int] = {}
        self.copies = 0
        self._general: list[bytes] = []
        self._floating: list[bytes] = []
        self._changes: list[list[Change]] = []
        self._events: list[int] = []
        self._at = 0
        self._signal, self._siginfo, self._status = 0, b"", 0
        tracee = _Tracee(program)
        try:
            self._pid = tracee.pid
            self._auxv = Path(f"/proc/{tracee.pid}/auxv").read_bytes()
            self._maps = tracee.maps()
            self._record(tracee)
        finally:
            tracee.end()

    def _record(self, tracee: _Tracee) -> None:
        memory = {(m.start, m.end): tracee.read(m.start, m.end - m.start) for m in self._maps if m.path != "[vvar]"}
        writable = [(m.start, m.end) for m in self._maps if "w" in m.permissions]
        while len(self._general) < _MOST_STEPS:
            general = tracee.registers()
            self._general.append(general)
            self._floating.append(tracee.fp_registers())
            if tracee.read(_word(general, _RIP), 2) == b"\x0f\x05":
                self._events.append(len(self._general) - 1)
            status = tracee.step()
            if not os.WIFSTOPPED(status):
                self._status = os.waitstatus_to_exitcode(status)
                break
            if os.WSTOPSIG(status) != signal.SIGTRAP:
                self._signal, self._siginfo = os.WSTOPSIG(status), tracee.siginfo()
                break
            changes: list[Change] = []
            stack = _word(tracee.registers(), _RSP)
            for region in writable:
                start, end = region
                if start <= stack < end:
                    start = max(start, (stack & -_PAGE) - 2 * _PAGE)
                now = tracee.read(start, end - start)
                known = memory[region]
                if now != known[start - region[0] :]:
                    changes += _differences(start, known[start - region[0] :], now)
                    memory[region] = known[: start - region[0]] + now
            self._changes.append(changes)
        self._memory = {region: bytearray(content) for region, content in memory.items()}
        self._at = len(self._changes)
        self._to(0)

    def _to(self, at: int) -> None:
        while self._at < at:
            for address, _, new in self._changes[self._at]:
                self._patch(address, new)
            self._at += 1
        while self._at > at:
            self._at -= 1
            for address, old, _ in self._changes[self._at]:
                self._patch(address, old)

    def _patch(self, address: int, data: bytes) -> None:
        for (start, end), content in self._memory.items():
            if start <= address < end:
                content[address - start : address - start + len(data)] = data

    @property
    def _last(self) -> int:
        return len(self._general) - 1

    @property
    def pid(self) -> int:
        return self._pid

    @property
    def threads(self) -> list[int]:
        return [self._pid]

    @property
    def current_thread(self) -> int:
        return self._pid

    @property
    def event(self) -> int:
        return sum(at < self._at for at in self._events)

    def thread_name(self, tid: int) -> str:
        return self.program.name

    def registers(self, tid: int) -> bytes:
        return self._general[self._at]

    def fp_registers(self, tid: int) -> bytes:
        return self._floating[self._at]

    def tls(self, tid: int) -> int:
        return _word(self._general[self._at], _FS_BASE)

    def siginfo(self, tid: int) -> bytes:
        return self._siginfo if self._at == self._last else b""

    def read_memory(self, address: int, length: int) -> bytes:
        for (start, end), content in self._memory.items():
            if start <= address < end:
                part = bytes(content[address - start : address - start + length])
                rest = length - len(part)
                return part + (self.read_memory(end, rest) if rest and len(part) == end - address else b"")
        return b""

    def maps(self) -> list[Mapping]:
        return self._maps

    def auxv(self) -> bytes:
        return self._auxv

    def exec_file(self) -> str:
        return str(self.program)

    def open_image(self, path: str) -> int | None:
        return os.open(path, os.O_RDONLY) if path in {m.path for m in self._maps if m.image} else None

    def add_breakpoint(self, kind: BreakpointKind, address: int, length: int) -> None:
        if kind in (BreakpointKind.READ, BreakpointKind.ACCESS):
            raise RetrogradeError("reads are not known here")
        self._breakpoints.add((kind, address, length))

    def remove_breakpoint(self, kind: BreakpointKind, address: int, length: int) -> None:
        self._breakpoints.discard((kind, address, length))

    def interrupt(self) -> None:
        self._interrupted.set()

    def _hit(self, written: list[Change]) -> Stop | None:
        pc = _word(self._general[self._at], _RIP)
        for kind, address, length in self._breakpoints:
            if kind is not BreakpointKind.WRITE:
                if address == pc:
                    return Stop(StopReason.BREAKPOINT, self._pid, kind=kind)
            elif any(start < address + length and address < start + len(old) for start, old, _ in written):
                return Stop(StopReason.WATCHPOINT, self._pid, address=address, kind=kind)
        return None

    def resume(self, direction: Direction = Direction.FORWARD) -> Stop:
        self._interrupted.clear()
        while True:
            stop = self.step(self._pid, direction)
            if stop.reason is not StopReason.STEP:
                return stop
            if self._interrupted.is_set():
                return Stop(StopReason.INTERRUPTED, self._pid)

    def step(self, tid: int, direction: Direction = Direction.FORWARD) -> Stop:
        time.sleep(self.slow)
        if direction is Direction.BACKWARD:
            if self._at == 0:
                return Stop(StopReason.HISTORY_BEGIN, tid)
            self._to(self._at - 1)
            return self._hit(self._changes[self._at]) or Stop(StopReason.STEP, tid)
        if self._at == self._last:
            if self._signal:
                return Stop(StopReason.EXITED, tid, signal=self._signal)
            return Stop(StopReason.EXITED, tid, status=self._status)
        self._to(self._at + 1)
        if self._at == self._last and self._signal:
            return Stop(StopReason.SIGNAL, tid, self._signal)
        return self._hit(self._changes[self._at - 1]) or Stop(StopReason.STEP, tid)

    def seek(self, event: int) -> Stop:
        if not 0 <= event < len(self._events):
            raise UsageError(f"there is no event {event}; the last one is {len(self._events) - 1}")
        self._to(self._events[event])
        return Stop(StopReason.EVENT, self._pid)

    def seek_end(self) -> Stop:
        self._to(self._last)
        return Stop(StopReason.SIGNAL if self._signal else StopReason.EVENT, self._pid, self._signal)

    def checkpoint(self) -> int:
        number = max(self._checkpoints, default=0) + 1
        self._checkpoints[number] = self._at
        return number

    def restore(self, checkpoint: int) -> Stop:
        self._to(self._checkpoints[checkpoint])
        return Stop(StopReason.EVENT, self._pid)

    def delete_checkpoint(self, checkpoint: int) -> None:
        del self._checkpoints[checkpoint]

    def events(self, filter_text: str = "") -> Iterator[str]:
        following = self.event
        span = re.fullmatch(r"evt\.num >= (\d+) and evt\.num <= (\d+)", filter_text)
        low, high = (int(span[1]), int(span[2])) if span else (0, len(self._events))
        for number, at in enumerate(self._events):
            if not low <= number <= high:
                continue
            line = f"{'>' if number == following else ' '} {number} syscall {_word(self._general[at], _RAX)}"
            if span or filter_text in line:
                yield line

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Scratch]:
        self.copies += 1
        tracee = _Tracee(self.program)
        try:
            for _ in range(self._at):
                tracee.step()
            tracee.set_registers(self._general[self._at])
            yield _Copy(tracee)
        finally:
            tracee.end()


class _Copy:
    """The program run once more."""

    def __init__(self, tracee: _Tracee) -> None:
        self._tracee = tracee
        self._breakpoints: dict[int, bytes] = {}
        self.registers = tracee.registers
        self.set_registers = tracee.set_registers
        self.fp_registers = tracee.fp_registers
        self.set_fp_registers = tracee.set_fp_registers

    def set_tls(self, value: int) -> None:
        pass  # fs_base is among the registers

    def read_memory(self, address: int, length: int) -> bytes:
        return self._tracee.read(address, length)

    def write_memory(self, address: int, data: bytes) -> None:
        self._tracee.write(address, data)

    def add_breakpoint(self, kind: BreakpointKind, address: int, length: int) -> None:
        if kind is not BreakpointKind.SOFTWARE:
            raise RetrogradeError("only software breakpoints in copies")
        self._breakpoints[address] = b""

    def remove_breakpoint(self, kind: BreakpointKind, address: int, length: int) -> None:
        self._breakpoints.pop(address, None)

    def resume(self, step: bool = False) -> Stop:
        tracee = self._tracee
        for address in self._breakpoints:
            self._breakpoints[address] = tracee.read(address, 1)
            tracee.write(address, b"\xcc")
        _ptrace(_SINGLESTEP if step else _CONT, tracee.pid)
        status = tracee.wait()
        if not os.WIFSTOPPED(status):
            return Stop(StopReason.EXITED, tracee.pid)
        for address, under in self._breakpoints.items():
            tracee.write(address, under)
        if os.WSTOPSIG(status) != signal.SIGTRAP:
            return Stop(StopReason.SIGNAL, tracee.pid, os.WSTOPSIG(status))
        general = bytearray(tracee.registers())
        pc = _word(general, _RIP)
        if not step and pc - 1 in self._breakpoints:
            struct.pack_into("<Q", general, 8 * _RIP, pc - 1)
            tracee.set_registers(bytes(general))
            return Stop(StopReason.BREAKPOINT, tracee.pid, kind=BreakpointKind.SOFTWARE)
        return Stop(StopReason.STEP, tracee.pid)
