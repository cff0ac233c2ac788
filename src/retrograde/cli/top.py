"""Count system calls live: the busiest first, refreshed.

    retrograde top
    retrograde top --by process 'evt.failed = true'
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

from retrograde.cli.live import add_live_arguments, live_options
from retrograde.cli.reading import report_problems
from retrograde.cli.stats import add_summary_arguments, show
from retrograde.errors import EXIT_DONE, UsageError
from retrograde.filters import Filter
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
    add_live_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Show tables until the target ends or somebody interrupts."""
    if not 0.05 <= arguments.interval <= 3600:
        raise UsageError(f"--interval {arguments.interval:g}: needed are 0.05 to 3600 seconds")
    options, wanted = live_options(arguments)
    with start_capture(options) as capture:
        recording = capture.recording()
        watch(recording.blocks(), recording.info, wanted, arguments)
        report_problems(recording)
    return EXIT_DONE


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
