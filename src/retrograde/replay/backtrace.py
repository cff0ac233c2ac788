"""The frames of a thread's stack: by call frame information, else by frame pointers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from retrograde.errors import FormatError
from retrograde.replay.bounded_bytes import WORD
from retrograde.replay.dwarf_expression import ReadMemory, evaluate, read_word
from retrograde.replay.modules import Place
from retrograde.replay.registers import DWARF_NAMES

if TYPE_CHECKING:
    from retrograde.replay.call_frames import Row, Rule
    from retrograde.replay.modules import Modules
    from retrograde.replay.registers import Registers

# DWARF's numbers of the stack pointer, the frame pointer, the place and, on arm64, the link register.
_SP = {"x86_64": 7, "arm64": 31}
_FP = {"x86_64": 6, "arm64": 29}
_PC = {"x86_64": 16, "arm64": 32}
_LINK = 30
# The bits of an address on arm64, without the signature of pointer authentication.
_ADDRESS = (1 << 48) - 1
# `stp x29, x30, [sp, #...]`, with sp changed before or not: makes a frame record (Arm ARM C6.2, STP).
_STORE_PAIR_MASK = 0xFFC07FFF
_STORES_OF_RECORD = (0xA9807BFD, 0xA9007BFD)
_RETURN = bytes.fromhex("c0035fd6")
# What a signal handler returns to on arm64, which no call frame information tells of: `mov x8, #139; svc #0`
# (arch/arm64/kernel/vdso/sigreturn.S); and where the signal frame at the stack pointer has x0 to x30, sp and pc (struct
# rt_sigframe in arch/arm64/kernel/signal.c, struct sigcontext).
_SIGRETURN = bytes.fromhex("681180d2 010000d4")
_INTERRUPTED = 128 + 176 + 8


@dataclass(frozen=True, slots=True)
class Frame:
    """A function that has been called and has not returned.

    Attributes:
        pc: where it is; in a caller, where the call returns to.
        cfa: the canonical frame address: the stack pointer before it was called. None where it is not known.
        function: its name, or None.
        offset: of pc in the function.
        file, line: of the source, or None.
        module: the path of the file that holds the code, or None.
        signal: whether it is what a signal handler returns to.
    """

    pc: int
    cfa: int | None
    function: str | None
    offset: int
    file: str | None
    line: int | None
    module: str | None
    signal: bool = False

    def __str__(self) -> str:
        return f"{self.pc:#x} {Place(self.function, self.offset, self.file, self.line, self.module)}"


@dataclass(slots=True)
class _Unwinder:
    arch: str
    read: ReadMemory
    modules: Modules

    def caller(self, registers: dict[int, int], *, exact: bool) -> tuple[dict[int, int] | None, int | None, bool]:
        """Return the caller's registers (None where there is none), the CFA, and whether it is a signal's frame."""
        pc = registers[_PC[self.arch]]
        try:
            if self.arch == "arm64" and self.read(pc, len(_SIGRETURN)) == _SIGRETURN:
                return (*self._interrupted(registers), True)
            row = self._row(pc if exact else pc - 1)
            if row is not None:
                cfa = self._cfa(row, registers)
                return self._restored(row, registers, cfa), cfa, row.signal
        except FormatError:
            pass
        try:
            return (*self._by_frame_pointer(registers, exact), False)
        except FormatError:
            return None, None, False

    def _interrupted(self, registers: dict[int, int]) -> tuple[dict[int, int], int]:
        sp = registers.get(_SP["arm64"])
        if sp is None:
            raise FormatError("the stack pointer of a frame is not known")
        numbers = (*range(_LINK + 1), _SP["arm64"], _PC["arm64"])
        before = {number: read_word(self.read, sp + _INTERRUPTED + 8 * at) for at, number in enumerate(numbers)}
        return before, before[_SP["arm64"]]

    def _row(self, address: int) -> Row | None:
        module = self.modules.at(address)
        if module is None:
            return None
        for image in dict.fromkeys((module.image, module.debug)):
            row = image.frames.row(address - module.bias & WORD)
            if row is not None:
                return row
        return None

    def _cfa(self, row: Row, registers: dict[int, int]) -> int:
        if isinstance(row.cfa, bytes):
            return evaluate(row.cfa, registers, self.read)
        register, offset = row.cfa
        if register not in registers:
            raise FormatError(f"register {register} of a frame is not known")
        return registers[register] + offset & WORD

    def _restored(self, row: Row, registers: dict[int, int], cfa: int) -> dict[int, int] | None:
        before = dict(registers)
        before[_SP[self.arch]] = cfa
        for register, rule in row.rules.items():
            value = self._value(rule, register, registers, cfa)
            if value is None:
                before.pop(register, None)
            else:
                before[register] = value
        back = before.get(row.return_register)
        if back is None or row.rules.get(row.return_register, ("same",))[0] == "undefined":
            return None
        before[_PC[self.arch]] = back & _ADDRESS if row.signed_return else back
        return before

    def _value(self, rule: Rule, register: int, registers: dict[int, int], cfa: int) -> int | None:
        kind, number, expression = rule
        if kind == "same":
            return registers.get(register)
        if kind == "register":
            return registers.get(number)
        if kind == "undefined":
            return None
        if kind in ("offset", "value"):
            value = cfa + number & WORD
        else:
            value = evaluate(expression, registers, self.read, (cfa,))
        return read_word(self.read, value) if kind in ("offset", "expression") else value

    def _by_frame_pointer(self, registers: dict[int, int], exact: bool) -> tuple[dict[int, int] | None, int | None]:
        pc, sp, fp = (registers.get(numbers[self.arch], 0) for numbers in (_PC, _SP, _FP))
        before = dict(registers)
        is_arm64 = self.arch == "arm64"
        # A call through a wrong pointer: nothing has been pushed yet.
        is_at_start = exact and not self.modules.is_code(pc)
        cfa: int | None
        if is_arm64 and (is_at_start or (exact and not self._has_saved_link(pc))):
            cfa, back = sp if is_at_start else None, registers.get(_LINK, 0)
        elif is_at_start:
            cfa, back = sp + 8, read_word(self.read, sp)
        else:
            if fp < sp:
                raise FormatError("there is no frame pointer")
            # arm64 has the frame record at any distance from where the stack pointer was (AAPCS64, 6.4.6).
            cfa, back = None if is_arm64 else fp + 16, read_word(self.read, fp + 8)
            before[_FP[self.arch]] = read_word(self.read, fp)
        if cfa is None:
            before.pop(_SP[self.arch], None)
        else:
            before[_SP[self.arch]] = cfa
        before[_PC[self.arch]] = back & _ADDRESS if is_arm64 else back
        return before, cfa

    def _has_saved_link(self, pc: int) -> bool:
        """Tell if a function of arm64 has its frame record at pc: a leaf never has; unknown ones have."""
        if self.read(pc, 4) == _RETURN:
            return False
        place = self.modules.place(pc)
        if place.function is None:
            return True
        code = self.read(pc - place.offset, place.offset)
        return any(
            int.from_bytes(code[at : at + 4], "little") & _STORE_PAIR_MASK in _STORES_OF_RECORD
            for at in range(0, len(code), 4)
        )


def unwind(registers: Registers, arch: str, read: ReadMemory, modules: Modules, limit: int) -> list[Frame]:
    """Return the frames of a thread, the innermost first.

    Args:
        registers: of the thread.
        arch: `x86_64` or `arm64`.
        read: reads the process's memory.
        modules: what is loaded.
        limit: so many frames at most.
    """
    unwinder = _Unwinder(arch, read, modules)
    at: dict[int, int] | None = {number: registers[name] for number, name in enumerate(DWARF_NAMES[arch])}
    frames: list[Frame] = []
    seen: set[tuple[int, int]] = set()
    exact = True  # the thread is at pc; callers are at the instruction before it
    while at is not None and len(frames) < limit:
        pc, key = at[_PC[arch]], (at[_PC[arch]], at.get(_SP[arch], at.get(_FP[arch], 0)))
        if key in seen or (frames and not modules.is_code(pc)):
            break
        seen.add(key)
        before, cfa, signal = unwinder.caller(at, exact=exact)
        place = modules.place(pc if exact or signal else pc - 1)
        offset = place.offset + (0 if exact or signal or place.function is None else 1)
        frames.append(Frame(pc, cfa, place.function, offset, place.file, place.line, place.module, signal))
        at, exact = before, signal
    return frames
