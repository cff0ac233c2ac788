"""Finding the calls in a line and naming them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from retrograde.decode.patterns import ARCH_FIELD, AUDIT_ARCHITECTURES, AUDIT_NAMES, PATTERNS, Pattern, parse_number
from retrograde.syscalls import Table, load

_LONGEST = 1 << 14  # of a line; what is longer is no log line, and matching it would take long
_AUDIT_ARGUMENT = re.compile(r"\ba([0-9])=([0-9a-fA-F]{1,16})\b")
_AUDIT_REACH = 1024  # characters behind the number within which the arguments stand
_VALUE = re.compile(r"0[xX][0-9a-fA-F]+|-?[0-9a-fA-F]+")


@dataclass(frozen=True, slots=True)
class Match:
    """A call in a line.

    Attributes:
        pattern: what writes so: `ftrace`, `audit`, `hook`, `number` or `pattern`.
        start, end: where the number stands in the line.
        number: of the call.
        arch: `x86_64` or `arm64`.
        compat: whether it is a 32-bit call (i386, arm).
        name: of the call, None where the architecture has no such number.
        arguments: names and numbers; where the table has no name for one it is `argN`.
    """

    pattern: str
    start: int
    end: int
    number: int
    arch: str
    compat: bool
    name: str | None
    arguments: list[tuple[str, int]] = field(default_factory=list)

    @property
    def text(self) -> str:
        """What is added to the line: `read(fd=0x3, buf=0x7f..., count=0x40)`, or that the number is unknown."""
        abi = {"x86_64": "i386", "arm64": "arm"}[self.arch] if self.compat else self.arch
        if self.name is None:
            return f"unknown {abi} system call {self.number}"
        if self.compat:
            return f"{self.name} ({abi})"
        if not self.arguments:
            return self.name
        return f"{self.name}({', '.join(f'{name}=0x{value & (1 << 64) - 1:x}' for name, value in self.arguments)})"

    def json(self) -> dict[str, Any]:
        """Return it as `--json` prints it."""
        return {
            "pattern": self.pattern,
            "nr": self.number,
            "arch": self.arch,
            "compat": self.compat,
            "name": self.name,
            "args": dict(self.arguments),
        }


class Decoder:
    """Finds system calls in lines.

    Args:
        arch: of numbers on lines that do not say theirs.
        patterns: those of the user, which come before the known ones.
        only_these: whether to leave the known ones out.
    """

    def __init__(self, arch: str, patterns: tuple[Pattern, ...] = (), *, only_these: bool = False) -> None:
        self.arch = arch
        self.patterns = patterns if only_these else (*patterns, *PATTERNS)

    @cached_property
    def _tables(self) -> dict[str, Table]:
        return {}

    def table(self, arch: str) -> Table:
        """Return the syscall table of an architecture."""
        if arch not in self._tables:
            self._tables[arch] = load(arch)
        return self._tables[arch]

    def matches(self, line: str) -> list[Match]:
        """Return the calls in a line: all that the first fitting pattern finds."""
        line = line[:_LONGEST]
        for pattern in self.patterns:
            found = [
                match
                for match in (self._match(pattern, each, line) for each in pattern.expression.finditer(line))
                if match
            ]
            if found:
                return found
        return []

    def _match(self, pattern: Pattern, found: re.Match[str], line: str) -> Match | None:
        if found["nr"] is None:
            return None
        number = parse_number(found["nr"])
        if number is None:
            return None
        arch, compat = self._architecture(pattern, line)
        table = self.table(arch)
        values = self._values(pattern, found)
        arguments: list[tuple[str, int]] = []
        if compat:
            name = table.compat_name(number)
        else:
            padded = [values.get(place, 0) & (1 << 64) - 1 for place in range(6)]
            syscall = table.choose(number, tuple(padded)) if values else table.calls.get(number)
            name = syscall.name if syscall is not None else None
            if syscall is not None and values:
                params = [param.name for param in syscall.params]
                # Tracers print all six registers; those behind the last parameter mean nothing.
                arguments = [(params[place], value) for place, value in sorted(values.items()) if place < len(params)]
        return Match(pattern.name, found.start("nr"), found.end("nr"), number, arch, compat, name, arguments)

    def _architecture(self, pattern: Pattern, line: str) -> tuple[str, bool]:
        said = ARCH_FIELD.search(line)
        if said is not None:
            known = AUDIT_ARCHITECTURES.get(int(said["hex"], 16)) if said["hex"] else AUDIT_NAMES.get(said["name"])
            if known is not None:
                return known
        return self.arch, False

    @staticmethod
    def _values(pattern: Pattern, found: re.Match[str]) -> dict[int, int]:
        """Return the arguments by position, as far as the line has them."""
        if pattern.name == "audit":
            near = found.string[found.end() : found.end() + _AUDIT_REACH]
            pairs = ((int(place), int(value, 16)) for place, value in _AUDIT_ARGUMENT.findall(near))
            return {place: value for place, value in pairs if place < 6}
        text = found.groupdict().get("args")
        if not text:
            return {}
        values = (parse_number(each, pattern.base) for each in _VALUE.findall(text)[:6])
        return {place: value for place, value in enumerate(values) if value is not None}


def annotate(line: str, matches: list[Match]) -> str:
    """Return the line with what the calls are behind it; as it was where there is none."""
    if not matches:
        return line
    return f"{line}  # {'; '.join(match.text for match in matches)}"
