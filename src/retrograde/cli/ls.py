"""List the recordings, oldest first.

    retrograde ls
    retrograde ls --json

Recordings live in $RETROGRADE_DIR, else $XDG_DATA_HOME/retrograde, else ~/.local/share/retrograde. The state is
`complete`; `incomplete` where the capture still writes or was killed; `cut off`, `damaged` or `unreadable`
(`retrograde info NAME` says why).
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import datetime

from retrograde.errors import EXIT_DONE
from retrograde.recording.describe import Description, command_text, describe_path, printable
from retrograde.recording.store import list_recordings, recordings_folder

HELP = "list recordings"
_HEADS = ("NAME", "STARTED", "DURATION", "EVENTS", "LOST", "SIZE", "STATE", "COMMAND")
_RIGHT = {2, 3, 4, 5}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("--json", action="store_true", help="as a JSON array")


def size_text(size: int) -> str:
    """Return a number of bytes as people read it."""
    amount = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


def duration_text(duration_ns: int | None) -> str:
    """Return a duration as people read it."""
    return "" if duration_ns is None else f"{duration_ns / 1e9:,.3f} s"


def started_text(started_ns: int | None) -> str:
    """Return a time of day, in this machine's time zone."""
    if started_ns is None:
        return ""
    try:
        return datetime.fromtimestamp(started_ns / 1e9).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return "?"


def _row(description: Description) -> tuple[str, ...]:
    return (
        printable(description.name),
        started_text(description.started_ns),
        duration_text(description.duration_ns),
        f"{description.events:,}",
        f"{description.lost:,}",
        size_text(description.size),
        description.state,
        command_text(description.command),
    )


def run(arguments: argparse.Namespace) -> int:
    """List."""
    descriptions = [describe_path(path) for path in list_recordings()]
    if arguments.json:
        print(json.dumps([description.as_dict() for description in descriptions], indent=2))
        return EXIT_DONE
    if not descriptions:
        print(f"retrograde: there is no recording in {recordings_folder()} yet", file=sys.stderr)
        print("retrograde record -- ls    makes one", file=sys.stderr)
        return EXIT_DONE
    rows = [_HEADS, *(_row(description) for description in descriptions)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADS))]
    for row in rows:
        cells = [
            cell.rjust(width) if column in _RIGHT else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())
    return EXIT_DONE
