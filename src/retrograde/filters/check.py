"""From a comparison in the tree to a test of the field's value, with every word checked.

Rules that the grammar does not show:

- A comparison is false where the event has no such value; so `fd.name != x` wants a descriptor, and
  `not fd.name = x` does not.
- With a list (`fd.port`, `proc.aname`) a comparison holds if it does for any element, but `!=` only if for all.
- `glob` compares the whole text, its `*` also matches `/`. `regex` searches anywhere in the text, with Python's syntax:
  anchor it with ^ and $. `pmatch` asks whether a path is one of those given or lies below one.
- A recording is untrusted, a filter is its user's own: a regular expression that backtracks without end against some
  text is not guarded against.
"""

from __future__ import annotations

import difflib
import errno
import fnmatch
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

from retrograde.errors import SyntaxUsageError
from retrograde.events import Event
from retrograde.fields import Field, UnknownFieldError, Value, lookup
from retrograde.filters.syntax import Comparison, Constant, Place
from retrograde.filters.values import TimeOfDay, ValueProblemError, parse_bool, parse_int, parse_time, time_of_day

Scalar = Literal["int", "str", "bool", "time"]
Test = Callable[[Any], bool]

_ORDER = ("=", "!=", "<", "<=", ">", ">=", "in")
_TEXT = ("=", "!=", "contains", "icontains", "startswith", "endswith", "glob", "regex", "in", "pmatch")
_ALLOWED: dict[Scalar, tuple[str, ...]] = {
    "int": _ORDER,
    "time": _ORDER,
    "bool": ("=", "!=", "in"),
    "str": _TEXT,
}
_NAMES: dict[Scalar, str] = {"int": "a number", "time": "a time", "bool": "true or false", "str": "a text"}
# Data whose bytes stand as Latin-1 characters; what the user types is UTF-8.
_BYTES = frozenset({"evt.buffer"})
# Of errors with two names, Python and the table do not always take the same.
_PRINTED_ERRORS = {"ENOTSUP": "EOPNOTSUPP", "EDEADLOCK": "EDEADLK"}
# What stands for numbers without a name: unknown(1234), 4001.
_UNNAMED = re.compile(r"unknown\(-?\d+\)|\d+")


@dataclass(frozen=True, slots=True)
class Check:
    """A comparison that is known to make sense.

    Attributes:
        comparison: as it stands in the tree.
        field: that it compares.
        operator: as in the comparison, but `intersects` is `in`.
        constants: the values, of the field's type.
        test: of one scalar; for a list, of each element.
    """

    comparison: Comparison
    field: Field
    operator: str
    constants: tuple[Any, ...]
    test: Test

    def holds(self, value: Value | None) -> bool:
        """Return whether the comparison holds for a value of the field."""
        if value is None:
            return False
        if isinstance(value, list):
            if self.operator == "exists":
                return bool(value)
            combine = all if self.operator == "!=" and value else any
            return combine(map(self.test, value))
        return self.test(value)

    def matches(self, event: Event) -> bool:
        """Return whether it holds for an event."""
        return self.holds(self.field.extract(event))


def bind(comparison: Comparison, text: str) -> Check:
    """Check a comparison of the filter ``text``.

    Raises:
        SyntaxUsageError: there is no such field or value, or the operator does not fit the field.
    """
    return _Binder(comparison, text).bind()


class _Binder:
    def __init__(self, comparison: Comparison, text: str) -> None:
        self.comparison = comparison
        self.text = text

    def fail(self, message: str, place: Place, hint: str | None = None) -> NoReturn:
        raise SyntaxUsageError(message, text=self.text, position=place.position, length=place.length, hint=hint)

    def bind(self) -> Check:
        comparison = self.comparison
        field = self.field()
        operator = "in" if comparison.operator == "intersects" else comparison.operator
        if operator == "exists":
            return Check(comparison, field, operator, (), lambda value: True)
        kind: Scalar = field.element if field.type == "list" else field.type
        self.check_operator(field, kind)
        constants = tuple(self.constant(field, kind, value) for value in comparison.values)
        make = _text_test if kind == "str" else _time_test if kind == "time" else _order_test
        if operator == "regex":
            return Check(comparison, field, operator, constants, self.regex(comparison.values[0], constants[0]))
        return Check(comparison, field, operator, constants, make(operator, constants))

    def field(self) -> Field:
        name, place = self.comparison.name, self.comparison.name_place
        try:
            return lookup(name)
        except UnknownFieldError as error:
            hint = f"did you mean {error.nearest}?" if error.nearest else "`retrograde fields` lists them"
            self.fail(f"there is no field {name!r}", place, hint)

    def check_operator(self, field: Field, kind: Scalar) -> None:
        operator = self.comparison.operator
        # A set of values can be intersected with a list; where there is one value it is the same as `in`.
        allowed = (*_ALLOWED[kind], "intersects", "exists")
        if operator not in allowed:
            what = "a list" if field.type == "list" else _NAMES[kind]
            self.fail(
                f"`{operator}` does not fit {field.name}, which is {what}",
                self.comparison.operator_place,
                f"its operators are {' '.join(allowed)}",
            )

    def constant(self, field: Field, kind: Scalar, value: Constant) -> Any:
        try:
            if kind == "int":
                return parse_int(value.text, field.unit)
            if kind == "bool":
                return parse_bool(value.text)
            if kind == "time":
                return parse_time(value.text)
        except ValueProblemError as problem:
            self.fail(f"{value.text!r} does not fit {field.name}: {problem}", value.place)
        self.check_choice(field, value)
        if field.name in _BYTES:
            return value.text.encode("utf-8", "surrogateescape").decode("latin-1")
        return value.text

    def check_choice(self, field: Field, value: Constant) -> None:
        if field.choices is None or self.comparison.operator not in ("=", "!=", "in", "intersects"):
            return
        known = field.choices()
        if value.text in known or _UNNAMED.fullmatch(value.text):
            return
        # The first match decides: another name of the same error, one that differs in case, the most similar.
        folded = {choice.lower(): choice for choice in known}
        same = errno.errorcode.get(getattr(errno, value.text.upper(), -1), "") if field.name == "evt.res" else ""
        candidates = (_PRINTED_ERRORS.get(same, same), folded.get(value.text.lower(), ""))
        near = [choice for choice in candidates if choice in known]
        near = near or _similar(value.text, sorted(known))
        if near:
            hint = f"did you mean {near[0]}?"
        else:
            hint = (
                f"there are {' '.join(known)}" if len(known) <= 20 else f"`retrograde fields {field.name}` explains it"
            )
        noun = "system call or event" if field.kernel == "syscall" else f"value of {field.name}"
        self.fail(f"there is no {noun} {value.text!r}", value.place, hint)

    def regex(self, value: Constant, pattern: str) -> Test:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                search = re.compile(pattern, re.DOTALL).search
        except re.error as error:
            self.fail(f"this is no regular expression: {error}", value.place)
        except (OverflowError, RecursionError, ValueError):
            self.fail("this regular expression is too large", value.place)
        return lambda text: search(text) is not None


def _similar(word: str, known: Sequence[str]) -> list[str]:
    """Return the most similar of the known words: one with the same letters in another order wins over others."""
    near = difflib.get_close_matches(word, known, n=5, cutoff=0.6)
    near.sort(key=lambda candidate: sorted(candidate) != sorted(word))
    return near


def _order_test(operator: str, constants: tuple[Any, ...]) -> Test:
    first = constants[0]
    if operator == "in":
        return frozenset(constants).__contains__
    tests: dict[str, Test] = {
        "=": lambda value: bool(value == first),
        "!=": lambda value: bool(value != first),
        "<": lambda value: bool(value < first),
        "<=": lambda value: bool(value <= first),
        ">": lambda value: bool(value > first),
        ">=": lambda value: bool(value >= first),
    }
    return tests[operator]


def _time_test(operator: str, constants: tuple[Any, ...]) -> Test:
    if operator == "in":
        each = [_time_test("=", (constant,)) for constant in constants]
        return lambda value: any(test(value) for test in each)
    if isinstance(constants[0], TimeOfDay):
        test = _order_test(operator, (constants[0].ns,))
        return lambda value: test(time_of_day(value))
    return _order_test(operator, constants)


def _text_test(operator: str, constants: tuple[str, ...]) -> Test:
    first = constants[0]
    if operator in ("=", "!=", "in"):
        return _order_test(operator, constants)
    if operator == "pmatch":
        return _path_test(constants)
    if operator == "glob":
        matches = re.compile(fnmatch.translate(first)).match
        return lambda text: matches(text) is not None
    folded = first.casefold()
    tests: dict[str, Test] = {
        "contains": lambda text: first in text,
        "icontains": lambda text: folded in text.casefold(),
        "startswith": lambda text: bool(text.startswith(first)),
        "endswith": lambda text: bool(text.endswith(first)),
    }
    return tests.get(operator, bool)


def _path_test(paths: tuple[str, ...]) -> Test:
    roots = tuple(path.rstrip("/") for path in paths)
    below = tuple(root + "/" for root in roots)
    return lambda text: text.rstrip("/") in roots or text.startswith(below)
