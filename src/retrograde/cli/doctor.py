"""Tell what this machine can do, and the line that mends what it can't.

    retrograde doctor
    retrograde doctor --json
    retrograde doctor --require ebpf --require gdb && retrograde record ./server

Back ends are tried on the program `true`. The exit code is 0 whatever is missing, unless it was required: then it is 3.
"""

from __future__ import annotations

import argparse
import json

from rich.table import Table
from rich.text import Text

from retrograde.capability import CHECKS, Finding, Machine, examine
from retrograde.cli.output import talk
from retrograde.cli.tables import print_table
from retrograde.errors import EXIT_CANNOT, EXIT_DONE

HELP = "what this machine can do, and the line that fixes what it can't"
_STYLES = {"OK": "green", "degraded": "yellow", "missing": "red"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument(
        "--require",
        action="append",
        default=[],
        choices=list(CHECKS),
        metavar="NAME",
        help=f"exit with 3 if this is missing: {', '.join(CHECKS)}",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print what was found."""
    findings = examine(Machine())
    if arguments.json:
        print(json.dumps([finding.json() for finding in findings], indent=2))
    else:
        _print(findings)
    required = [finding for finding in findings if finding.name in arguments.require and finding.status == "missing"]
    for finding in required:
        remedy = (finding.remedy,) if finding.remedy else ()
        talk(f"{finding.name} is required and missing: {finding.value}", *remedy)
    return EXIT_CANNOT if required else EXIT_DONE


def _print(findings: list[Finding]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("check", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("found", overflow="fold")
    table.add_column("for")
    for finding in findings:
        status = Text(finding.status, style=_STYLES[finding.status])
        table.add_row(finding.name, status, Text(finding.value), Text(finding.purpose))
    print_table(table)
    # Lines to be pasted stand by themselves, so that no column breaks them.
    mended = [finding for finding in findings if finding.status != "OK" and finding.remedy]
    if mended:
        print("\nto mend it:")
    width = max((len(finding.name) for finding in mended), default=0)
    for finding in mended:
        print(f"  {finding.name:<{width}}  {finding.remedy}")
