"""A thread's registers, by name."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping

from retrograde.errors import NotFoundError

# `struct user_regs_struct` of x86-64, `struct user_pt_regs` of arm64.
_X86_64 = """
    r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss fs_base gs_base ds es fs gs
"""
_NAMES = {"x86_64": _X86_64.split(), "arm64": [*(f"x{number}" for number in range(31)), "sp", "pc", "pstate"]}
_ALIASES = {
    "x86_64": {"pc": "rip", "sp": "rsp", "fp": "rbp", "rflags": "eflags"},
    "arm64": {"fp": "x29", "lr": "x30"},
}
# Where the vector registers are in NT_X86_XSTATE and NT_PRFPREG, 16 bytes each.
_VECTORS = {"x86_64": ("xmm", 160, 16), "arm64": ("v", 0, 32)}
# Of arguments that are integers or pointers, by the calling conventions.
_ARGUMENTS = {"x86_64": ("rdi", "rsi", "rdx", "rcx", "r8", "r9"), "arm64": tuple(f"x{number}" for number in range(8))}
_RESULTS = {"x86_64": "rax", "arm64": "x0"}
# DWARF's numbers; the last one stands for where the thread is.
_DWARF_X86_64 = "rax rdx rcx rbx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15 rip"
DWARF_NAMES = {"x86_64": _DWARF_X86_64.split(), "arm64": [*(f"x{number}" for number in range(31)), "sp", "pc"]}


SVE_HEADER = 16  # asm/ptrace.h: struct user_sve_header


def sve_vector_length(vectors: bytes) -> int:
    """Return the bytes of a vector register of NT_ARM_SVE, 0 where it is NT_PRFPREG."""
    return 0 if len(vectors) <= 528 else int.from_bytes(vectors[8:10], "little")


class Registers(Mapping[str, int]):
    """The registers of a thread at one moment: `regs.rip`, `regs["rip"]`.

    Iterating yields the general ones; the vector registers `xmm0` to `xmm15` (x86-64) and `v0` to `v31` (arm64) have a
    value as well. `pc`, `sp` and `fp` are names on both.

    Args:
        arch: `x86_64` or `arm64`.
        general: NT_PRSTATUS.
        vectors: returns NT_X86_XSTATE, NT_PRFPREG, or NT_ARM_SVE with all vectors.
    """

    __slots__ = ("_arch", "_values", "_vectors")

    def __init__(self, arch: str, general: bytes, vectors: Callable[[], bytes] | None = None) -> None:
        self._arch = arch
        names = _NAMES[arch]
        self._values: dict[str, int] = dict(zip(names, struct.unpack_from(f"<{len(names)}Q", general), strict=True))
        self._vectors = vectors() if vectors is not None else b""

    def __getitem__(self, name: str) -> int:
        name = _ALIASES[self._arch].get(name, name)
        if name in self._values:
            return self._values[name]
        prefix, begin, count = _VECTORS[self._arch]
        size = 16
        if self._arch == "arm64" and (length := sve_vector_length(self._vectors)):
            begin, size = SVE_HEADER, length
        number = name.removeprefix(prefix)
        if name != number and number.isdecimal() and int(number) < count and self._vectors:
            at = begin + int(number) * size
            return int.from_bytes(self._vectors[at : at + 16], "little")
        raise NotFoundError(f"there is no register {name}", hint=f"there are {', '.join(self._values)}")

    def __getattr__(self, name: str) -> int:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self[name]
        except NotFoundError as error:
            raise AttributeError(error.message) from None

    def __contains__(self, name: object) -> bool:
        try:
            self[str(name)]
        except NotFoundError:
            return False
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._values, *_ALIASES[self._arch]]

    def __repr__(self) -> str:
        return "\n".join(f"{name:8} {value:#x}" for name, value in self._values.items())

    @property
    def arguments(self) -> tuple[int, ...]:
        """Integer and pointer arguments, as the calling convention passes them: right where a function begins."""
        return tuple(self._values[name] for name in _ARGUMENTS[self._arch])

    @property
    def result(self) -> int:
        """What a function returns, right behind its return: `rax` or `x0`."""
        return self._values[_RESULTS[self._arch]]
