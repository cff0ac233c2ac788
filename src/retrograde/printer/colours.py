"""Colours, on a terminal only."""

from __future__ import annotations

import os
from typing import IO, NamedTuple


class Palette(NamedTuple):
    """Escape sequences of a line's parts; all empty without colours."""

    number: str = ""
    time: str = ""
    thread: str = ""
    type: str = ""
    error: str = ""
    other: str = ""
    end: str = ""


PLAIN = Palette()
TERMINAL = Palette(
    number="\033[2m",
    time="\033[2m",
    thread="\033[36m",
    type="\033[1m",
    error="\033[31m",
    other="\033[33m",
    end="\033[0m",
)


def palette(choice: str, stream: IO[str]) -> Palette:
    """Return the palette that fits.

    Args:
        choice: `always`, `never`, or `auto`: on a terminal that is not dumb, unless NO_COLOR is set
            (https://no-color.org).
        stream: where the lines go.
    """
    if choice == "auto":
        allowed = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        choice = "always" if allowed and stream.isatty() else "never"
    return TERMINAL if choice == "always" else PLAIN
