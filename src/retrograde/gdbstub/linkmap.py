"""The names by which a program knew its shared libraries, and the recorded files that they were.

gdb asks for a library by the name that the dynamic linker has (`/lib/x86_64-linux-gnu/libc.so.6`); a recording has
files by the path that the kernel says (`/usr/lib/x86_64-linux-gnu/libc.so.6`), and links between the two were not
recorded. Memory tells: the linker's list of libraries has a name and an address in the library, and the memory map
has the path of what is mapped there.

The memory is untrusted: all walks are bounded, and the result is but a path to ask the recording for.
Source: glibc's elf/link.h (r_debug, link_map); the gABI (program headers, dynamic section).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from retrograde.replay.debuggee import Debuggee, Mapping

_AT_PHDR, _AT_PHNUM, _AT_BASE = 3, 5, 7
_PT_DYNAMIC, _PT_INTERP, _PT_PHDR = 2, 3, 6
_DT_NULL, _DT_DEBUG = 0, 21
_MOST_HEADERS, _MOST_ENTRIES, _MOST_LIBRARIES, _LONGEST_NAME = 256, 512, 4096, 4096
_MASK = (1 << 64) - 1


class _Memory:
    """Reads words, zero where there are none."""

    def __init__(self, debuggee: Debuggee) -> None:
        self._debuggee = debuggee

    def words(self, address: int, count: int) -> tuple[int, ...]:
        data = self._debuggee.read_memory(address & _MASK, 8 * count).ljust(8 * count, b"\0")
        return struct.unpack(f"<{count}Q", data)

    def name(self, address: int) -> str:
        data = self._debuggee.read_memory(address, _LONGEST_NAME)
        return data.partition(b"\0")[0].decode("utf-8", "surrogateescape")


def _auxiliary(auxv: bytes) -> dict[int, int]:
    return dict(struct.iter_unpack("<2Q", auxv[: len(auxv) // 16 * 16]))


def _headers(memory: _Memory, auxv: dict[int, int]) -> Iterator[tuple[int, int]]:
    """Yield types and addresses of the program's segments."""
    table = auxv.get(_AT_PHDR, 0)
    count = min(auxv.get(_AT_PHNUM, 0), _MOST_HEADERS)
    headers = [memory.words(table + 56 * at, 3) for at in range(count)] if table else []
    bias = next((table - address for kind, _, address in headers if kind & 0xFFFFFFFF == _PT_PHDR), 0)
    for kind, _, address in headers:
        yield kind & 0xFFFFFFFF, address + bias & _MASK


def _link_map(memory: _Memory, dynamic: int) -> int:
    """Return the address of the linker's list."""
    for at in range(_MOST_ENTRIES):
        tag, value = memory.words(dynamic + 16 * at, 2)
        if tag == _DT_DEBUG:
            return memory.words(value, 2)[1] if value else 0
        if tag == _DT_NULL:
            break
    return 0


def _known_at(debuggee: Debuggee) -> Iterator[tuple[str, int]]:
    """Yield names and an address in each file."""
    memory = _Memory(debuggee)
    auxv = _auxiliary(debuggee.auxv())
    segments = dict(_headers(memory, auxv))
    if _PT_INTERP in segments and auxv.get(_AT_BASE):
        yield memory.name(segments[_PT_INTERP]), auxv[_AT_BASE]
    entry = _link_map(memory, segments[_PT_DYNAMIC]) if _PT_DYNAMIC in segments else 0
    seen: set[int] = set()
    while entry and entry not in seen and len(seen) < _MOST_LIBRARIES:
        seen.add(entry)
        _, name, dynamic, following = memory.words(entry, 4)
        if name:
            yield memory.name(name), dynamic
        entry = following


def recorded_path(debuggee: Debuggee, name: str) -> str | None:
    """Return the path that the kernel said of a library that the program knew as `name`; None where it knew none."""
    for known, address in _known_at(debuggee):
        if known == name:
            return _path_at(debuggee.maps(), address)
    return None


def _path_at(mappings: list[Mapping], address: int) -> str | None:
    for mapping in mappings:
        if mapping.start <= address < mapping.end and mapping.path.startswith("/"):
            return mapping.path
    return None
