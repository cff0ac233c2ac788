"""What the verbs that watch a running capture share: what is to be captured, and what of it the kernel selects."""

from __future__ import annotations

import argparse
import platform
import shutil

from retrograde.errors import SyntaxUsageError, UsageError
from retrograde.filters import Filter, parse
from retrograde.filters.kernel import state_calls
from retrograde.record.options import CaptureOptions, add_capture_arguments, add_target_arguments, options_from
from retrograde.syscalls import load


def add_live_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of a capture, FILTER and the command."""
    add_target_arguments(parser)
    add_capture_arguments(parser)
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="[FILTER] [-- COMMAND [ARGUMENT...]]")


def split_words(words: list[str]) -> tuple[str | None, list[str]]:
    """Return the filter and the command of `[FILTER] [-- COMMAND…]`.

    Raises:
        UsageError: there is more than a filter before the command.
    """
    at = words.index("--") if "--" in words else len(words)
    before, command = words[:at], words[at + 1 :]
    if len(before) > 1:
        raise UsageError(
            f"{before[1]!r} stands behind the filter",
            hint="options stand before the filter; a command stands behind --",
        )
    return (before[0] if before else None), command


def _filter(text: str) -> Filter:
    """Parse the filter; `retrograde trace ls` was meant otherwise."""
    try:
        return parse(text)
    except SyntaxUsageError:
        if shutil.which(text) is None:
            raise
        raise UsageError(f"{text!r} is no filter", hint=f"a command stands behind `--`, as in: -- {text}") from None


def live_options(arguments: argparse.Namespace) -> tuple[CaptureOptions, Filter | None]:
    """Return what to capture and which of its events are wanted; with nothing chosen it is the whole system.

    Raises:
        UsageError: the words or the filter are wrong.
    """
    text, command = split_words(arguments.words)
    wanted = _filter(text) if text is not None and text.strip() else None
    options = options_from(arguments, command=command, grade="observe")
    if not (command or options.pids or options.comms or options.cgroups):
        options.everything = True
    if wanted is not None:
        select_in_kernel(options, wanted)
    return options, wanted


def select_in_kernel(options: CaptureOptions, wanted: Filter) -> None:
    """Let the capture leave out what the filter excludes for certain.

    Calls that open, close and name things are captured in any case: without them descriptors would have no names.
    """
    selection = wanted.kernel_selection()
    if options.syscalls is None and selection["syscalls"] is not None:
        table = load({"aarch64": "arm64"}.get(platform.machine(), "x86_64"))
        options.syscalls = sorted((selection["syscalls"] | state_calls()) & set(table.by_name))
    if options.everything and selection["pids"]:
        options.pids, options.everything = sorted(selection["pids"]), False
