"""Reading numbers from bytes that may say anything: whatever does not fit is a FormatError."""

from __future__ import annotations

from retrograde.errors import FormatError

# DW_EH_PE: how a pointer in .eh_frame and .eh_frame_hdr is stored, and what it is relative to.
OMITTED = 0xFF
_INDIRECT, _RELATIVE, _FORM = 0x80, 0x70, 0x0F
_PC_RELATIVE, _DATA_RELATIVE = 0x10, 0x30
_SIZES = {0x00: (8, False), 0x02: (2, False), 0x03: (4, False), 0x04: (8, False),
          0x0A: (2, True), 0x0B: (4, True), 0x0C: (8, True)}  # fmt: skip
WORD = (1 << 64) - 1
_LONGEST_TEXT = 4096


class Bytes:
    """A place in bytes, which moves on as numbers are read.

    Args:
        data: the bytes, of a little-endian machine.
        at: the place.
        end: behind the last byte that may be read; the end of the bytes where None.
    """

    __slots__ = ("at", "data", "end")

    def __init__(self, data: bytes, at: int = 0, end: int | None = None) -> None:
        self.data = data
        self.at = at
        self.end = len(data) if end is None else min(end, len(data))

    @property
    def left(self) -> int:
        """Bytes up to the end."""
        return self.end - self.at

    def take(self, length: int) -> bytes:
        """Return the next bytes."""
        if not 0 <= length <= self.end - self.at or self.at < 0:
            raise FormatError(f"{length} bytes are not there at offset {self.at:#x}")
        taken = self.data[self.at : self.at + length]
        self.at += length
        return taken

    def number(self, size: int, *, signed: bool = False) -> int:
        """Return a number of so many bytes."""
        return int.from_bytes(self.take(size), "little", signed=signed)

    def byte(self) -> int:
        """Return the next byte."""
        at = self.at
        if not 0 <= at < self.end:
            raise FormatError(f"a byte is not there at offset {at:#x}")
        self.at = at + 1
        return self.data[at]

    def uleb(self) -> int:
        """Return an unsigned LEB128 of at most 64 bits."""
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value & WORD
            shift += 7
            if shift > 140:
                raise FormatError(f"a number does not end at offset {self.at:#x}")

    def sleb(self) -> int:
        """Return a signed LEB128 of at most 64 bits."""
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
            if shift > 140:
                raise FormatError(f"a number does not end at offset {self.at:#x}")
        if byte & 0x40:
            value -= 1 << shift
        return (value + (1 << 63) & WORD) - (1 << 63)

    def text(self) -> str:
        """Return a string that ends with a zero, as long as a path may be."""
        end = self.data.find(b"\0", self.at, min(self.end, self.at + _LONGEST_TEXT))
        if end < 0:
            raise FormatError(f"a string does not end at offset {self.at:#x}")
        taken = self.data[self.at : end]
        self.at = end + 1
        return taken.decode("utf-8", "replace")

    def pointer(self, encoding: int, address: int, data_base: int = 0) -> int:
        """Return a pointer of .eh_frame or .eh_frame_hdr.

        Args:
            encoding: DW_EH_PE.
            address: of offset 0 of the bytes.
            data_base: what is relative to data is relative to.
        """
        if encoding & _INDIRECT:
            raise FormatError("a pointer to a pointer is not supported here")
        base = {0: 0, _PC_RELATIVE: address + self.at, _DATA_RELATIVE: data_base}.get(encoding & _RELATIVE)
        form = encoding & _FORM
        if form == 0x01:
            value = self.uleb()
        elif form == 0x09:
            value = self.sleb()
        elif form in _SIZES:
            size, signed = _SIZES[form]
            value = self.number(size, signed=signed)
        else:
            base = None
        if base is None:
            raise FormatError(f"pointers of the encoding {encoding:#x} are not known")
        return base + value & WORD
