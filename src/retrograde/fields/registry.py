"""The registry of fields: what a filter may compare and a format may print."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal

from retrograde.errors import UsageError
from retrograde.events import Event

# A list holds numbers or texts; a comparison with it holds if it does for any element.
Value = int | str | bool | list[int] | list[str]
Extract = Callable[[Event], Value | None]
Choices = Callable[[], Collection[str]]
FieldType = Literal["int", "str", "bool", "time", "list"]
# What the capture can select by itself (retrograde-capture's --syscall, --pid, --comm).
KernelKey = Literal["syscall", "pid", "comm"]
# What the numbers of a field count; a filter may then write them as 10ms or 64K.
Unit = Literal["ns", "bytes"]
Element = Literal["int", "str"]


@dataclass(frozen=True, slots=True)
class Field:
    """A property of an event.

    Attributes:
        name: `proc.name`, or with its parameter `evt.arg.flags`, `proc.aname[2]`.
        type: of the values. A `time` is ns of CLOCK_REALTIME; durations are an `int` of ns.
        description: what it is, for people.
        extract: returns the value for an event that a :class:`retrograde.state.Tracker` has seen, None where there
            is none.
        kernel: by which of the capture's own selections an equality may be pushed into the kernel, or None.
        unit: what an `int` counts, None for plain numbers.
        choices: returns all values that a `str` may have, None where they can't be listed.
        element: type of what a `list` holds.
    """

    name: str
    type: FieldType
    description: str
    extract: Extract
    kernel: KernelKey | None = None
    unit: Unit | None = None
    choices: Choices | None = None
    element: Element = "str"


@dataclass(frozen=True, slots=True)
class Family:
    """Fields that take a parameter.

    Attributes:
        name: how it is written in lists: `evt.arg.NAME`, `proc.aname[N]`.
        make: returns the extractor for a parameter.
    """

    name: str
    type: FieldType
    description: str
    make: Callable[[str], Extract]

    @property
    def pattern(self) -> re.Pattern[str]:
        """Matches the names of its fields; group 1 is the parameter."""
        if self.name.endswith("[N]"):
            return re.compile(re.escape(self.name[:-3]) + r"\[(\d{1,4})\]")
        return re.compile(re.escape(self.name.removesuffix("NAME")) + r"([A-Za-z_][A-Za-z0-9_]*)")


class UnknownFieldError(UsageError):
    """There is no such field.

    Attributes:
        name: the name that was asked for.
        nearest: the most similar name there is, or None.
    """

    code = "unknown-field"

    def __init__(self, name: str, nearest: str | None) -> None:
        hint = f"did you mean {nearest}?" if nearest else "`retrograde fields` lists them"
        super().__init__(f"there is no field {name!r}", hint=hint)
        self.name = name
        self.nearest = nearest


FIELDS: dict[str, Field] = {}
FAMILIES: dict[str, Family] = {}
_made: dict[str, Field] = {}


def define(
    name: str,
    kind: FieldType,
    description: str,
    *,
    kernel: KernelKey | None = None,
    unit: Unit | None = None,
    choices: Choices | None = None,
    element: Element = "str",
) -> Callable[[Extract], Extract]:
    """Enter the decorated function as the extractor of a field."""

    def enter(extract: Extract) -> Extract:
        FIELDS[name] = Field(name, kind, description, extract, kernel, unit, choices, element)
        return extract

    return enter


def define_family(
    name: str, kind: FieldType, description: str
) -> Callable[[Callable[[str], Extract]], Callable[[str], Extract]]:
    """Enter the decorated function, which makes an extractor of a parameter, as a family of fields."""

    def enter(make: Callable[[str], Extract]) -> Callable[[str], Extract]:
        FAMILIES[name] = Family(name, kind, description, make)
        return make

    return enter


def lookup(name: str) -> Field:
    """Return the field of that name, parametrised ones included.

    Raises:
        UnknownFieldError: there is none; it names the nearest.
    """
    field = FIELDS.get(name) or _made.get(name)
    if field is not None:
        return field
    for family in FAMILIES.values():
        match = family.pattern.fullmatch(name)
        if match:
            field = Field(name, family.type, family.description, family.make(match[1]))
            if len(_made) < 4096:
                _made[name] = field
            return field
    raise UnknownFieldError(name, nearest(name))


def nearest(name: str) -> str | None:
    """Return the field or family whose name is most like ``name``, None where none is."""
    names = [*FIELDS, *FAMILIES]
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if near:
        return near[0]
    # `pid` alone means proc.pid, `process.name` means proc.name.
    last = name.rpartition(".")[2]
    by_last = {known.rpartition(".")[2]: known for known in reversed(names)}
    near = difflib.get_close_matches(last, by_last, n=1, cutoff=0.8)
    return by_last[near[0]] if near else None


def with_prefix(prefix: str) -> list[Field | Family]:
    """Return the fields and families whose names begin with ``prefix``, in the order of their definition."""
    return [entry for name, entry in (FIELDS | FAMILIES).items() if name.startswith(prefix)]
