"""The symbols of an ELF file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from retrograde.errors import FormatError
from retrograde.replay.bounded_bytes import WORD

if TYPE_CHECKING:
    from retrograde.replay.elf_image import ElfImage

_ENTRY = np.dtype(
    [("name", "<u4"), ("info", "u1"), ("other", "u1"), ("section", "<u2"), ("value", "<u8"), ("size", "<u8")]
)
_NO_TYPE, _OBJECT, _FUNCTION, _INDIRECT = 0, 1, 2, 10
_LOCAL, _GLOBAL = 0, 1
_ABSOLUTE = 0xFFF1
_LONGEST_NAME = 4096
_LARGEST = 256 << 20
_MOST_OF_A_NAME = 1 << 16


@dataclass(frozen=True, slots=True)
class Symbol:
    """A symbol.

    Attributes:
        name: as it is in the file.
        address: in the file.
        size: bytes; 0 where the file does not say.
    """

    name: str
    address: int
    size: int


class Symbols:
    """The symbols that are defined in an ELF file: those of .symtab, else those of .dynsym.

    Args:
        image: the file.

    Raises:
        FormatError: it contradicts itself.
    """

    def __init__(self, image: ElfImage) -> None:
        self._image = image
        table, names = image.section(".symtab"), image.section(".strtab")
        if not table or names is None:
            table, names = image.section(".dynsym"), image.section(".dynstr")
        self._names = names or b""
        if len(table or b"") > _LARGEST:
            raise FormatError(f"{image.name}: {len(table or b'')} bytes of symbols are too many")
        entries = np.frombuffer(table or b"", _ENTRY, len(table or b"") // _ENTRY.itemsize)
        kind = entries["info"] & 15
        known = (entries["section"] != 0) & (entries["section"] != _ABSOLUTE) & (entries["name"] != 0)
        entries = entries[known & np.isin(kind, (_NO_TYPE, _OBJECT, _FUNCTION, _INDIRECT))]
        # In order of address; of those at one address the best comes last: a function, with a size, that others see.
        kind = entries["info"] & 15
        better = (
            np.isin(kind, (_FUNCTION, _INDIRECT)) * 4 + (entries["size"] > 0) * 2 + (entries["info"] >> 4 != _LOCAL)
        )
        self._entries: NDArray[Any] = entries[np.lexsort((better, entries["value"]))]

    def __len__(self) -> int:
        return len(self._entries)

    def _name(self, offset: int) -> str:
        end = self._names.find(b"\0", offset, offset + _LONGEST_NAME)
        return self._names[offset : end if end >= 0 else offset].decode("utf-8", "replace")

    def at(self, address: int) -> Symbol | None:
        """Return the symbol that an address of the file belongs to."""
        address &= WORD
        last = int(np.searchsorted(self._entries["value"], np.uint64(address), "right")) - 1
        code = self._image.is_code(address)
        for at in range(last, max(last - 16, -1), -1):
            entry = self._entries[at]
            value, size = int(entry["value"]), int(entry["size"])
            name = self._name(int(entry["name"]))
            if not name or name.startswith(("$", ".L")):  # $x, $d: arm64's marks of code and data
                continue
            # What is written in assembly often has no size: it lasts to the next one.
            if address < value + size or (
                size == 0 and code and address < self._image.section_end(int(entry["section"]))
            ):
                return Symbol(name, value, size)
        return None

    def named(self, name: str) -> list[Symbol]:
        """Return the symbols of a name, those that others see first.

        Raises:
            FormatError: there are more than any program has.
        """
        wanted = name.encode("utf-8", "surrogateescape")
        if not wanted or b"\0" in wanted:
            return []
        offsets: list[int] = []
        at = self._names.find(wanted + b"\0")
        while at >= 0:
            if len(offsets) >= _MOST_OF_A_NAME:
                raise FormatError(f"{self._image.name} has too many symbols of one name")
            offsets.append(at)  # a name may be the end of another one
            at = self._names.find(wanted + b"\0", at + 1)
        found = self._entries[np.isin(self._entries["name"], np.array(offsets, np.uint32))]
        order = np.argsort(found["info"] >> 4 == _LOCAL, kind="stable")
        return [Symbol(name, int(entry["value"]), int(entry["size"])) for entry in found[order]]

    def functions_like(self, name: str, most: int = 3) -> list[str]:
        """Return names of functions that are nearly that one."""
        import difflib

        functions = self._entries[np.isin(self._entries["info"] & 15, (_FUNCTION, _OBJECT))][:20000]
        names = {self._name(int(offset)) for offset in functions["name"]}
        return difflib.get_close_matches(name, names, most)
