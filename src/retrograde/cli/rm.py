"""Remove recordings. Nothing is asked.

    retrograde rm ls-0 ls-1
    retrograde rm --all

A path outside the folder of recordings is refused unless --force says so, and links are never followed out of it. Of
a folder only the files that a recording consists of are removed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from retrograde.errors import EXIT_DONE, EXIT_FAILED, RetrogradeError, UsageError
from retrograde.recording.store import (
    is_inside,
    is_recording,
    list_recordings,
    mend_latest,
    recordings_folder,
    remove,
    resolve,
)

HELP = "remove recordings"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("recordings", nargs="*", metavar="RECORDING", help="names or paths")
    parser.add_argument("--all", action="store_true", help="all in the folder of recordings")
    parser.add_argument("--force", action="store_true", help="also what lies outside the folder of recordings")


def run(arguments: argparse.Namespace) -> int:
    """Remove."""
    if arguments.all == bool(arguments.recordings):
        raise UsageError("name recordings, or --all" if not arguments.all else "--all takes no names")
    if arguments.all:
        paths = list_recordings()
    else:
        # All are checked before the first is removed.
        paths = list(dict.fromkeys(_checked(name, force=arguments.force) for name in arguments.recordings))
    failures: list[RetrogradeError] = []
    for path in paths:
        try:
            remove(path)
        except RetrogradeError as error:
            failures.append(error)
    mend_latest()
    if failures:
        raise _all_of(failures)
    return EXIT_DONE


def _all_of(failures: list[RetrogradeError]) -> RetrogradeError:
    if len(failures) == 1:
        return failures[0]
    error = RetrogradeError("\n".join(str(failure) for failure in failures))
    error.exit_code = max(EXIT_FAILED, *(failure.exit_code for failure in failures))
    return error


def _checked(name: str, *, force: bool) -> Path:
    path = resolve(name)
    if not force and not is_inside(path):
        raise UsageError(
            f"{path} lies outside of {recordings_folder()}", hint=f"retrograde rm --force {path}    removes it"
        )
    if not is_recording(path):
        raise UsageError(f"{path} is no recording", hint="`retrograde ls` lists the recordings")
    return path
