"""What a recording holds, for people and for programs: `ls` and `info` show it."""

from __future__ import annotations

import shlex
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from retrograde.errors import RetrogradeError
from retrograde.recording.reader import Recording


def printable(text: str) -> str:
    """Return ``text`` without what a terminal would obey: a recording may come from anyone."""
    return "".join(letter if letter.isprintable() else "." for letter in text)


@dataclass(slots=True, frozen=True)
class Description:
    """A recording in one line.

    Attributes:
        name, path: what and where.
        command: the started command, None where none was.
        started_ns: ns of CLOCK_REALTIME.
        duration_ns: of the capture where it is known, else from the first event to the last.
        events, lost: rows that are there; events that the capture lost.
        size: bytes on disk.
        state: `complete`, `incomplete` (still being written, or the capture was killed), `cut off`, `damaged`,
            `unreadable`.
        problem: the first problem, None where there is none.
    """

    name: str
    path: str
    command: list[str] | None
    started_ns: int | None
    duration_ns: int | None
    events: int
    lost: int
    size: int
    state: str
    problem: str | None

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON's types."""
        return asdict(self)


def command_text(command: object) -> str:
    """Return a command as one would type it."""
    if not isinstance(command, list):
        return ""
    return printable(" ".join(shlex.quote(str(word)) for word in command))


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def describe(recording: Recording) -> Description:
    """Describe an open recording."""
    info, scan, end = recording.info, recording.summary, recording.end or {}
    duration = _number(end.get("duration_ns"))
    if duration is None and scan.time_min is not None and scan.time_max is not None:
        duration = scan.time_max - scan.time_min
    problems = recording.problems
    if recording.complete:
        state = "damaged" if problems else "complete"
    else:
        state = "incomplete" if recording.incomplete else "cut off"
    command = info.get("command")
    return Description(
        recording.name,
        str(recording.path),
        [str(word) for word in command] if isinstance(command, list) else None,
        _number(info.get("realtime_ns")),
        duration,
        scan.events,
        recording.lost,
        recording.stored_size,
        state,
        problems[0] if problems else None,
    )


def describe_path(path: Path) -> Description:
    """Describe a recording, or say why it cannot be read."""
    try:
        with Recording(path) as recording:
            return describe(recording)
    except RetrogradeError as error:
        return Description(path.name, str(path), None, None, None, 0, 0, 0, "unreadable", error.message)
