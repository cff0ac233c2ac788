"""How other tools write the number of a system call."""

from __future__ import annotations

import re
from dataclasses import dataclass

from retrograde.errors import SyntaxUsageError

# Values of the audit field arch= (include/uapi/linux/audit.h: ELF machine | 64-bit 0x80000000 | little-endian
# 0x40000000), and the syscall table and ABI that they mean.
AUDIT_ARCHITECTURES: dict[int, tuple[str, bool]] = {
    0xC000003E: ("x86_64", False),
    0x40000003: ("x86_64", True),  # i386
    0xC00000B7: ("arm64", False),
    0x40000028: ("arm64", True),  # 32-bit arm
}
AUDIT_NAMES: dict[str, tuple[str, bool]] = {
    "x86_64": ("x86_64", False),
    "i386": ("x86_64", True),
    "aarch64": ("arm64", False),
    "arm": ("arm64", True),
}


@dataclass(frozen=True, slots=True)
class Pattern:
    """A way to write a call.

    Attributes:
        name: what writes so.
        expression: its group `nr` is the number; `args` the arguments in one text, and `arch` audit's architecture.
        base: of arguments without 0x; 0 where they themselves must tell (digits alone are decimal).
    """

    name: str
    expression: re.Pattern[str]
    base: int = 0


_NUMBER = r"0[xX][0-9a-fA-F]{1,16}|-?[0-9]{1,19}"

PATTERNS: tuple[Pattern, ...] = (
    # include/trace/events/syscalls.h: "NR %ld (%lx, %lx, ...)", "NR %ld = %ld"
    Pattern(
        "ftrace",
        re.compile(rf"\bsys_(?:enter|exit)\b\s*:\s*NR\s+(?P<nr>{_NUMBER})(?:\s*\((?P<args>[^()]*)\))?"),
        base=16,
    ),
    # kernel/auditsc.c, audit_seccomp(): arch=%x syscall=%d, then a0=%lx ... a3=%lx (SYSCALL) or ip=... (SECCOMP).
    # Its arguments are found by their names, whatever stands between.
    Pattern("audit", re.compile(r"\bsyscall=(?P<nr>-?[0-9]{1,19})\b"), base=16),
    # Hand-written hooks: "call syscall 0x122bbec0, 2: 0x3f, 3:0x8d66090": numbered fields, of which 2 is the number.
    # What the others are, each hook's author knows alone.
    Pattern("hook", re.compile(rf"\bsyscall\b[^,;]{{0,200}}[,;]\s*2\s*:\s*(?P<nr>{_NUMBER})")),
    # "syscall 63", "syscall: 63", "syscall nr 63", "syscall number=0x3f"
    Pattern(
        "number",
        re.compile(
            rf"\b(?:syscall|scno|sysno|syscall_nr)(?:\s+(?:nr|no|number|id))?\s*[:=#]?\s*(?P<nr>{_NUMBER})(?![\w,.:])"
        ),
    ),
)
ARCH_FIELD = re.compile(r"\barch=(?:(?P<hex>[0-9a-fA-F]{8})|(?P<name>x86_64|i386|aarch64|arm))\b")


def user_pattern(text: str) -> Pattern:
    """Return the pattern that a regular expression with a group `nr` (and perhaps `args`) says.

    Raises:
        SyntaxUsageError: it is no regular expression, or has no group of that name.
    """
    try:
        expression = re.compile(text)
    except re.error as error:
        position = error.pos if error.pos is not None else 0
        raise SyntaxUsageError(f"this is no regular expression: {error.msg}", text=text, position=position) from None
    except (OverflowError, RecursionError):
        raise SyntaxUsageError("this regular expression is too large", text=text, position=0) from None
    if "nr" not in expression.groupindex:
        hint = "for example: 'my_hook: call (?P<nr>\\d+) \\((?P<args>.*)\\)'"
        raise SyntaxUsageError("a group named nr is missing", text=text, position=0, length=len(text), hint=hint)
    return Pattern("pattern", expression)


def parse_number(text: str, base: int = 0) -> int | None:
    """Return the number that a text says (0x… is hexadecimal whatever the base), None where it says none."""
    digits = text.strip()
    negative, digits = digits.startswith("-"), digits.removeprefix("-")
    try:
        if digits[:2].lower() == "0x":
            number = int(digits, 16)
        elif base in (0, 10):
            number = int(digits, 10 if digits.isdigit() else 16)
        else:
            number = int(digits, base)
    except ValueError:
        return None
    return -number if negative else number
