"""Events as JSON: one object a line, the names of fields as keys; what an event does not have is left out."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from json.encoder import encode_basestring as quote
from typing import Any

from retrograde.events import Event
from retrograde.fields import Field, Value, lookup
from retrograde.printer.arguments import arguments
from retrograde.printer.defaults import DEFAULT_KEYS
from retrograde.printer.shapes import Texts
from retrograde.state.text import printable

# Fields of processes, threads, users, groups, containers and descriptors, and what the table names.
_OF_FEW_TEXTS = ("proc.", "thread.", "user.", "group.", "container.", "fd.")
_NAMES_OF_CALLS = frozenset({"evt.category", "evt.dir", "evt.res", "evt.type", "syscall.type"})

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def _encoded(value: Value) -> str:
    """Return a value as JSON: bytes that are no UTF-8 as `\\xff`, as lines show them."""
    # Each by itself: an encoder of whole objects is made anew for each of them.
    if isinstance(value, str):
        return quote(value if value.isascii() else _without_surrogates(value))
    if isinstance(value, list) and value and isinstance(value[0], str):
        return _encode([_without_surrogates(str(item)) for item in value])
    return _encode(value)


def _without_surrogates(text: str) -> str:
    return "".join(printable(part) if "\ud800" <= part <= "\udfff" else part for part in text)


class JsonLines:
    """Makes JSON of events.

    Args:
        fields: which; None for :data:`retrograde.printer.defaults.DEFAULT_KEYS`, the arguments as an object.
    """

    def __init__(self, fields: Sequence[Field] | None = None) -> None:
        chosen = [lookup(name) for name in DEFAULT_KEYS] if fields is None else fields
        self._members: list[tuple[str, Callable[[Event], Any], Callable[[Any], str]]] = []
        for field in dict.fromkeys(chosen):
            key = f"{quote(field.name)}:"
            if fields is None and field.name == "evt.args":
                self._members.append((key, _argument_object, str))
            else:
                self._members.append((key, field.extract, _encoder(field)))

    def line(self, event: Event) -> str:
        """Return the object of an event."""
        members = []
        for key, extract, encode in self._members:
            value = extract(event)
            if value is not None:
                members.append(key + encode(value))
        return "{" + ",".join(members) + "}"


def _repeats(name: str) -> bool:
    """Return whether few of a field's texts are different; to keep those of others would only fill the memory."""
    return (name.startswith(_OF_FEW_TEXTS) and name != "proc.env") or name in _NAMES_OF_CALLS


def _encoder(field: Field) -> Callable[[Any], str]:
    """Return what makes JSON of a field's values."""
    if field.type == "str" and _repeats(field.name):
        return Texts(_encoded).__getitem__
    return str if field.type in ("int", "time") else _encoded


def _argument_object(event: Event) -> str:
    """Return the result and the arguments by name."""
    return "{" + ",".join([f'"{name}":{quote(text)}' for name, text in dict(arguments(event)).items()]) + "}"
