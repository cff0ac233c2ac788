"""Show system calls live, of a command, of running processes, or of the whole system.

    retrograde trace -- curl http://localhost/
    retrograde trace 'evt.failed = true' --comm nginx
    retrograde trace -p 1234
    retrograde trace -p '%evt.time %proc.name %fd.name' 'evt.type = openat' --all

What the filter says of calls, processes and names is selected in the kernel already. The target is never held back;
what could not be captured in time is counted and said. -w NAME keeps the recording.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from retrograde import filters
from retrograde.cli import reading
from retrograde.cli.output import talk
from retrograde.cli.record import chosen_folder, finish
from retrograde.errors import EXIT_DONE, UsageError
from retrograde.record.options import add_capture_arguments, add_target_arguments, options_from
from retrograde.record.session import start_capture

HELP = "show system calls live"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    raise NotImplementedError


def run(arguments: argparse.Namespace) -> int:
    """Trace until the target ends or somebody interrupts."""
    raise NotImplementedError
