"""DWARF expressions, as call frame information has them: a stack machine over registers and memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from retrograde.errors import FormatError
from retrograde.replay.bounded_bytes import WORD, Bytes

_MOST_STEPS = 10_000
_DEEPEST = 256
_BRANCH, _SKIP, _REGISTER_X = 0x28, 0x2F, 0x92

ReadMemory = Callable[[int, int], bytes]

_CONSTANTS = {0x08: (1, False), 0x09: (1, True), 0x0A: (2, False), 0x0B: (2, True), 0x0C: (4, False),
              0x0D: (4, True), 0x0E: (8, False), 0x0F: (8, True), 0x03: (8, False)}  # fmt: skip


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _divided(a: int, b: int) -> int:
    if b == 0:
        raise FormatError("a DWARF expression divides by zero")
    quotient = abs(_signed(a)) // abs(_signed(b))
    return quotient if (_signed(a) < 0) == (_signed(b) < 0) else -quotient


def _modulo(a: int, b: int) -> int:
    if b == 0:
        raise FormatError("a DWARF expression divides by zero")
    return a % b


_BINARY: dict[int, Callable[[int, int], int]] = {
    0x1A: lambda a, b: a & b,
    0x1B: _divided,
    0x1C: lambda a, b: a - b,
    0x1D: _modulo,
    0x1E: lambda a, b: a * b,
    0x21: lambda a, b: a | b,
    0x22: lambda a, b: a + b,
    0x24: lambda a, b: a << b if b < 64 else 0,
    0x25: lambda a, b: a >> b if b < 64 else 0,
    0x26: lambda a, b: _signed(a) >> min(b, 63),
    0x27: lambda a, b: a ^ b,
    0x29: lambda a, b: a == b,
    0x2A: lambda a, b: _signed(a) >= _signed(b),
    0x2B: lambda a, b: _signed(a) > _signed(b),
    0x2C: lambda a, b: _signed(a) <= _signed(b),
    0x2D: lambda a, b: _signed(a) < _signed(b),
    0x2E: lambda a, b: a != b,
}
_UNARY: dict[int, Callable[[int], int]] = {
    0x19: lambda a: abs(_signed(a)),
    0x1F: lambda a: -a,
    0x20: lambda a: ~a,
}


def read_word(read: ReadMemory, address: int, size: int = 8) -> int:
    """Return a number in memory.

    Raises:
        FormatError: it can't be read.
    """
    data = read(address & WORD, size)
    if len(data) != size:
        raise FormatError(f"memory at {address & WORD:#x} can't be read")
    return int.from_bytes(data, "little")


def evaluate(code: bytes, registers: Mapping[int, int], read: ReadMemory, begin: Sequence[int] = ()) -> int:
    """Return what an expression leaves on top of its stack.

    Args:
        code: the expression.
        registers: by DWARF's numbers, as far as they are known.
        read: reads memory.
        begin: the stack at the beginning.

    Raises:
        FormatError: it means nothing, or asks for what is not known.
    """
    stack = list(begin)
    data = Bytes(code)
    for _ in range(_MOST_STEPS):
        if data.at >= data.end:
            break
        opcode = data.byte()
        try:
            _one(opcode, data, stack, registers, read)
        except (IndexError, KeyError):
            raise FormatError(f"a DWARF expression lacks an operand of {opcode:#x}") from None
        if len(stack) > _DEEPEST:
            raise FormatError("a DWARF expression fills its stack")
    else:
        raise FormatError("a DWARF expression does not end")
    if not stack:
        raise FormatError("a DWARF expression is empty")
    return stack[-1]


def _one(opcode: int, data: Bytes, stack: list[int], registers: Mapping[int, int], read: ReadMemory) -> None:
    if 0x30 <= opcode <= 0x4F:  # lit0 to lit31
        stack.append(opcode - 0x30)
    elif 0x70 <= opcode <= 0x8F:  # breg0 to breg31
        stack.append(registers[opcode - 0x70] + data.sleb() & WORD)
    elif opcode == _REGISTER_X:
        stack.append(registers[data.uleb()] + data.sleb() & WORD)
    elif opcode in _CONSTANTS:
        size, signed = _CONSTANTS[opcode]
        stack.append(data.number(size, signed=signed) & WORD)
    elif opcode in _BINARY:
        top = stack.pop()
        stack.append(int(_BINARY[opcode](stack.pop(), top)) & WORD)
    elif opcode in _UNARY:
        stack.append(_UNARY[opcode](stack.pop()) & WORD)
    elif opcode in (_BRANCH, _SKIP):
        away = data.number(2, signed=True)
        if opcode == _SKIP or stack.pop():
            data.at += away
            if data.at < 0:
                raise FormatError("a DWARF expression jumps out of itself")
    else:
        _other(opcode, data, stack, read)


def _other(opcode: int, data: Bytes, stack: list[int], read: ReadMemory) -> None:  # noqa: PLR0912
    match opcode:
        case 0x06:  # deref
            stack.append(read_word(read, stack.pop()))
        case 0x94:  # deref_size
            size = data.byte()
            if not 1 <= size <= 8:
                raise FormatError(f"a DWARF expression reads {size} bytes")
            stack.append(read_word(read, stack.pop(), size))
        case 0x10:  # constu
            stack.append(data.uleb())
        case 0x11:  # consts
            stack.append(data.sleb() & WORD)
        case 0x12:  # dup
            stack.append(stack[-1])
        case 0x13:  # drop
            stack.pop()
        case 0x14:  # over
            stack.append(stack[-2])
        case 0x15:  # pick
            stack.append(stack[-1 - data.byte()])
        case 0x16:  # swap
            stack[-1], stack[-2] = stack[-2], stack[-1]
        case 0x17:  # rot
            stack[-1], stack[-2], stack[-3] = stack[-2], stack[-3], stack[-1]
        case 0x23:  # plus_uconst
            stack.append(stack.pop() + data.uleb() & WORD)
        case 0x96:  # nop
            pass
        case _:
            raise FormatError(f"the operation {opcode:#x} of DWARF expressions is not known here")
