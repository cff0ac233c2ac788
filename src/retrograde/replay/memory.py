"""A process's memory at one moment of a replay."""

from __future__ import annotations

from collections.abc import Callable

from retrograde.errors import NotFoundError, UsageError

_MOST = 1 << 30
_CHUNK = 256


class Memory:
    """Memory, for reading: `memory[a:b]` is bytes, `memory[a]` is one byte's value.

    Args:
        read: returns memory, up to the first byte that can't be read.
    """

    __slots__ = ("_read",)

    def __init__(self, read: Callable[[int, int], bytes]) -> None:
        self._read = read

    def __getitem__(self, place: int | slice) -> bytes | int:
        if isinstance(place, slice):
            if place.step not in (None, 1) or place.start is None or place.stop is None:
                raise UsageError("memory is taken from an address to an address: r.memory[a:b]")
            return self.read(place.start, place.stop - place.start)
        return self.read(place, 1)[0]

    def read(self, address: int, length: int) -> bytes:
        """Return memory.

        Raises:
            NotFoundError: not all of it is there.
            UsageError: no such length can be read.
        """
        if not 0 <= length <= _MOST or not 0 <= address < 1 << 64:
            raise UsageError(f"{length} bytes of memory at {address:#x} can't be read")
        data = self._read(address, length)
        if len(data) < length:
            raise NotFoundError(f"there is no memory at {address + len(data):#x} at this moment")
        return data

    def integer(self, address: int, size: int = 8, *, signed: bool = False) -> int:
        """Return a number of so many bytes."""
        return int.from_bytes(self.read(address, size), "little", signed=signed)

    def string(self, address: int, most: int = 4096) -> bytes:
        """Return the bytes before the next zero, so many at most."""
        found = b""
        while len(found) < most:
            length = min(_CHUNK - (address + len(found)) % _CHUNK, most - len(found))
            data = self._read(address + len(found), length)
            text, zero, _ = data.partition(b"\0")
            found += text
            if zero:
                return found
            if len(data) < length:
                raise NotFoundError(f"there is no memory at {address + len(found):#x} at this moment")
        return found
