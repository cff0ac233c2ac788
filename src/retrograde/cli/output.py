"""Talk goes to stderr; data goes to stdout."""

from __future__ import annotations

import sys


def talk(*lines: str) -> None:
    """Say something to the person at the terminal; the first line says who speaks."""
    for number, line in enumerate(lines):
        print(f"retrograde: {line}" if number == 0 else line, file=sys.stderr)
