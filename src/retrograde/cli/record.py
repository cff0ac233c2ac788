"""Record a program's run, lossless: every system call with the data that the kernel returned.

    retrograde record ls -l
    retrograde record -o before-the-crash -- ./server --port 8080

The program runs as it would without us, and its exit status is passed on (128 + N if signal N killed it). The
recording is called <program>-<n>, and the link `latest` names it. Nothing is lost: when the capture can't keep up,
the program waits.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from retrograde.cli.output import talk
from retrograde.errors import EXIT_DONE, EXIT_FAILED, RetrogradeError, UsageError
from retrograde.record.options import add_capture_arguments, options_from
from retrograde.record.report import Outcome
from retrograde.record.session import Capture
from retrograde.recording import store

HELP = "record a program's run, lossless"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("-o", "--output", metavar="NAME", help="name or folder of the recording (default: <exe>-<n>)")
    parser.add_argument("--force", action="store_true", help="replace a recording of that name")
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing at the end")
    add_capture_arguments(parser)
    replay = parser.add_argument_group("for `retrograde replay --check --checksums`")
    replay.add_argument(
        "--checksums", action="store_true", help="take checksums of each process's memory, ten times a second"
    )
    replay.add_argument("--checksum-interval", metavar="TIME", help="the same, so often (10ms, 1s)")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="[--] COMMAND [ARGUMENT...]")


def command_of(words: list[str]) -> list[str]:
    """Return the command of a remainder that may begin with `--`."""
    return words[1:] if words[:1] == ["--"] else words


def run(arguments: argparse.Namespace) -> int:
    """Record, and return the program's exit status."""
    command = command_of(arguments.command)
    if not command:
        raise UsageError("there is no command to record", hint="for example: retrograde record ls -l")
    folder = chosen_folder(arguments.output, Path(command[0]).name, force=arguments.force)
    capture = Capture(options_from(arguments, command=command, grade="replay"), folder)
    try:
        capture.wait()
    except RetrogradeError as error:
        if error.exit_code != EXIT_FAILED or not folder.exists():
            return error.exit_code  # the capture program has said why
        raise
    outcome = finish(folder, quiet=arguments.quiet)
    # Where the capture was told to end before the program, as by --duration, it has done what it was to do.
    return outcome.exit_code if outcome.exit_code is not None else EXIT_DONE


def chosen_folder(output: str | None, exe: str, *, force: bool = False) -> Path:
    """Return where a new recording goes.

    Args:
        output: a name, a path (with a slash), or None for `<exe>-<n>`.
        exe: the program's name.
        force: remove a recording that is there already.

    Raises:
        UsageError: it exists, and ``force`` is not set.
    """
    if output is None:
        return store.new_recording_path(exe)
    folder = Path(output) if os.sep in output else store.make_recordings_folder() / output
    if folder.exists():
        if not force:
            raise UsageError(f"{folder} exists already", hint="choose another name, or replace it with --force")
        store.remove(folder)
    return folder


def finish(folder: Path, *, quiet: bool) -> Outcome:
    """Make a recording that has just ended the latest one, say what it holds, and return how it went."""
    if folder.parent == store.recordings_folder():
        store.set_latest(folder)
    outcome = Outcome.of(folder)
    if not quiet:
        talk(f"recorded {outcome.summary()}", *outcome.next_commands())
        for line in outcome.caveats():
            talk(line)
    return outcome
