"""Show system calls live, of a command, of running processes, or of the whole system.

    retrograde trace -- curl http://localhost/
    retrograde trace --comm nginx 'evt.failed = true'
    retrograde trace -p 1234
    retrograde trace --all -p '%evt.time %proc.name %fd.name' 'evt.type = openat'

Options stand before the filter, a command behind --. What the filter says of calls and process ids is selected in the
kernel already. The target is never held back; what could not be captured in time is counted and said at the end.
-p takes a process id as strace's does, or a format as sysdig's does. -w NAME keeps the recording.
"""

from __future__ import annotations

import argparse

from retrograde.cli.live import add_live_arguments, live_options
from retrograde.cli.printing import EventPrinter, add_output_arguments, check_output_arguments
from retrograde.cli.reading import report_problems
from retrograde.cli.record import chosen_folder, finish
from retrograde.errors import EXIT_DONE
from retrograde.record.session import start_capture

HELP = "show system calls live"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("-w", "--write", metavar="NAME", help="keep the recording under this name")
    parser.add_argument("--force", action="store_true", help="replace a recording of that name")
    parser.add_argument("-q", "--quiet", action="store_true", help="print no events (with -w)")
    add_output_arguments(parser)
    add_live_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Trace until the target ends or somebody interrupts."""
    if arguments.format is not None and arguments.format.isdecimal():
        arguments.pid, arguments.format = [*arguments.pid, int(arguments.format)], None
    check_output_arguments(arguments)
    options, wanted = live_options(arguments)
    keep = chosen_folder(arguments.write, "trace", force=arguments.force) if arguments.write else None
    with start_capture(options, keep) as live:
        recording = live.recording()
        printer = EventPrinter(arguments, recording.info, wanted)
        for block in recording.blocks():
            if not arguments.quiet:
                printer.block(block)
                printer.flush()
            if printer.done:
                break
        printer.finish()
        if printer.done:
            live.capture.interrupt()
        live.capture.wait()
        report_problems(recording)
    if keep is not None:
        finish(keep, quiet=False)
    return EXIT_DONE
