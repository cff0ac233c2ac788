"""Source lines of an ELF file: .debug_line, versions 2 to 5 of DWARF."""

from __future__ import annotations

import posixpath
from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from retrograde.errors import FormatError
from retrograde.replay.bounded_bytes import WORD, Bytes

if TYPE_CHECKING:
    from retrograde.replay.elf_image import ElfImage

# Pure Python reads some 2 MB of it in a second.
_LARGEST = 32 << 20
_MOST_FILES = 1 << 16
_MOST_OF_NAMES = 64 << 20
_PATH, _DIRECTORY_INDEX = 1, 2  # DW_LNCT
_END_OF_SEQUENCE = -1


class _Rows:
    """The rows of line programs, packed."""

    def __init__(self) -> None:
        self.addresses = array("Q")
        self.files = array("i")
        self.lines = array("i")

    def __len__(self) -> int:
        return len(self.addresses)

    def add(self, address: int, file: int, line: int) -> None:
        """Append a row."""
        self.addresses.append(address & WORD)
        self.files.append(file)
        self.lines.append(line if _END_OF_SEQUENCE <= line < 1 << 31 else 0)

    def cut(self, length: int) -> None:
        """Keep the first rows alone."""
        for column in (self.addresses, self.files, self.lines):
            del column[length:]


@dataclass(slots=True)
class _Unit:
    """The header of one line program."""

    version: int
    minimum: int
    line_base: int
    line_range: int
    opcode_base: int
    operands: bytes
    begin: int
    end: int
    files: list[str] = field(default_factory=list)


class SourceLines:
    """Where the code of an ELF file comes from. What is damaged is left out.

    Args:
        image: the file.
    """

    def __init__(self, image: ElfImage) -> None:
        self._data = image.section(".debug_line") or b""
        self._line_names = image.section(".debug_line_str") or b""
        self._names = image.section(".debug_str") or b""
        self.files: list[str] = []
        self._by_name: dict[str, int] = {}
        self._length_of_names = 0
        rows = _Rows()
        if len(self._data) > _LARGEST:
            raise FormatError(f"{image.name}: {len(self._data)} bytes of .debug_line are too many")
        at = 0
        while at < len(self._data):
            unit_end = self._end_of_unit(at)
            sound = len(rows)
            try:
                self._run(self._header(at, unit_end), rows)
            except FormatError:
                rows.cut(sound)
            at = unit_end
        self._make(rows)

    def _make(self, rows: _Rows) -> None:
        addresses = np.array(rows.addresses, np.uint64)
        lines = np.array(rows.lines, np.int32)
        # At one address, the end of a sequence comes before what begins there, and the last row counts.
        order = np.lexsort((np.arange(len(rows)), lines != _END_OF_SEQUENCE, addresses))
        self._addresses: NDArray[np.uint64] = addresses[order]
        self._file: NDArray[Any] = np.array(rows.files, np.int32)[order]
        self._line: NDArray[Any] = lines[order]

    def at(self, address: int) -> tuple[str, int] | None:
        """Return the file and the line of an address of the file."""
        row = int(np.searchsorted(self._addresses, np.uint64(address & WORD), "right")) - 1
        # Line 0 is code of no line: what the compiler added.
        if row < 0 or self._line[row] <= 0:
            return None
        return self.files[self._file[row]], int(self._line[row])

    def addresses(self, file: str, line: int) -> list[int]:
        """Return where the code of a line begins: the least address of each run of it."""
        wanted = [at for at, name in enumerate(self.files) if name == file or name.endswith(f"/{file}")]
        there = np.isin(self._file, wanted) & (self._line == line)
        begins = there & ~np.concatenate(([False], there[:-1]))
        return [int(address) for address in self._addresses[begins]]

    # ---- headers ----

    def _end_of_unit(self, at: int) -> int:
        data = Bytes(self._data, at)
        try:
            length = data.number(4)
            if length == 0xFFFFFFFF:
                length = data.number(8)
        except FormatError:
            return len(self._data)
        return min(data.at + length, len(self._data))

    def _header(self, at: int, end: int) -> _Unit:
        data = Bytes(self._data, at, end)
        wide = data.number(4) == 0xFFFFFFFF
        offset_size = 8 if wide else 4
        if wide:
            data.take(8)
        version = data.number(2)
        if not 2 <= version <= 5:
            raise FormatError(f"version {version} of line programs is not known")
        if version >= 5 and (data.byte() != 8 or data.byte() != 0):
            raise FormatError("a line program of other addresses")
        header_length = data.number(offset_size)
        begin = data.at + header_length
        minimum = data.byte()
        if version >= 4:
            data.byte()
        data.byte()  # is_stmt by default
        line_base, line_range, opcode_base = data.number(1, signed=True), data.byte(), data.byte()
        if line_range == 0 or opcode_base == 0:
            raise FormatError("a line program without a range")
        unit = _Unit(
            version, minimum, line_base, line_range, opcode_base, data.take(opcode_base - 1), begin, end
        )  # fmt: skip
        if version >= 5:
            directories = [name for name, _ in self._entries(data, offset_size)]
            unit.files = [_joined(directories, index, name) for name, index in self._entries(data, offset_size)]
        else:
            directories = [""]
            while name := data.text():
                directories.append(name)
            unit.files = [""]
            while name := data.text():
                unit.files.append(_joined(directories, data.uleb(), name))
                data.uleb()
                data.uleb()
        return unit

    def _entries(self, data: Bytes, offset_size: int) -> list[tuple[str, int]]:
        formats = [(data.uleb(), data.uleb()) for _ in range(data.byte())]
        count = data.uleb()
        if count > _MOST_FILES or (count and not formats):
            raise FormatError(f"{count} names in a line program")
        found = []
        for _ in range(count):
            name, index = "", 0
            for content, form in formats:
                value = self._value(data, form, offset_size)
                if content == _PATH and isinstance(value, str):
                    name = value
                elif content == _DIRECTORY_INDEX and isinstance(value, int):
                    index = value
            found.append((name, index))
        return found

    def _value(self, data: Bytes, form: int, offset_size: int) -> str | int | bytes:  # noqa: PLR0911 - one return a form
        match form:
            case 0x08:  # string
                return data.text()
            case 0x1F:  # line_strp
                return Bytes(self._line_names, data.number(offset_size)).text()
            case 0x0E:  # strp
                return Bytes(self._names, data.number(offset_size)).text()
            case 0x0B:  # data1
                return data.byte()
            case 0x05 | 0x06 | 0x07:  # data2, data4, data8
                return data.number({5: 2, 6: 4, 7: 8}[form])
            case 0x0F:  # udata
                return data.uleb()
            case 0x1E:  # data16: MD5
                return data.take(16)
            case 0x09:  # block
                return data.take(data.uleb())
        raise FormatError(f"the form {form:#x} is not known in a line program")

    def _file_number(self, unit: _Unit, index: int) -> int:
        name = unit.files[index] if 0 <= index < len(unit.files) else "?"
        if name not in self._by_name:
            self._length_of_names += len(name)
            if self._length_of_names > _MOST_OF_NAMES:
                raise FormatError(f"the names of source files are {self._length_of_names} letters long")
            self._by_name[name] = len(self.files)
            self.files.append(name)
        return self._by_name[name]

    # ---- programs ----

    def _run(self, unit: _Unit, rows: _Rows) -> None:  # noqa: PLR0912
        data = Bytes(self._data, unit.begin, unit.end)
        base, line_base, line_range, minimum = unit.opcode_base, unit.line_base, unit.line_range, unit.minimum
        numbers: dict[int, int] = {}

        def file_of(index: int) -> int:
            if index not in numbers:
                numbers[index] = self._file_number(unit, index)
            return numbers[index]

        address, line, file, begin = 0, 1, 1, len(rows)
        while data.at < data.end:
            opcode = data.byte()
            if opcode >= base:
                opcode -= base
                address += opcode // line_range * minimum
                line += line_base + opcode % line_range
                rows.add(address, file_of(file), line)
            elif opcode == 0:
                length = data.uleb()
                after = data.at + length
                kind = data.byte() if length else 0
                if kind == 1:
                    rows.add(address, 0, _END_OF_SEQUENCE)
                    if rows.addresses[begin] == 0:  # code that the linker has left out
                        rows.cut(begin)
                    address, line, file, begin = 0, 1, 1, len(rows)
                elif kind == 2:
                    address = data.number(min(length - 1, 8))
                data.take(after - data.at)
            elif opcode == 1:
                rows.add(address, file_of(file), line)
            elif opcode == 2:
                address += data.uleb() * minimum
            elif opcode == 3:
                line += data.sleb()
            elif opcode == 4:
                file = data.uleb()
            elif opcode == 8:
                address += (255 - base) // line_range * minimum
            elif opcode == 9:
                address += data.number(2)
            else:
                for _ in range(unit.operands[opcode - 1]):
                    data.uleb()
        rows.cut(begin)  # a sequence without an end


def _joined(directories: list[str], index: int, name: str) -> str:
    directory = directories[index] if 0 <= index < len(directories) else ""
    return posixpath.normpath(posixpath.join(directory, name)) if name else "?"
