"""Where gdb's registers are in the kernel's register sets."""

from __future__ import annotations

import struct
import xml.etree.ElementTree as ET

import pytest

from retrograde.errors import UsageError
from retrograde.gdbstub.description import target_xml
from retrograde.gdbstub.registers import XSAVE_AMD, XSAVE_INTEL, RegisterFile, Set, Values, arm64, x86_64

_SIZES = {"sse": (576, 0x3), "avx": (832, 0x7), "avx512 of AMD": (2432, 0xE7), "avx512 and keys of AMD": (2440, 0x2E7),
          "avx512 of Intel": (2688, 0xFF), "avx512 and keys of Intel": (2696, 0x2FF),
          "amx": (11008, 0x602E7)}  # fmt: skip


def _xsave(size: int, xcr0: int) -> bytes:
    area = bytearray(size)
    struct.pack_into("<Q", area, 464, xcr0)
    return bytes(area)


def _sets(registers: RegisterFile, floating: bytes) -> Values:
    return Values(bytes(27 * 8 if "x86" in registers.architecture else 34 * 8), floating, bytes(8))


def _sve(length: int) -> bytes:
    """NT_ARM_SVE with vectors of so many bytes."""
    size = -(-(16 + 32 * length + 17 * length // 8) // 16) * 16 + 16
    return struct.pack("<IIHHHH", size, size, length, length, 1, 0).ljust(size, b"\0")


@pytest.fixture(params=[*_SIZES, "arm64", "SVE of 16 bytes", "SVE of 64 bytes", "SVE of 256 bytes"])
def machine(request: pytest.FixtureRequest) -> tuple[RegisterFile, Values]:
    if request.param == "arm64":
        return arm64(), _sets(arm64(), bytes(528))
    if request.param.startswith("SVE"):
        sve = _sve(int(request.param.split()[2]))
        return arm64(sve), _sets(arm64(sve), sve)
    xsave = _xsave(*_SIZES[request.param])
    return x86_64(xsave), _sets(x86_64(xsave), xsave)


def test_each_register_has_bytes_of_its_own(machine: tuple[RegisterFile, Values]) -> None:
    registers, values = machine
    for number, register in enumerate(registers.registers):
        if register.set in (Set.TLS, Set.SVE_GRANULES):
            continue
        pattern = bytes((2 * number + 1 + i) % 255 + 1 for i in range(register.size)).ljust(register.width, b"\0")
        if register.set is Set.X87_TAGS:
            pattern = b"\xff\xff\0\0"  # all empty
        values = values.with_register(register, pattern)
    for number, register in enumerate(registers.registers):
        if register.set in (Set.TLS, Set.X87_TAGS, Set.SVE_GRANULES):
            continue
        pattern = bytes((2 * number + 1 + i) % 255 + 1 for i in range(register.size)).ljust(register.width, b"\0")
        assert values.read(register) == pattern, register.name


def test_the_description_lists_them_in_order(machine: tuple[RegisterFile, Values]) -> None:
    registers, _ = machine
    root = ET.fromstring(target_xml(registers))
    listed = [(reg.get("name"), reg.get("bitsize")) for reg in root.iter("reg")]
    assert listed == [(register.name, str(register.bits)) for register in registers.registers]
    types = {element.get("id") for feature in root.iter("feature") for element in feature if element.get("id")}
    builtin = {"int", "int8", "int16", "int32", "int64", "int128", "uint8", "uint16", "uint32", "uint64", "uint128",
               "data_ptr", "code_ptr", "i387_ext", "ieee_half", "ieee_single", "ieee_double", "bfloat16"}  # fmt: skip
    assert {reg.get("type") for reg in root.iter("reg")} <= types | builtin


@pytest.mark.parametrize(
    ("name", "k0", "zmm16"),
    [("avx512 of AMD", 832, 1408), ("avx512 and keys of AMD", 832, 1408), ("avx512 of Intel", 1088, 1664),
     ("avx512 and keys of Intel", 1088, 1664), ("amx", 1088, 1664)],
)  # fmt: skip
def test_the_layout_is_told_by_the_size(name: str, k0: int, zmm16: int) -> None:
    registers = x86_64(_xsave(*_SIZES[name]))
    assert registers.registers[registers.by_name["k0"]].offset == k0
    assert registers.registers[registers.by_name["xmm16"]].offset == zmm16


def test_a_layout_that_is_known_is_taken() -> None:
    xsave = _xsave(2696, 0xE7)
    registers = x86_64(xsave, XSAVE_AMD)
    assert registers.registers[registers.by_name["k0"]].offset == 832
    assert XSAVE_INTEL[5] == 1088


def test_the_tags_of_the_x87_stack() -> None:
    xsave = bytearray(_xsave(576, 3))
    one = bytes(7) + b"\x80" + b"\xff\x3f"
    infinity = bytes(7) + b"\x80" + b"\xff\x7f"
    # TOP is 5: ST0 to ST2 are the registers 5, 6 and 7.
    struct.pack_into("<HHB", xsave, 0, 0x37F, 5 << 11, 0b11100000)
    for at, value in enumerate((one, bytes(10), infinity)):
        xsave[32 + 16 * at : 42 + 16 * at] = value
    registers = x86_64(bytes(xsave))
    ftag = registers.registers[registers.by_name["ftag"]]
    values = _sets(registers, bytes(xsave))
    assert values.read(ftag) == struct.pack("<I", 0b10_01_00_11_11_11_11_11)
    changed = values.with_register(ftag, struct.pack("<I", 0b11_01_11_11_11_11_11_11))
    assert changed.floating[4] == 0b01000000


def test_a_changed_component_is_marked_as_in_use() -> None:
    xsave = _xsave(2440, 0x2E7)
    registers = x86_64(xsave)
    values = _sets(registers, xsave).with_register(registers.registers[registers.by_name["k1"]], bytes(8))
    assert struct.unpack_from("<Q", values.floating, 512)[0] == 1 << 5


def test_scalable_vectors_have_the_length_of_the_thread() -> None:
    registers = arm64(_sve(32))
    by_name = {register.name: register for register in registers.registers}
    values = _sets(registers, _sve(32))
    assert values.read(by_name["vg"]) == (4).to_bytes(8, "little")
    assert by_name["z31"].width == 32
    assert by_name["p15"].width == by_name["ffr"].width == 4
    assert "v0" not in by_name  # gdb makes them of z0 and the others
    with pytest.raises(UsageError, match="vg can't be set"):
        values.with_register(by_name["vg"], bytes(8))


def test_what_is_not_recorded_is_unknown() -> None:
    registers = arm64()
    values = Values(bytes(34 * 8), b"", bytes(8))
    v0 = registers.registers[registers.by_name["v0"]]
    assert values.read(v0) is None
    with pytest.raises(UsageError, match="v0 is not in this recording"):
        values.with_register(v0, bytes(16))
    with pytest.raises(UsageError, match="tpidr can't be set"):
        values.with_register(registers.registers[registers.by_name["tpidr"]], bytes(8))
