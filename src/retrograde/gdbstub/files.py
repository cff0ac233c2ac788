"""Files that gdb reads (vFile): the recording's images and texts of /proc made here; nothing of this machine's.

Names come from the client and from the recorded program's memory. They are looked up, never opened: a file of the
recording is opened by :meth:`Debuggee.open_image`, which knows only what was recorded.
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Callable
from dataclasses import dataclass

from retrograde.gdbstub.linkmap import recorded_path
from retrograde.gdbstub.packets import PACKET_SIZE, PacketError, escape, from_hex, number
from retrograde.replay.debuggee import Debuggee, Mapping

_NO_ENTRY, _NO_FILE, _INVALID, _TOO_MANY, _READ_ONLY, _UNKNOWN = 2, 9, 22, 24, 30, 9999
_MOST_OPEN = 512
_READING = PACKET_SIZE // 2 - 32
_ACCESS_MODE = 3


@dataclass(frozen=True, slots=True)
class _Open:
    """An open file: a descriptor of the recording's, or a text."""

    descriptor: int | None
    text: bytes = b""

    @property
    def size(self) -> int:
        return len(self.text) if self.descriptor is None else os.fstat(self.descriptor).st_size

    def read(self, count: int, offset: int) -> bytes:
        if self.descriptor is None:
            return self.text[offset : offset + count]
        return os.pread(self.descriptor, count, offset)

    def close(self) -> None:
        if self.descriptor is not None:
            os.close(self.descriptor)


def maps_text(mappings: list[Mapping]) -> bytes:
    """Return a memory map as /proc/PID/maps has it."""
    lines = []
    for mapping in mappings:
        inode = 1 if mapping.path.startswith("/") else 0
        head = f"{mapping.start:08x}-{mapping.end:08x} {mapping.permissions} {mapping.offset:08x} 00:00 {inode}"
        path = mapping.path.replace("\n", "\\012")
        lines.append(f"{head.ljust(72)} {path}".rstrip() + "\n")
    return "".join(lines).encode("utf-8", "surrogateescape")


class Files:
    """The client's open files."""

    def __init__(self, debuggee: Debuggee) -> None:
        self._debuggee = debuggee
        self._open: dict[int, _Open] = {}
        self._next = 3

    def close(self) -> None:
        """Close all."""
        for file in self._open.values():
            file.close()
        self._open.clear()

    def answer(self, operation: bytes, arguments: bytes) -> bytes | None:
        """Answer `vFile:OPERATION:ARGUMENTS`; None where there is no such operation.

        Raises:
            PacketError: the arguments are wrong.
        """
        operations: dict[bytes, tuple[Callable[..., bytes], int]] = {
            b"open": (self._open_file, 3),
            b"pread": (self._read, 3),
            b"fstat": (self._stat, 1),
            b"close": (self._close_file, 1),
            b"readlink": (self._read_link, 1),
            b"setfs": (self._set_file_system, 1),
            b"pwrite": (lambda *_: _failure(_READ_ONLY), 0),
            b"unlink": (lambda *_: _failure(_READ_ONLY), 0),
        }
        if operation not in operations:
            return None
        function, count = operations[operation]
        if count == 0:
            return function()
        parts = arguments.split(b",")
        if len(parts) != count:
            raise PacketError(f"vFile:{operation.decode('ascii', 'replace')} has {len(parts)} arguments")
        return function(*parts)

    def _open_file(self, name: bytes, flags: bytes, _mode: bytes) -> bytes:
        path = os.fsdecode(from_hex(name))
        if number(flags) & _ACCESS_MODE != os.O_RDONLY:
            return _failure(_READ_ONLY)
        if len(self._open) >= _MOST_OPEN:
            return _failure(_TOO_MANY)
        file = self._look_up(path)
        if file is None:
            return _failure(_NO_ENTRY)
        handle, self._next = self._next, self._next + 1
        self._open[handle] = file
        return b"F%x" % handle

    def _look_up(self, path: str) -> _Open | None:
        if "\0" in path or not path.startswith("/"):
            return None
        if path.startswith("/proc/"):
            return self._proc(path)
        descriptor = self._debuggee.open_image(path)
        if descriptor is None:
            recorded = recorded_path(self._debuggee, path)
            descriptor = None if recorded is None else self._debuggee.open_image(recorded)
        if descriptor is None:
            return None
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            return None
        return _Open(descriptor)

    def _proc(self, path: str) -> _Open | None:
        """Make the texts that `info proc` and `generate-core-file` read."""
        debuggee = self._debuggee
        process = f"/proc/{debuggee.pid}"
        tasks = {f"{process}/task/{tid}" for tid in debuggee.threads}
        folder, _, name = path.rpartition("/")
        if folder != process and folder not in tasks:
            return None
        if name == "maps":
            return _Open(None, maps_text(debuggee.maps()))
        if name == "comm":
            tid = int(folder.rpartition("/")[2])
            return _Open(None, debuggee.thread_name(tid).encode("utf-8", "surrogateescape") + b"\n")
        return None

    def _file(self, handle: bytes) -> _Open | None:
        return self._open.get(number(handle))

    def _read(self, handle: bytes, count: bytes, offset: bytes) -> bytes:
        file = self._file(handle)
        if file is None:
            return _failure(_NO_FILE)
        at = number(offset)
        if at >= 1 << 63:
            return _failure(_INVALID)
        try:
            data = file.read(min(number(count), _READING), at)
        except OSError:
            return _failure(_UNKNOWN)
        return b"F%x;%b" % (len(data), escape(data))

    def _stat(self, handle: bytes) -> bytes:
        file = self._file(handle)
        if file is None:
            return _failure(_NO_FILE)
        size = file.size
        mode = stat.S_IFREG | 0o444
        # struct fio_stat of the protocol: device, inode, mode, links, owner, group, device, size, blocks, times.
        data = struct.pack(">7I3Q3I", 0, number(handle) & 0xFFFFFFFF, mode, 1, 0, 0, 0, size, 4096,
                           (size + 511) // 512, 0, 0, 0)  # fmt: skip
        return b"F%x;%b" % (len(data), escape(data))

    def _close_file(self, handle: bytes) -> bytes:
        file = self._open.pop(number(handle), None)
        if file is None:
            return _failure(_NO_FILE)
        file.close()
        return b"F0"

    def _read_link(self, name: bytes) -> bytes:
        path = os.fsdecode(from_hex(name))
        if path == f"/proc/{self._debuggee.pid}/exe":
            target = os.fsencode(self._debuggee.exec_file())
            return b"F%x;%b" % (len(target), escape(target))
        return _failure(_NO_ENTRY)

    def _set_file_system(self, _process: bytes) -> bytes:
        return b"F0"


def _failure(code: int) -> bytes:
    return b"F-1,%x" % code
