"""Debuggees that stand still: among them a process's core dump, with the files it maps."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from retrograde.errors import UsageError
from retrograde.replay.debuggee import BreakpointKind, Direction, Mapping, Scratch, Stop, StopReason

_PT_LOAD, _PT_NOTE = 1, 4
_PRSTATUS, _AUXV, _SIGINFO, _FILES, _XSTATE, _PRFPREG = 1, 6, 0x53494749, 0x46494C45, 0x202, 2
_FS_BASE = 21 * 8
_ARCHES = {62: "x86_64", 183: "arm64"}


def _notes(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 12 <= len(data):
        name_size, size, kind = struct.unpack_from("<3I", data, at)
        start = at + 12 + (name_size + 3 & ~3)
        yield kind, data[start : start + size]
        at = start + (size + 3 & ~3)


class StillDebuggee:
    """Serves a process that neither runs nor can be called into. Only the files that it maps can be opened.

    Args:
        arch: `x86_64` or `arm64`.
        program: its path.
        registers: NT_PRSTATUS by tid.
        floating: NT_X86_XSTATE or NT_PRFPREG by tid.
        segments: memory: address, content, permissions.
    """

    event = 7

    def __init__(
        self,
        arch: str,
        program: str,
        registers: dict[int, bytes],
        floating: dict[int, bytes],
        segments: list[tuple[int, bytes, str]],
    ) -> None:
        self.arch, self._program = arch, program
        self._registers, self._floating, self._segments = registers, floating, segments
        self._siginfo: dict[int, bytes] = {}
        self._auxv = b""
        self._files: list[tuple[int, int, int, str]] = []
        self.opened: list[str] = []

    @property
    def pid(self) -> int:
        return min(self._registers)

    @property
    def threads(self) -> list[int]:
        return sorted(self._registers)

    @property
    def current_thread(self) -> int:
        return next(iter(self._registers))

    def thread_name(self, tid: int) -> str:
        return f"thread <{tid - self.pid}>"

    def registers(self, tid: int) -> bytes:
        return self._registers[tid]

    def fp_registers(self, tid: int) -> bytes:
        return self._floating.get(tid, b"")

    def tls(self, tid: int) -> int:
        return int(struct.unpack_from("<Q", self._registers[tid], _FS_BASE)[0]) if self.arch == "x86_64" else 0x7770

    def siginfo(self, tid: int) -> bytes:
        return self._siginfo.get(tid, b"")

    def read_memory(self, address: int, length: int) -> bytes:
        result = b""
        while len(result) < length:
            part = self._read_part(address + len(result), length - len(result))
            if not part:
                break
            result += part
        return result

    def _read_part(self, address: int, length: int) -> bytes:
        for start, content, _ in self._segments:
            if start <= address < start + len(content):
                return content[address - start : address - start + length]
        for start, end, offset, path in self._files:
            if start <= address < end:
                with open(path, "rb") as file:
                    file.seek(offset + address - start)
                    return file.read(min(length, end - address))
        return b""

    def maps(self) -> list[Mapping]:
        files = [Mapping(start, end, "r-xp", offset, path, path) for start, end, offset, path in self._files]
        named = {mapping.start for mapping in files}
        plain = [
            Mapping(start, start + len(content), permissions, 0, "", None)
            for start, content, permissions in self._segments
            if start not in named
        ]
        return sorted(files + plain, key=lambda mapping: mapping.start)

    def auxv(self) -> bytes:
        return self._auxv

    def exec_file(self) -> str:
        return self._program

    def open_image(self, path: str) -> int | None:
        self.opened.append(path)
        if path not in {self._program, *(name for _, _, _, name in self._files)}:
            return None
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def add_breakpoint(self, kind: BreakpointKind, address: int, length: int) -> None:
        pass

    def remove_breakpoint(self, kind: BreakpointKind, address: int, length: int) -> None:
        pass

    def resume(self, direction: Direction = Direction.FORWARD) -> Stop:
        forward = direction is Direction.FORWARD
        return Stop(StopReason.HISTORY_END if forward else StopReason.HISTORY_BEGIN, self.current_thread)

    def step(self, tid: int, direction: Direction = Direction.FORWARD) -> Stop:
        return self.resume(direction)

    def interrupt(self) -> None:
        pass

    def seek(self, event: int) -> Stop:
        if event != self.event:
            raise UsageError(f"there is no event {event}")
        return Stop(StopReason.EVENT, self.current_thread)

    def seek_end(self) -> Stop:
        return Stop(StopReason.EVENT, self.current_thread)

    def checkpoint(self) -> int:
        return 1

    def restore(self, checkpoint: int) -> Stop:
        return self.seek_end()

    def delete_checkpoint(self, checkpoint: int) -> None:
        pass

    def scratch(self) -> AbstractContextManager[Scratch]:
        raise UsageError("there is no process to copy")

    def events(self, filter_text: str = "") -> Iterator[str]:
        yield f"> {self.event} there is but one event"


class CoreDebuggee(StillDebuggee):
    """Serves a core dump, made by gdb's `generate-core-file`.

    Args:
        core: the dump.
        program: the path of the program.
    """

    def __init__(self, core: Path, program: Path) -> None:
        data = core.read_bytes()
        super().__init__(_ARCHES[struct.unpack_from("<H", data, 18)[0]], str(program), {}, {}, [])
        table, size, count = struct.unpack_from("<Q", data, 32)[0], *struct.unpack_from("<2H", data, 54)
        for index in range(count):
            kind, flags, offset, address, _, in_file, _, _ = struct.unpack_from("<2I6Q", data, table + size * index)
            content = data[offset : offset + in_file]
            if kind == _PT_NOTE:
                self._read_notes(content)
            elif kind == _PT_LOAD and content:
                permissions = "".join(letter if flags & bit else "-" for letter, bit in (("r", 4), ("w", 2), ("x", 1)))
                self._segments.append((address, content, permissions + "p"))

    def _read_notes(self, data: bytes) -> None:
        tid = 0
        for kind, content in _notes(data):
            if kind == _PRSTATUS:
                tid = struct.unpack_from("<i", content, 32)[0]
                words = 27 if self.arch == "x86_64" else 34
                self._registers[tid] = content[112 : 112 + 8 * words]
            elif kind == (_XSTATE if self.arch == "x86_64" else _PRFPREG):
                self._floating[tid] = content
            elif kind == _SIGINFO:
                self._siginfo[tid] = content
            elif kind == _AUXV:
                self._auxv = content
            elif kind == _FILES:
                self._read_files(content)

    def _read_files(self, data: bytes) -> None:
        count, page = struct.unpack_from("<2Q", data)
        names = data[16 + 24 * count :].split(b"\0")
        for index in range(count):
            start, end, offset = struct.unpack_from("<3Q", data, 16 + 24 * index)
            self._files.append((start, end, offset * page, os.fsdecode(names[index])))
