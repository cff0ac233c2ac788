"""Call frame information of an ELF file: how the caller's registers are found, at each instruction.

.eh_frame, found through the table of .eh_frame_hdr where there is one, and .debug_frame.
"""

from __future__ import annotations

import bisect
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from retrograde.errors import FormatError
from retrograde.replay.bounded_bytes import OMITTED, WORD, Bytes

if TYPE_CHECKING:
    from retrograde.replay.elf_image import ElfImage

_LONGEST_ENTRY = 1 << 20
_MOST_ENTRIES = 1 << 20
_MOST_STATES = 256
_MOST_REGISTERS = 512
_TABLE = 0x3B  # relative to data, four bytes, signed: what linkers write

Rule = tuple[Literal["undefined", "same", "offset", "value", "register", "expression", "value-expression"], int, bytes]
"""How a register of the caller is found: the kind, an offset from the CFA or a register, an expression."""


@dataclass(slots=True)
class Row:
    """What holds at one instruction.

    Attributes:
        cfa: the register and the offset that make the canonical frame address; or an expression.
        rules: by register.
        signal: whether the caller was interrupted by a signal, and did not call.
        return_register: which register is the return address.
        signed_return: whether the return address is signed (arm64's pointer authentication).
    """

    cfa: tuple[int, int] | bytes
    rules: Mapping[int, Rule]
    signal: bool
    return_register: int
    signed_return: bool = False


@dataclass(frozen=True, slots=True)
class _Common:
    """A CIE."""

    code_alignment: int
    data_alignment: int
    return_register: int
    encoding: int
    augmented: bool
    signal: bool
    program: bytes


@dataclass(slots=True)
class _Entry:
    """An FDE."""

    begin: int
    end: int
    common: _Common
    program: bytes


@dataclass(slots=True)
class _State:
    cfa: tuple[int, int] | bytes | None = None
    rules: dict[int, Rule] = field(default_factory=dict)
    signed_return: bool = False

    def copy(self) -> _State:
        """Return the same again."""
        return _State(self.cfa, dict(self.rules), self.signed_return)


class CallFrames:
    """The call frame information of an ELF file.

    Args:
        image: the file.
    """

    def __init__(self, image: ElfImage) -> None:
        self._image = image
        self._entries: dict[int, _Entry] = {}

    def row(self, address: int) -> Row | None:
        """Return what holds at an address of the file; None where nothing is known.

        Raises:
            FormatError: what is there contradicts itself.
        """
        entry = self._entry(address)
        return None if entry is None else _row(entry, address)

    def _entry(self, address: int) -> _Entry | None:
        found = self._by_header(address)
        if found is None:
            for name in (".eh_frame", ".debug_frame") if self._table is None else (".debug_frame",):
                begins, entries = self._section(name)
                at = bisect.bisect_right(begins, address) - 1
                if at >= 0 and address < entries[at].end:
                    return entries[at]
        return found

    # ---- through .eh_frame_hdr ----

    @cached_property
    def _table(self) -> NDArray[np.int32] | None:
        """The table of .eh_frame_hdr: where functions begin, and their entries, relative to it."""
        if self._image.frame_header is None:
            return None
        address, length = self._image.frame_header
        data = Bytes(self._image.at(address, min(length, 64 << 20)))
        try:
            version, encoding, count_encoding, table_encoding = data.take(4)
            if version != 1 or table_encoding != _TABLE or OMITTED in (encoding, count_encoding):
                return None
            data.pointer(encoding, address, address)
            count = data.pointer(count_encoding, address, address)
        except FormatError:
            return None
        count = min(count, data.left // 8)
        return np.frombuffer(data.data, "<i4", count * 2, data.at).reshape(count, 2)

    def _by_header(self, address: int) -> _Entry | None:
        if self._table is None or self._image.frame_header is None:
            return None
        base = self._image.frame_header[0]
        if not -(1 << 31) <= address - base < 1 << 31:
            return None
        at = int(np.searchsorted(self._table[:, 0], np.int32(address - base), "right")) - 1
        if at < 0:
            return None
        place = base + int(self._table[at, 1])
        if place not in self._entries:
            length = int.from_bytes(self._image.at(place, 4), "little")
            if not 4 <= length <= _LONGEST_ENTRY:
                return None
            entry = Bytes(self._image.at(place, length + 4))
            entry.take(4)
            away = entry.number(4)
            common = self._common_at(place + 4 - away)
            self._entries[place] = _read_entry(entry, place, common)
        found = self._entries[place]
        return found if found.begin <= address < found.end else None

    def _common_at(self, place: int) -> _Common:
        length = int.from_bytes(self._image.at(place, 4), "little")
        if not 4 <= length <= _LONGEST_ENTRY:
            raise FormatError(f"{self._image.name}: there is no CIE at {place:#x}")
        data = Bytes(self._image.at(place, length + 4))
        data.take(4)
        if data.number(4) != 0:
            raise FormatError(f"{self._image.name}: there is no CIE at {place:#x}")
        return _read_common(data, place)

    # ---- through the whole section ----

    @cached_property
    def _sections(self) -> dict[str, tuple[list[int], list[_Entry]]]:
        return {}

    def _section(self, name: str) -> tuple[list[int], list[_Entry]]:
        if name not in self._sections:
            entries = self._scan(name)
            entries.sort(key=lambda entry: entry.begin)
            self._sections[name] = [entry.begin for entry in entries], entries
        return self._sections[name]

    def _scan(self, name: str) -> list[_Entry]:
        section = self._image.section(name) or b""
        address = self._image.section_address(name)
        in_memory = name == ".eh_frame"
        data = Bytes(section)
        commons: dict[int, _Common] = {}
        found: list[_Entry] = []
        while data.left >= 4 and len(found) < _MOST_ENTRIES:
            begin = data.at
            length, size = data.number(4), 4
            if length == 0xFFFFFFFF:
                if data.left < 8:
                    break
                length, size = data.number(8), 8
            if length == 0 and in_memory:
                break
            if length < size or length > data.left:
                break
            after = data.at + length
            try:
                where = data.at
                pointer = data.number(4 if in_memory else size)
                is_common = pointer == (0 if in_memory else (1 << 8 * size) - 1)
                entry = Bytes(section, data.at, after)
                if is_common:
                    commons[begin] = _read_common(entry, address)
                else:
                    common = commons.get(where - pointer if in_memory else pointer)
                    if common is not None:
                        found.append(_read_entry(entry, address, common))
            except FormatError:
                pass  # the others may be sound
            data.at = after
        return found


def _read_common(data: Bytes, address: int) -> _Common:
    version = data.byte()
    if version not in (1, 3, 4):
        raise FormatError(f"version {version} of call frames is not known")
    augmentation = data.text()
    if version == 4 and (data.byte() != 8 or data.byte() != 0):
        raise FormatError("call frames of other addresses")
    code_alignment, data_alignment = data.uleb(), data.sleb()
    return_register = data.byte() if version == 1 else data.uleb()
    encoding, signal = 0, False
    if augmentation.startswith("z"):
        length = data.uleb()
        after = data.at + length
        for letter in augmentation[1:]:
            match letter:
                case "R":
                    encoding = data.byte()
                case "P":
                    personality = data.byte()
                    data.pointer(personality & 0x7F, address)
                case "L":
                    data.byte()
                case "S":
                    signal = True
                case "B" | "G":
                    pass
                case _:
                    break
        data.take(after - data.at)
    elif augmentation:
        raise FormatError(f"call frames of the augmentation {augmentation[:20]!r} are not known")
    return _Common(
        code_alignment, data_alignment, return_register, encoding, augmentation.startswith("z"), signal,
        data.take(data.left),
    )  # fmt: skip


def _read_entry(data: Bytes, address: int, common: _Common) -> _Entry:
    begin = data.pointer(common.encoding, address)
    length = data.pointer(common.encoding & 0x0F, 0)
    if common.augmented:
        data.take(data.uleb())
    return _Entry(begin, begin + length, common, data.take(data.left))


# ---- the programs ----


def _row(entry: _Entry, address: int) -> Row:
    state = _State()
    _run(entry.common.program, entry, WORD, state, None)
    begin = state.copy()
    _run(entry.program, entry, address, state, begin)
    if state.cfa is None:
        raise FormatError("call frames without a frame address")
    return Row(state.cfa, state.rules, entry.common.signal, entry.common.return_register, state.signed_return)


def _run(program: bytes, entry: _Entry, address: int, state: _State, begin: _State | None) -> None:  # noqa: PLR0912
    """Run a program up to an address, in place."""
    common = entry.common
    data = Bytes(program)
    place = entry.begin
    saved: list[_State] = []
    while data.at < data.end:
        opcode = data.byte()
        kind, low = opcode & 0xC0, opcode & 0x3F
        if kind == 0x40 or (kind == 0 and low in (0x01, 0x02, 0x03, 0x04)):
            if kind == 0x40:
                place += low * common.code_alignment
            elif low == 0x01:
                place = data.pointer(common.encoding, entry.begin)
            else:
                place += data.number({2: 1, 3: 2, 4: 4}[low]) * common.code_alignment
            if place > address:
                return
        elif kind == 0x80:
            state.rules[low] = ("offset", data.uleb() * common.data_alignment, b"")
        elif kind == 0xC0:
            _restore(state, begin, low)
        elif low == 0x0A:
            if len(saved) >= _MOST_STATES:
                raise FormatError("call frames that remember too much")
            saved.append(state.copy())
        elif low == 0x0B:
            if not saved:
                raise FormatError("call frames that restore what they do not remember")
            last = saved.pop()
            # GCC means the frame address as well, as readers of it have always done.
            state.cfa, state.rules, state.signed_return = last.cfa, last.rules, last.signed_return
        else:
            _rule(low, data, common, state, begin)
        if len(state.rules) > _MOST_REGISTERS:
            raise FormatError("call frames of too many registers")


def _restore(state: _State, begin: _State | None, register: int) -> None:
    if begin is not None and register in begin.rules:
        state.rules[register] = begin.rules[register]
    else:
        state.rules.pop(register, None)


def _based(state: _State) -> tuple[int, int]:
    if not isinstance(state.cfa, tuple):
        raise FormatError("call frames that move a frame address that is not there")
    return state.cfa


def _rule(opcode: int, data: Bytes, common: _Common, state: _State, begin: _State | None) -> None:  # noqa: PLR0912
    rules, factor = state.rules, common.data_alignment
    match opcode:
        case 0x00:  # nop
            pass
        case 0x05:  # offset_extended
            register = data.uleb()
            rules[register] = ("offset", data.uleb() * factor, b"")
        case 0x06:  # restore_extended
            _restore(state, begin, data.uleb())
        case 0x07:  # undefined
            rules[data.uleb()] = ("undefined", 0, b"")
        case 0x08:  # same_value
            rules[data.uleb()] = ("same", 0, b"")
        case 0x09:  # register
            register = data.uleb()
            rules[register] = ("register", data.uleb(), b"")
        case 0x0C:  # def_cfa
            state.cfa = (data.uleb(), data.uleb())
        case 0x0D:  # def_cfa_register
            state.cfa = (data.uleb(), _based(state)[1])
        case 0x0E:  # def_cfa_offset
            state.cfa = (_based(state)[0], data.uleb())
        case 0x0F:  # def_cfa_expression
            state.cfa = data.take(data.uleb())
        case 0x10:  # expression
            register = data.uleb()
            rules[register] = ("expression", 0, data.take(data.uleb()))
        case 0x11:  # offset_extended_sf
            register = data.uleb()
            rules[register] = ("offset", data.sleb() * factor, b"")
        case 0x12:  # def_cfa_sf
            state.cfa = (data.uleb(), data.sleb() * factor)
        case 0x13:  # def_cfa_offset_sf
            state.cfa = (_based(state)[0], data.sleb() * factor)
        case 0x14 | 0x15:  # val_offset, val_offset_sf
            register = data.uleb()
            rules[register] = ("value", (data.uleb() if opcode == 0x14 else data.sleb()) * factor, b"")
        case 0x16:  # val_expression
            register = data.uleb()
            rules[register] = ("value-expression", 0, data.take(data.uleb()))
        case 0x2D:  # AARCH64_negate_ra_state
            state.signed_return = not state.signed_return
        case 0x2E:  # GNU_args_size
            data.uleb()
        case _:
            raise FormatError(f"the instruction {opcode:#x} of call frames is not known")
