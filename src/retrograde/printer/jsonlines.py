"""Events as JSON: one object a line, the names of fields as keys; what an event does not have is left out."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from retrograde.events import Event
from retrograde.fields import Field, lookup
from retrograde.printer.defaults import DEFAULT_KEYS
from retrograde.state.text import printable

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_Json = int | str | bool | list[int] | list[str]


def _fit(value: _Json) -> _Json:
    """Return a value that JSON can hold: bytes that are no UTF-8 as `\\xff`, as lines show them."""
    if isinstance(value, str):
        return value if value.isascii() else _without_surrogates(value)
    if isinstance(value, list) and value and isinstance(value[0], str):
        return [_without_surrogates(str(item)) for item in value]
    return value


def _without_surrogates(text: str) -> str:
    return "".join(printable(part) if "\ud800" <= part <= "\udfff" else part for part in text)


class JsonLines:
    """Makes JSON of events.

    Args:
        fields: which; None for :data:`retrograde.printer.defaults.DEFAULT_KEYS`, the arguments as an object.
    """

    def __init__(self, fields: Sequence[Field] | None = None) -> None:
        chosen = [lookup(name) for name in DEFAULT_KEYS] if fields is None else fields
        self._extract: list[tuple[str, Callable[[Event], _Json | dict[str, str] | None]]] = []
        for field in dict.fromkeys(chosen):
            extract = _argument_object if fields is None and field.name == "evt.args" else field.extract
            self._extract.append((field.name, extract))

    def line(self, event: Event) -> str:
        """Return the object of an event."""
        found = {}
        for name, extract in self._extract:
            value = extract(event)
            if value is not None:
                found[name] = value if isinstance(value, dict) else _fit(value)
        return _encode(found)


def _argument_object(event: Event) -> dict[str, str]:
    """Return the result and the arguments by name."""
    from retrograde.printer.arguments import arguments

    return dict(arguments(event))
