"""Count a recording's calls: how often, how they failed, how long they took, how much they moved.

    retrograde stats
    retrograde stats 'evt.failed = true' --sort errors
    retrograde stats curl-0 --by peer
    retrograde stats --json | jq .syscalls.read

Times are the time from a call's start to its end, waiting included. Percentiles are within 0.4 %.
A fork counts once, by its return in the parent; `read` and `export` also have the child's, with the result 0.
"""

from __future__ import annotations

import argparse
import json

from retrograde.cli.output import talk
from retrograde.cli.reading import add_recording_arguments, chosen, open_recording, report_problems
from retrograde.errors import EXIT_DONE
from retrograde.stats import BYS, SORTS, Summary, collect

HELP = "count a recording's events by syscall, process, file or peer"


def add_summary_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that `stats` and `top` share."""
    parser.add_argument("--by", choices=BYS, default="syscall", help="what to group calls by (default: syscall)")
    parser.add_argument("--sort", choices=SORTS, default="time", help="what stands first (default: total time)")
    parser.add_argument("-n", "--limit", type=int, metavar="N", help="show only the first N")
    parser.add_argument("--json", action="store_true", help="as JSON, times in ns")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    add_recording_arguments(parser)
    add_summary_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the statistics."""
    name, wanted = chosen(arguments)
    with open_recording(name) as recording:
        summary = collect(recording, arguments.by, wanted)
        show(summary, arguments)
        report_problems(recording)
    return EXIT_DONE


def show(summary: Summary, arguments: argparse.Namespace) -> None:
    """Print a summary on stdout."""
    if arguments.json:
        print(json.dumps(summary.json(arguments.sort, arguments.limit), ensure_ascii=True))
        return
    if not summary.groups:
        talk(f"{summary.events:,} events, and none is about a {summary.by}")
        return
    from retrograde.cli.tables import print_table

    print_table(summary.table(arguments.sort, arguments.limit))
