"""Formats that the user writes: `-p '%evt.time %20proc.name *%fd.name'`.

`%field` prints a field, `%Nfield` pads or cuts it to N characters, `%%` is a percent sign. A line on which a field is
missing is left out, unless the format begins with `*`: then `<NA>` stands for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from retrograde.errors import SyntaxUsageError
from retrograde.events import Event
from retrograde.fields import Field, UnknownFieldError, Value, lookup
from retrograde.printer.times import clock_text
from retrograde.state.text import printable

MISSING = "<NA>"

# A field's name ends where neither a further part nor a parameter in brackets follows.
_FIELD = re.compile(r"(\d{0,4})([A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*(?:\[\d+\])?)")
_ESCAPES = {"n": "\n", "t": "\t", "\\": "\\"}


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a format: text, or a field with a width (0 for its own)."""

    text: str
    field: Field | None = None
    width: int = 0


def value_text(field: Field, value: Value) -> str:
    """Return a field's value as text for a line."""
    if field.type == "time" and isinstance(value, int):
        return clock_text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(map(str, value))
    return printable(value) if isinstance(value, str) else str(value)


class Format:
    """A format, parsed and checked.

    Args:
        text: as the user wrote it.
        output_time: returns what `%evt.outputtime` prints, as the option -t asks; None for the time of day.

    Attributes:
        fields: those it names, in order.
        lenient: whether missing fields print as `<NA>`.

    Raises:
        SyntaxUsageError: a field does not exist, or a percent sign stands alone; a caret shows where.
    """

    def __init__(self, text: str, output_time: Callable[[Event], str] | None = None) -> None:
        self.text = text
        self.lenient = text.startswith("*")
        self._output_time = output_time
        self._pieces = _parse(text, 1 if self.lenient else 0)
        self.fields = [piece.field for piece in self._pieces if piece.field is not None]

    def line(self, event: Event) -> str | None:
        """Return the line of an event, None where a field is missing and the format is not lenient."""
        parts = []
        for piece in self._pieces:
            if piece.field is None:
                parts.append(piece.text)
                continue
            if piece.field.name == "evt.outputtime" and self._output_time is not None:
                text = self._output_time(event)
            else:
                value = piece.field.extract(event)
                if value is None and not self.lenient:
                    return None
                text = MISSING if value is None else value_text(piece.field, value)
            parts.append(text.ljust(piece.width)[: piece.width] if piece.width else text)
        return "".join(parts)


def _parse(text: str, start: int) -> list[Piece]:
    pieces: list[Piece] = []
    literal = ""
    at = start
    while at < len(text):
        character = text[at]
        if character == "\\" and text[at + 1 : at + 2] in _ESCAPES:
            literal += _ESCAPES[text[at + 1]]
            at += 2
        elif character != "%":
            literal += character
            at += 1
        elif text[at + 1 : at + 2] == "%":
            literal += "%"
            at += 2
        else:
            match = _FIELD.match(text, at + 1)
            if match is None:
                hint = "%field prints a field, %% a percent sign; `retrograde fields` lists the fields"
                raise SyntaxUsageError("a field's name is missing behind %", text=text, position=at, hint=hint)
            field, end = _field_at(text, match)
            if literal:
                pieces.append(Piece(literal))
                literal = ""
            pieces.append(Piece("", field, int(match[1] or 0)))
            at = end
    if literal:
        pieces.append(Piece(literal))
    return pieces


def _field_at(text: str, match: re.Match[str]) -> tuple[Field, int]:
    """Return the field that a match names, and where it ends.

    `%proc.name.` and `%fd.num[1]` at the end of a name are a field and text: the longest name that exists counts.
    """
    name = match[2]
    for length in [len(name), *(m.start() for m in reversed(list(re.finditer(r"[.\[]", name))))]:
        try:
            return lookup(name[:length]), match.start(2) + length
        except UnknownFieldError:
            continue
    try:
        lookup(name)
    except UnknownFieldError as error:
        hint = f"did you mean {error.nearest}?" if error.nearest else error.hint
        place = {"text": text, "position": match.start(2), "length": len(name)}
        raise SyntaxUsageError(error.message, hint=hint, **place) from None  # type: ignore[arg-type]
    raise AssertionError(name)
