"""Target descriptions: what registers there are, in gdb's XML (appendix G of its manual)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from retrograde.gdbstub.registers import Feature, Register, RegisterFile


def _vector(name: str, kind: str, count: int) -> str:
    return f'<vector id="{name}" type="{kind}" count="{count}"/>'


def _union(name: str, fields: dict[str, str]) -> str:
    inside = "".join(f'<field name="{field}" type="{kind}"/>' for field, kind in fields.items())
    return f'<union id="{name}">{inside}</union>'


def _flags(name: str, bits: Mapping[str, int | tuple[int, int]]) -> str:
    spans = {field: (at, at) if isinstance(at, int) else at for field, at in bits.items()}
    inside = "".join(f'<field name="{field}" start="{low}" end="{high}"/>' for field, (low, high) in spans.items())
    return f'<flags id="{name}" size="4">{inside}</flags>'


_EFLAGS = {"CF": 0, "": 1, "PF": 2, "AF": 4, "ZF": 6, "SF": 7, "TF": 8, "IF": 9, "DF": 10, "OF": 11, "NT": 14, "RF": 16,
           "VM": 17, "AC": 18, "VIF": 19, "VIP": 20, "ID": 21}  # fmt: skip
_MXCSR = {"IE": 0, "DE": 1, "ZE": 2, "OE": 3, "UE": 4, "PE": 5, "DAZ": 6, "IM": 7, "DM": 8, "ZM": 9, "OM": 10, "UM": 11,
          "PM": 12, "FZ": 15}  # fmt: skip
_VEC128 = (
    _vector("v8bf16", "bfloat16", 8)
    + _vector("v4f", "ieee_single", 4)
    + _vector("v2d", "ieee_double", 2)
    + _vector("v16i8", "int8", 16)
    + _vector("v8i16", "int16", 8)
    + _vector("v4i32", "int32", 4)
    + _vector("v2i64", "int64", 2)
    + _union("vec128", {
        "v8_bfloat16": "v8bf16", "v4_float": "v4f", "v2_double": "v2d", "v16_int8": "v16i8", "v8_int16": "v8i16",
        "v4_int32": "v4i32", "v2_int64": "v2i64", "uint128": "uint128"})
)  # fmt: skip
_CPSR: dict[str, int | tuple[int, int]] = {
    "SP": 0, "EL": (2, 3), "nRW": 4, "F": 6, "I": 7, "A": 8, "D": 9, "BTYPE": (10, 11), "SSBS": 12, "IL": 20, "SS": 21,
    "PAN": 22, "UAO": 23, "DIT": 24, "TCO": 25, "V": 28, "C": 29, "Z": 30, "N": 31,
}  # fmt: skip


def _aarch64_vectors() -> str:
    parts = [
        _vector("v2d", "ieee_double", 2), _vector("v2u", "uint64", 2), _vector("v2i", "int64", 2),
        _vector("v4f", "ieee_single", 4), _vector("v4u", "uint32", 4), _vector("v4i", "int32", 4),
        _vector("v8f", "ieee_half", 8), _vector("v8u", "uint16", 8), _vector("v8i", "int16", 8),
        _vector("v8bf16", "bfloat16", 8), _vector("v16u", "uint8", 16), _vector("v16i", "int8", 16),
        _vector("v1u", "uint128", 1), _vector("v1i", "int128", 1),
        _union("vnd", {"f": "v2d", "u": "v2u", "s": "v2i"}),
        _union("vns", {"f": "v4f", "u": "v4u", "s": "v4i"}),
        _union("vnh", {"bf": "v8bf16", "f": "v8f", "u": "v8u", "s": "v8i"}),
        _union("vnb", {"u": "v16u", "s": "v16i"}),
        _union("vnq", {"u": "v1u", "s": "v1i"}),
        _union("aarch64v", {"d": "vnd", "s": "vns", "h": "vnh", "b": "vnb", "q": "vnq"}),
    ]  # fmt: skip
    return "".join(parts)


def _scalable_types(length: int) -> str:
    """Return the types of SVE's registers, with vectors of so many bytes (gdb's features/aarch64-sve.c)."""
    kinds = {
        "q": (16, {"u": "uint128", "s": "int128"}),
        "d": (8, {"f": "ieee_double", "u": "uint64", "s": "int64"}),
        "s": (4, {"f": "ieee_single", "u": "uint32", "s": "int32"}),
        "h": (2, {"f": "ieee_half", "u": "uint16", "s": "int16"}),
        "b": (1, {"u": "uint8", "s": "int8"}),
    }
    parts = ""
    for name, (size, elements) in kinds.items():
        for field, kind in elements.items():
            parts += _vector(f"sve{name}{field}", kind, length // size)
        parts += _union(f"sve{name}", {field: f"sve{name}{field}" for field in elements})
    parts += _union("svev", {name: f"sve{name}" for name in kinds})
    return parts + _vector("svep", "uint8", length // 8)


_TYPES = {
    "org.gnu.gdb.i386.core": _flags("i386_eflags", _EFLAGS),
    "org.gnu.gdb.i386.sse": _VEC128 + _flags("i386_mxcsr", _MXCSR),
    "org.gnu.gdb.i386.avx512": _VEC128 + _vector("v2ui128", "uint128", 2),
    "org.gnu.gdb.i386.pkeys": _flags("i386_pkru", {f"{what}{key}": 2 * key + at for key in range(16)
                                                   for at, what in enumerate("AW")}),
    "org.gnu.gdb.aarch64.core": _flags("cpsr_flags", _CPSR),
    "org.gnu.gdb.aarch64.fpu": _aarch64_vectors(),
}  # fmt: skip


def _types(feature: Feature) -> str:
    if feature.name == "org.gnu.gdb.aarch64.sve":
        return _scalable_types(feature.registers[0].width)
    return _TYPES.get(feature.name, "")


def _register(register: Register) -> str:
    group = f' group="{register.group}"' if register.group else ""
    return f'<reg name="{register.name}" bitsize="{register.bits}" type="{register.type}"{group}/>'


def _lines(registers: RegisterFile) -> Iterator[str]:
    yield '<?xml version="1.0"?><!DOCTYPE target SYSTEM "gdb-target.dtd"><target version="1.0">'
    yield f"<architecture>{registers.architecture}</architecture><osabi>GNU/Linux</osabi>"
    for feature in registers.features:
        yield f'<feature name="{feature.name}">{_types(feature)}'
        yield from map(_register, feature.registers)
        yield "</feature>"
    yield "</target>"


def target_xml(registers: RegisterFile) -> bytes:
    """Return the target description of a machine with such registers."""
    return "\n".join(_lines(registers)).encode("ascii")
