"""Count system calls live: the busiest first, refreshed.

    retrograde top
    retrograde top 'evt.failed = true' --by process
    retrograde top --pid 1234 --interval 2
    retrograde top --json -- ./server

Each table is of the last interval, or of everything since the start with --total. Without a command or a choice of
processes it is of the whole system. Ctrl-C ends it.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from retrograde.cli.stats import add_summary_arguments, show
from retrograde.errors import EXIT_DONE, UsageError
from retrograde.filters import Filter, parse
from retrograde.record.options import add_capture_arguments, add_target_arguments, options_from
from retrograde.record.session import start_capture
from retrograde.state import Context
from retrograde.stats import Collector, Summary, feed
from retrograde.syscalls import load

if TYPE_CHECKING:
    from retrograde.recording import Block

HELP = "the same, live"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    add_summary_arguments(parser)
    parser.add_argument("--interval", type=float, default=1.0, metavar="SECONDS", help="between tables (default: 1)")
    parser.add_argument("--total", action="store_true", help="count from the start, not from the last table")
    add_target_arguments(parser)
    add_capture_arguments(parser)
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="[FILTER] [-- COMMAND [ARGUMENT...]]")


def split_words(words: list[str]) -> tuple[str | None, list[str]]:
    """Return the filter and the command of `[FILTER] [-- COMMAND…]`."""
    if "--" not in words:
        before, command = words, []
    else:
        at = words.index("--")
        before, command = words[:at], words[at + 1 :]
    if len(before) > 1:
        raise UsageError(
            f"{before[1]!r} stands behind the filter",
            hint="options stand before the filter; a command stands behind --",
        )
    return (before[0] if before else None), command


def run(arguments: argparse.Namespace) -> int:
    """Show tables until the target ends or somebody interrupts."""
    if not 0.05 <= arguments.interval <= 3600:
        raise UsageError(f"--interval {arguments.interval:g}: needed are 0.05 to 3600 seconds")
    text, command = split_words(arguments.words)
    wanted = parse(text) if text is not None and text.strip() else None
    options = options_from(arguments, command=command, grade="observe")
    if not (command or options.pids or options.comms or options.cgroups):
        options.everything = True
    if options.syscalls is None and wanted is not None and arguments.by not in ("file", "peer"):
        selected = wanted.kernel_selection()["syscalls"]
        if selected:
            options.syscalls = sorted(selected & set(load(_machine()).by_name)) or None
    with start_capture(options) as capture:
        recording = capture.recording()
        watch(recording.blocks(), recording.info, wanted, arguments)
    return EXIT_DONE


def _machine() -> str:
    import platform

    return {"aarch64": "arm64"}.get(platform.machine(), "x86_64")


def watch(
    blocks: Iterable[Block], info: Mapping[str, Any], wanted: Filter | None, arguments: argparse.Namespace
) -> None:
    """Show a table of a growing block stream at each interval, and one at its end."""
    collector = Collector(load(Context.from_info(info).arch), arguments.by, wanted)
    lock = threading.Lock()
    failures: list[BaseException] = []

    def work() -> None:
        try:
            feed(collector, blocks, info, lock)
        except BaseException as error:  # handed over to the thread that can report it
            failures.append(error)

    worker = threading.Thread(target=work, daemon=True)
    live, refresh = _display(arguments)
    with live:
        since = time.monotonic()
        worker.start()
        going_on = True
        while going_on:
            worker.join(arguments.interval)
            going_on = worker.is_alive()
            now = time.monotonic()
            with lock:
                refresh(collector.summary(duration_s=now - since))
                if not arguments.total:
                    collector.clear()
                    since = now
    if failures:
        raise failures[0]


def _display(arguments: argparse.Namespace) -> tuple[AbstractContextManager[Any], Callable[[Summary], None]]:
    """Return what to keep open meanwhile, and what shows a summary."""
    if arguments.json or not sys.stdout.isatty():

        def write(summary: Summary) -> None:
            show(summary, arguments)
            sys.stdout.flush()

        return nullcontext(), write
    from rich.live import Live

    live = Live(auto_refresh=False, transient=False)

    def draw(summary: Summary) -> None:
        room = max(1, live.console.height - 4)
        live.update(summary.table(arguments.sort, min(arguments.limit or room, room)), refresh=True)

    return live, draw
