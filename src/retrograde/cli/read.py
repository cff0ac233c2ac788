"""Print a recording's events.

    retrograde read
    retrograde read ls-0 'evt.failed = true'
    retrograde read 'proc.name = nginx and evt.latency > 10ms' --latency
    retrograde read -p '%evt.time %proc.name %fd.name'
    retrograde read --json | jq .

One line a call, written when it returned: its number, time, CPU, thread, and `name=value` for the result and each
argument. A single argument that names no recording is taken as a filter of the latest one.
"""

from __future__ import annotations

import argparse

from retrograde.cli.printing import EventPrinter, add_output_arguments, check_output_arguments
from retrograde.cli.reading import add_recording_arguments, chosen, open_recording, report_problems
from retrograde.errors import EXIT_DONE

HELP = "print a recording's events"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    add_recording_arguments(parser)
    add_output_arguments(parser)
    parser.add_argument("--enter", action="store_true", help="also print a line (>) where each call began")


def run(arguments: argparse.Namespace) -> int:
    """Print the events."""
    check_output_arguments(arguments)
    name, wanted = chosen(arguments)
    with open_recording(name) as recording:
        printer = EventPrinter(arguments, recording.info, wanted)
        if arguments.enter:
            from retrograde.cli.entering import print_with_beginnings

            print_with_beginnings(recording, printer)
        else:
            for block in recording.blocks():
                printer.block(block)
                if printer.done:
                    break
        printer.finish()
        report_problems(recording)
    return EXIT_DONE
