"""Write a recording's events as a Parquet dataset or as JSON lines.

    retrograde export --parquet DIR
    retrograde export nginx-3 'evt.failed = true' --json > failed.jsonl
    duckdb -c "select process, syscall, count(*) from 'DIR/**/*.parquet' group by all order by 3 desc"

Each recording is a partition of the dataset, `DIR/recording=NAME/`: export several to one DIR and query them together.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
import sys
from pathlib import Path

from retrograde.cli.output import talk
from retrograde.errors import EXIT_DONE, CannotError, RetrogradeError, UsageError
from retrograde.recording import Recording

HELP = "write a recording as Parquet or JSON"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("recording", nargs="?", default="latest", metavar="RECORDING", help="name or path")
    parser.add_argument("filter", nargs="?", metavar="FILTER", help="which events (default: all)")
    way = parser.add_mutually_exclusive_group(required=True)
    way.add_argument("--parquet", metavar="DIR", help="a Parquet dataset in DIR")
    way.add_argument("--json", action="store_true", help="JSON lines on stdout, or in --output")
    parser.add_argument("-o", "--output", metavar="FILE", help="file for --json")
    parser.add_argument("--force", action="store_true", help="replace what is there")


def run(arguments: argparse.Namespace) -> int:
    """Export."""
    from retrograde.export import export_json, export_parquet

    if arguments.output and not arguments.json:
        raise UsageError("--output goes with --json; --parquet names its folder itself")
    with Recording(arguments.recording) as recording:
        if arguments.parquet:
            partition, rows = export_parquet(
                recording, Path(arguments.parquet), filter_text=arguments.filter, force=arguments.force
            )
            talk(f"{rows:,} rows in {partition}")
        elif arguments.output:
            path = Path(arguments.output)
            if path.is_dir():
                raise UsageError(f"{path} is a folder", hint="--output names a file")
            if path.exists() and not arguments.force:
                raise UsageError(f"{path} exists already", hint="replace it with --force")
            talk(f"{_export_to(path, recording, arguments.filter):,} lines in {path}")
        else:
            export_json(recording, sys.stdout, filter_text=arguments.filter)
        for problem in recording.problems:
            talk(problem)
    return EXIT_DONE


def _export_to(path: Path, recording: Recording, filter_text: str | None) -> int:
    """Write JSON lines to a file, which is not left behind unfinished, and return their number."""
    from retrograde.export import export_json

    if path.exists() and not path.is_file():  # a pipe, a device
        with path.open("w", encoding="utf-8") as file:
            return export_json(recording, file, filter_text=filter_text)
    temporary = None
    try:
        target = Path(os.path.realpath(path))  # a link stays one; Path.resolve() raises RuntimeError at a loop
        temporary, descriptor = _open_beside(target)
        with open(descriptor, "w", encoding="utf-8") as file:
            lines = export_json(recording, file, filter_text=filter_text)
        temporary.replace(target)
    except RetrogradeError:
        raise
    except OSError as error:
        raise CannotError(f"{path} cannot be written: {error.strerror or error}") from None
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):  # not there any more
                temporary.unlink()
    return lines


def _open_beside(path: Path) -> tuple[Path, int]:
    """Make a file beside another, under a name that nobody can guess, and return it with its descriptor."""
    temporary = path.with_name(f".{secrets.token_hex(16)}.json")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return temporary, os.open(temporary, flags, 0o600)  # it holds the program's data, as the recording does
