"""gdb's registers of x86-64 and arm64, and where they are in the kernel's register sets.

Sources: `struct user_regs_struct` and `struct user_pt_regs` of the kernel's headers; Intel's manual, volume 1, sections
10.5.1 (the legacy area of XSAVE) and 13.4; gdb's features/i386 and features/aarch64-*.xml.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from retrograde.errors import FormatError, UsageError
from retrograde.replay.registers import SVE_HEADER, sve_vector_length

_XCR0 = 464  # sw_reserved bytes of the legacy area: the kernel's ptrace puts XCR0 there
_XSTATE_BV = 512
_YMM, _OPMASK, _ZMM_HIGH, _ZMM_MORE, _PKRU = 2, 5, 6, 7, 9

XsaveLayout = Mapping[int, int]
"""Offsets of the components of a standard XSAVE area, by number, as CPUID leaf 0xd has them."""

XSAVE_INTEL: XsaveLayout = {_YMM: 576, _OPMASK: 1088, _ZMM_HIGH: 1152, _ZMM_MORE: 1664, _PKRU: 2688}
XSAVE_AMD: XsaveLayout = {_YMM: 576, _OPMASK: 832, _ZMM_HIGH: 896, _ZMM_MORE: 1408, _PKRU: 2432}


class Set(enum.Enum):
    """A register set of the kernel's, or of one word that is in none."""

    GENERAL = "NT_PRSTATUS"
    FLOATING = "NT_X86_XSTATE, NT_PRFPREG or NT_ARM_SVE"
    TLS = "the thread pointer"
    SVE_GRANULES = "NT_ARM_SVE, the eighth of the vector length that it has"
    X87_TAGS = "NT_X86_XSTATE, two bits a register made from one"


@dataclass(frozen=True, slots=True)
class Register:
    """One register of gdb's.

    Attributes:
        name, bits, type, group: as the target description has them; `bits` is the size in gdb's packets.
        set: where it is.
        offset: in the set, bytes.
        size: in the set, bytes; gdb's may be wider.
        component: of the XSAVE area, where it is in one.
    """

    name: str
    bits: int
    type: str
    set: Set
    offset: int
    size: int
    group: str = ""
    component: int | None = None

    @property
    def width(self) -> int:
        """Size in gdb's packets, bytes."""
        return self.bits // 8


@dataclass(frozen=True, slots=True)
class Feature:
    """Registers that gdb knows by the name of their group."""

    name: str
    registers: Sequence[Register]


@dataclass(frozen=True)
class RegisterFile:
    """All registers of a machine, numbered as they stand in its target description.

    Attributes:
        architecture: gdb's name.
        features: in order.
        pc, sp, frame: names of the registers that gdb needs at each stop.
    """

    architecture: str
    features: Sequence[Feature]
    pc: str
    sp: str
    frame: str
    registers: list[Register] = field(init=False)
    by_name: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        registers = [register for feature in self.features for register in feature.registers]
        object.__setattr__(self, "registers", registers)
        object.__setattr__(self, "by_name", {register.name: at for at, register in enumerate(registers)})

    def general_word(self, general: bytes, name: str) -> int:
        """Return the value of a general register."""
        register = self.registers[self.by_name[name]]
        return int.from_bytes(general[register.offset : register.offset + register.size], "little")


@dataclass(slots=True)
class Values:
    """The register sets of a thread at one moment; sets may be empty where nothing is known."""

    general: bytes
    floating: bytes = b""
    tls: bytes = b""

    def read(self, register: Register) -> bytes | None:
        """Return a register's bytes as gdb's packets have them, None where they are unknown."""
        if register.set is Set.X87_TAGS:
            return _full_tags(self.floating)
        if register.set is Set.SVE_GRANULES:
            return (sve_vector_length(self.floating) // 8).to_bytes(8, "little")
        data = self._set(register)[register.offset : register.offset + register.size]
        if len(data) < register.size:
            return None
        return data.ljust(register.width, b"\0")

    def with_register(self, register: Register, data: bytes) -> Values:
        """Return the sets with one register changed.

        Raises:
            UsageError: it can't be set.
        """
        if register.set in (Set.TLS, Set.SVE_GRANULES):
            raise UsageError(f"{register.name} can't be set in a recorded run")
        if register.set is Set.X87_TAGS:
            data = _abridged_tags(data)
        area = bytearray(self._set(register))
        if len(area) < register.offset + register.size:
            raise UsageError(f"{register.name} is not in this recording")
        area[register.offset : register.offset + register.size] = data[: register.size]
        if register.set is Set.GENERAL:
            return Values(bytes(area), self.floating, self.tls)
        if register.component is not None and len(area) > _XSTATE_BV:
            area[_XSTATE_BV + register.component // 8] |= 1 << register.component % 8
        return Values(self.general, bytes(area), self.tls)

    def _set(self, register: Register) -> bytes:
        if register.set is Set.GENERAL:
            return self.general
        return self.tls if register.set is Set.TLS else self.floating


def _full_tags(xsave: bytes) -> bytes | None:
    """Make the 16 bits of x87 tags that FSAVE has from the 8 that FXSAVE has: Intel's manual, volume 1, table 10-1."""
    if len(xsave) < 288:
        return None
    present, top = xsave[4], xsave[3] >> 3 & 7
    tags = 0
    for physical in range(8):
        tag = 3
        if present >> physical & 1:
            at = 32 + 16 * ((physical - top) % 8)
            fraction = int.from_bytes(xsave[at : at + 8], "little")
            exponent = int.from_bytes(xsave[at + 8 : at + 10], "little") & 0x7FFF
            tag = 0 if 0 < exponent < 0x7FFF and fraction >> 63 else 2
            if exponent == 0 and fraction == 0:
                tag = 1
        tags |= tag << 2 * physical
    return tags.to_bytes(4, "little")


def _abridged_tags(data: bytes) -> bytes:
    tags = int.from_bytes(data[:2], "little")
    return bytes((sum(1 << at for at in range(8) if tags >> 2 * at & 3 != 3),))


# --- x86-64 ---------------------------------------------------------------------------------------------------------

_X86_WORDS = (
    "r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi", "rdi",
    "orig_rax", "rip", "cs", "eflags", "rsp", "ss", "fs_base", "gs_base", "ds", "es", "fs", "gs",
)  # fmt: skip
_X86_CORE = (
    "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
    "rip", "eflags", "cs", "ss", "ds", "es", "fs", "gs",
)  # fmt: skip
_X86_TYPES = {"rbp": "data_ptr", "rsp": "data_ptr", "rip": "code_ptr", "eflags": "i386_eflags"}
_X87 = (("fctrl", 0, 2), ("fstat", 2, 2), ("ftag", 4, 1), ("fiseg", 12, 2), ("fioff", 8, 4), ("foseg", 20, 2))
_X87_MORE = (("fooff", 16, 4), ("fop", 6, 2))


def _x86_word(name: str, bits: int = 64, kind: str = "", group: str = "") -> Register:
    return Register(name, bits, kind or _X86_TYPES.get(name, "int64"), Set.GENERAL, 8 * _X86_WORDS.index(name),
                    bits // 8, group)  # fmt: skip


def _x86_core() -> Feature:
    words = [
        _x86_word(name, 32, _X86_TYPES.get(name, "int32")) if name in {"eflags", "cs", "ss", "ds", "es", "fs", "gs"}
        else _x86_word(name)
        for name in _X86_CORE
    ]  # fmt: skip
    stack = [Register(f"st{i}", 80, "i387_ext", Set.FLOATING, 32 + 16 * i, 10, component=0) for i in range(8)]
    control = [
        Register(name, 32, "int", Set.X87_TAGS if name == "ftag" else Set.FLOATING, offset, size, "float", 0)
        for name, offset, size in (*_X87, *_X87_MORE)
    ]
    return Feature("org.gnu.gdb.i386.core", [*words, *stack, *control])


def _many(name: str, count: int, bits: int, kind: str, start: int, stride: int, component: int,
          first: int = 0) -> list[Register]:  # fmt: skip
    return [
        Register(name.format(i + first), bits, kind, Set.FLOATING, start + stride * i, bits // 8, "", component)
        for i in range(count)
    ]


def guessed_layout(xcr0: int, size: int) -> XsaveLayout:
    """Return the layout that a processor with such an XSAVE area has.

    AMD's have no MPX, Intel's keep its place free; the size tells them apart. Source: gdb's i387_guess_xsave_layout.
    """
    if xcr0 >> _OPMASK & 1:
        return XSAVE_INTEL if size >= 2688 else XSAVE_AMD
    return XSAVE_INTEL if size >= 2696 else {_YMM: 576, _PKRU: 832}


def x86_64(xsave: bytes, layout: XsaveLayout | None = None) -> RegisterFile:
    """Return the registers of a processor whose XSAVE area `xsave` is.

    Args:
        xsave: NT_X86_XSTATE of any thread; empty where there is none.
        layout: offsets of its components; guessed where None.

    Raises:
        FormatError: it holds components that are not within it.
    """
    core = _x86_core()
    features = [core]
    if len(xsave) >= 512:
        sse = _many("xmm{}", 16, 128, "vec128", 160, 16, 1)
        features.append(
            Feature("org.gnu.gdb.i386.sse",
                    [*sse, Register("mxcsr", 32, "i386_mxcsr", Set.FLOATING, 24, 4, "vector", 1)])
        )  # fmt: skip
    features += [
        Feature("org.gnu.gdb.i386.linux", [_x86_word("orig_rax", 64, "int", "system")]),
        Feature("org.gnu.gdb.i386.segments", [_x86_word("fs_base", 64, "int"), _x86_word("gs_base", 64, "int")]),
    ]
    features += _x86_extended(xsave, layout)
    needed = max((r.offset + r.size for f in features for r in f.registers if r.set is Set.FLOATING), default=0)
    if xsave and needed > len(xsave):
        raise FormatError(f"registers of the processor need {needed} bytes, and the recording has {len(xsave)}")
    return RegisterFile("i386:x86-64", features, "rip", "rsp", "rbp")


def _x86_extended(xsave: bytes, layout: XsaveLayout | None) -> list[Feature]:
    xcr0 = int.from_bytes(xsave[_XCR0 : _XCR0 + 8], "little") if len(xsave) > 576 else 0
    at = layout if layout is not None else guessed_layout(xcr0, len(xsave))
    features = []
    if xcr0 >> _YMM & 1 and _YMM in at:
        features.append(Feature("org.gnu.gdb.i386.avx", _many("ymm{}h", 16, 128, "uint128", at[_YMM], 16, _YMM)))
        if all(xcr0 >> part & 1 and part in at for part in (_OPMASK, _ZMM_HIGH, _ZMM_MORE)):
            more = at[_ZMM_MORE]
            registers = [
                *_many("xmm{}", 16, 128, "vec128", more, 64, _ZMM_MORE, 16),
                *_many("ymm{}h", 16, 128, "uint128", more + 16, 64, _ZMM_MORE, 16),
                *_many("k{}", 8, 64, "uint64", at[_OPMASK], 8, _OPMASK),
                *_many("zmm{}h", 16, 256, "v2ui128", at[_ZMM_HIGH], 32, _ZMM_HIGH),
                *_many("zmm{}h", 16, 256, "v2ui128", more + 32, 64, _ZMM_MORE, 16),
            ]
            features.append(Feature("org.gnu.gdb.i386.avx512", registers))
    if xcr0 >> _PKRU & 1 and _PKRU in at:
        features.append(
            Feature("org.gnu.gdb.i386.pkeys",
                    [Register("pkru", 32, "i386_pkru", Set.FLOATING, at[_PKRU], 4, "", _PKRU)])
        )  # fmt: skip
    return features


# --- arm64 ----------------------------------------------------------------------------------------------------------


def arm64(floating: bytes = b"") -> RegisterFile:
    """Return the registers of arm64.

    Args:
        floating: NT_PRFPREG, or NT_ARM_SVE with all vectors, of any thread: whether there are, and how wide.
    """
    core = [Register(f"x{i}", 64, "int", Set.GENERAL, 8 * i, 8) for i in range(31)]
    core += [
        Register("sp", 64, "data_ptr", Set.GENERAL, 248, 8),
        Register("pc", 64, "code_ptr", Set.GENERAL, 256, 8),
        Register("cpsr", 32, "cpsr_flags", Set.GENERAL, 264, 4),
    ]
    length = sve_vector_length(floating)
    features = [
        Feature("org.gnu.gdb.aarch64.core", core),
        Feature("org.gnu.gdb.aarch64.sve", _scalable(length))
        if length
        else Feature("org.gnu.gdb.aarch64.fpu", _advanced_simd()),
        Feature("org.gnu.gdb.aarch64.tls", [Register("tpidr", 64, "data_ptr", Set.TLS, 0, 8)]),
    ]
    return RegisterFile("aarch64", features, "pc", "sp", "x29")


def _advanced_simd() -> list[Register]:
    return [
        *(Register(f"v{i}", 128, "aarch64v", Set.FLOATING, 16 * i, 16) for i in range(32)),
        Register("fpsr", 32, "int", Set.FLOATING, 512, 4),
        Register("fpcr", 32, "int", Set.FLOATING, 516, 4),
    ]


def _scalable(length: int) -> list[Register]:
    """Return the registers of SVE, with vectors of so many bytes (asm/ptrace.h: SVE_PT_SVE_ZREG_OFFSET and others)."""
    predicate = length // 8
    predicates = SVE_HEADER + 32 * length
    status = -(-(predicates + 17 * predicate) // 16) * 16
    return [
        *(Register(f"z{i}", 8 * length, "svev", Set.FLOATING, SVE_HEADER + length * i, length) for i in range(32)),
        Register("fpsr", 32, "int", Set.FLOATING, status, 4),
        Register("fpcr", 32, "int", Set.FLOATING, status + 4, 4),
        *(Register(f"p{i}", length, "svep", Set.FLOATING, predicates + predicate * i, predicate) for i in range(16)),
        Register("ffr", length, "svep", Set.FLOATING, predicates + 16 * predicate, predicate),
        Register("vg", 64, "int", Set.SVE_GRANULES, 8, 2),
    ]


def register_file(arch: str, floating: bytes, layout: XsaveLayout | None = None) -> RegisterFile:
    """Return the registers of a recording's machine.

    Args:
        arch: `x86_64` or `arm64`.
        floating: NT_X86_XSTATE on x86-64, NT_PRFPREG or NT_ARM_SVE on arm64, of any thread.
        layout: of the XSAVE area; guessed where None.
    """
    return x86_64(floating, layout) if arch == "x86_64" else arm64(floating)
