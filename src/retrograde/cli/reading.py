"""What the verbs that read a recording share: naming it, filtering, printing, and telling what it lacks."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retrograde.cli.output import talk
from retrograde.errors import NotFoundError, SyntaxUsageError, UsageError
from retrograde.recording import Recording
from retrograde.recording.store import LATEST, resolve
from retrograde.syscalls import load

if TYPE_CHECKING:
    from retrograde.filters import Filter


def add_recording_arguments(parser: argparse.ArgumentParser, *, filter: bool = True) -> None:
    """Add RECORDING, and FILTER unless it is not wanted."""
    parser.add_argument(
        "recording", metavar="RECORDING", nargs="?", default=None, help="name or path of a recording (default: latest)"
    )
    if filter:
        parser.add_argument(
            "filter",
            metavar="FILTER",
            nargs="?",
            default=None,
            help="which events; `retrograde fields` lists the fields",
        )

    _accept_words_behind_options(parser)


def _accept_words_behind_options(parser: argparse.ArgumentParser) -> None:
    """Let FILTER stand behind an option: argparse takes all positional words from one place only (bpo-14191)."""
    parse = parser.parse_known_args

    def parse_known_args(args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        found, rest = parse(args, namespace)
        left = []
        for word in rest:
            slot = next((slot for slot in ("recording", "filter") if getattr(found, slot, word) is None), None)
            if slot is None or word.startswith("-"):
                left.append(word)
            else:
                setattr(found, slot, word)
        return found, left

    parser.parse_known_args = parse_known_args  # type: ignore[method-assign]


def _is_recording(name: str) -> bool:
    try:
        resolve(name)
    except (NotFoundError, UsageError):
        return False
    return True


def chosen(arguments: argparse.Namespace) -> tuple[str, Filter | None]:
    """Return the recording's name and the filter that the positional arguments say.

    A single word that names no recording is taken as a filter; where it is both, it is a recording, and that is said.

    Raises:
        NotFoundError: it is neither.
        SyntaxUsageError: the filter is wrong.
    """
    name: str | None = arguments.recording
    text: str | None = getattr(arguments, "filter", None)
    if name is None or text is not None or not hasattr(arguments, "filter"):
        return name if name is not None else LATEST, _parsed(text)
    if _is_recording(name):
        if "." in name and _parses(name):  # as all names of fields have
            talk(
                f"{name!r} is a recording and a filter: the recording is read (`latest {name!r}` takes it as a filter)"
            )
        return name, None
    if _parses(name):
        return LATEST, _parsed(name)
    # What has blanks or operators was meant as a filter: its own message is the helpful one.
    if any(sign in name for sign in " =<>()") or _is_field(name):
        return LATEST, _parsed(name)
    try:
        resolve(name)
    except NotFoundError as error:
        raise NotFoundError(f"{error.message}, and it is no filter", hint=error.hint) from None
    raise AssertionError(name)


def _is_field(name: str) -> bool:
    from retrograde.fields import UnknownFieldError, lookup

    try:
        lookup(name)
    except UnknownFieldError:
        return False
    return True


def _parsed(text: str | None) -> Filter | None:
    if text is None or not text.strip():
        return None
    from retrograde.filters import parse

    return parse(text)


def _parses(text: str) -> bool:
    try:
        return _parsed(text) is not None
    except SyntaxUsageError:
        return False


def open_recording(name: str | Path) -> Recording:
    """Open a recording that a user named."""
    return Recording(name)


def report_problems(recording: Recording) -> None:
    """Say on stderr what the recording lacks: what was lost, damaged or cut off. Called once, at the end."""
    for problem in recording.problems:
        talk(f"{recording.name}: {problem}")
    for line in loss_lines(recording):
        talk(f"{recording.name}: {line}")


def loss_lines(recording: Recording) -> list[str]:
    """Return a line for what the capture lost: how many events, when, of which calls."""
    losses = recording.losses
    if not losses:
        return []
    calls = load(recording.arch).calls
    by_name: dict[str, int] = {}
    total = 0
    start = recording.info.get("boottime_ns", 0)
    times = []
    for loss in losses:
        total += _number(loss.get("lost"))
        times += [_number(loss.get("from_ns")), _number(loss.get("to_ns"))]
        counts = loss.get("by_syscall")
        for number, count in counts.items() if isinstance(counts, dict) else ():
            nr = int(number) if str(number).lstrip("-").isdecimal() else -1
            name = calls[nr].name if nr in calls else ("other events" if nr < 0 else f"unknown({nr})")
            by_name[name] = by_name.get(name, 0) + _number(count)
    ranked = sorted(by_name.items(), key=lambda item: (-item[1], item[0]))
    named = ", ".join(f"{name} {count}" for name, count in ranked[:8]) + (", …" if len(ranked) > 8 else "")
    base = start if isinstance(start, int) else 0
    first, last = ((time - base) / 1e9 for time in (min(times), max(times)))
    events = "event was" if total == 1 else "events were"
    return [f"{total} {events} lost by the capture between {first:.3f} s and {last:.3f} s ({named})"]


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
