"""Run a recording again, in gdb, forwards and backwards.

    retrograde replay                      # debug the latest recording in gdb, from its start
    retrograde replay --at-end             # from its failure: `reverse-continue`, `reverse-next`, `watch` …
    retrograde replay crash-0 --event 1234
    retrograde replay --check              # run it to the end and compare everything with the recording
    retrograde replay --port 1234          # only serve, for `target remote :1234`
    retrograde replay crash-0 -- -batch -x script.gdb

The run is exactly the recorded one: all that the program gets from outside comes from the recording, and nothing that
it does reaches the outside. In gdb, `when` tells the next event, `seek EVENT` goes to one, `events [FILTER]` lists
them, and `checkpoint` and `restart` work as ever. What the program wrote to its terminal is shown again.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from typing import TYPE_CHECKING, Any

from retrograde.cli.output import talk
from retrograde.cli.reading import add_recording_arguments, chosen, open_recording
from retrograde.errors import EXIT_DONE, CannotError, FormatError, UsageError

if TYPE_CHECKING:
    from retrograde.recording import Recording
    from retrograde.replay.debuggee import Stop
    from retrograde.replay.replay_debuggee import ReplayDebuggee

HELP = "run a recording again, in gdb, forwards and backwards"

_LAST_PORT = 65535


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    add_recording_arguments(parser, filter=False)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help="run to the end and verify everything that can be; no gdb")
    what.add_argument("--port", type=int, metavar="N", help="serve gdb's remote protocol on this loopback port; no gdb")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--at-end", action="store_true", help="begin at the failure, or the end")
    where.add_argument("--event", type=int, metavar="N", help="begin where event N is about to happen")
    parser.add_argument("--pid", type=int, metavar="PID", help="the process to debug; the first one by default")
    parser.add_argument(
        "--checksums", action="store_true", help="with --check: compare the memory, too (record with --checksums)"
    )
    parser.add_argument("--quiet", action="store_true", help="do not show again what the program printed")
    parser.set_defaults(gdb_arguments=[])
    parser.epilog = "Words behind `--` are arguments for gdb."
    _keep_what_is_gdbs(parser)


def _keep_what_is_gdbs(parser: argparse.ArgumentParser) -> None:
    """Leave the words behind `--` alone: argparse would take the first of them for the recording."""
    parse = parser.parse_known_args

    def parse_known_args(args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        words = list(sys.argv[1:] if args is None else args)
        at = words.index("--") if "--" in words else len(words)
        found, rest = parse(words[:at], namespace)
        found.gdb_arguments = words[at + 1 :]
        return found, rest

    parser.parse_known_args = parse_known_args  # type: ignore[method-assign]


def run(arguments: argparse.Namespace) -> int:
    """Check, serve or debug."""
    _reject_what_does_not_fit(arguments)
    with _opened(arguments) as recording:
        return _check(recording, arguments) if arguments.check else _debug(recording, arguments)


def _reject_what_does_not_fit(arguments: argparse.Namespace) -> None:
    if arguments.check and (
        arguments.at_end or arguments.event is not None or arguments.pid is not None or arguments.gdb_arguments
    ):
        raise UsageError(
            "--check runs the whole recording: --at-end, --event, --pid and arguments for gdb do not fit",
        )
    if arguments.checksums and not arguments.check:
        raise UsageError("--checksums is a part of what --check verifies", hint="retrograde replay --check --checksums")
    if arguments.port is not None and arguments.gdb_arguments:
        raise UsageError("--port starts no gdb: arguments for gdb do not fit")
    if arguments.port is not None and not 0 <= arguments.port <= _LAST_PORT:
        raise UsageError(f"{arguments.port} is no port: 0 to {_LAST_PORT} are, and 0 takes a free one")
    if arguments.event is not None and arguments.event < 0:
        raise UsageError(f"there is no event {arguments.event}: the first one is 0")


def _opened(arguments: argparse.Namespace) -> Recording:
    """Open the recording that is asked for.

    Raises:
        CannotError: it is none, or one of a newer format.
    """
    try:
        recording = open_recording(chosen(arguments)[0])
        _ = recording.info  # reads it
    except FormatError as error:
        raise CannotError(error.message, hint=error.hint) from None
    return recording


def _debug(recording: Recording, arguments: argparse.Namespace) -> int:
    from retrograde.gdbstub.launch import debug, find_gdb, gdb_command
    from retrograde.replay.replay_debuggee import ReplayDebuggee

    if arguments.port is None:
        find_gdb()
    with ReplayDebuggee(recording, pid=arguments.pid, echo=not arguments.quiet) as replay:
        size = recording.summary.events
        if arguments.event is not None and arguments.event > size:
            raise UsageError(f"there is no event {arguments.event}: {recording.name} has {size}")
        for problem in recording.problems:
            talk(f"{recording.name}: {problem}: it is replayed as far as it goes")
        if arguments.port is None:
            return debug(replay, arguments.gdb_arguments, to=_first_place(arguments))
        stop = _begin(replay, arguments)
        from retrograde.gdbstub.server import listen_tcp, serve

        with listen_tcp(arguments.port) as listener:
            address = f"127.0.0.1:{listener.getsockname()[1]}"
            print(f"gdb can connect now: {shlex.join(gdb_command('gdb', address))}", file=sys.stderr)
            serve(replay, listener, stop=stop)
        return EXIT_DONE


def _first_place(arguments: argparse.Namespace) -> str | None:
    """Return where to begin, as gdb's command `seek` has it."""
    if arguments.at_end:
        return "end"
    return None if arguments.event is None else str(arguments.event)


def _begin(replay: ReplayDebuggee, arguments: argparse.Namespace) -> Stop | None:
    if arguments.at_end:
        return replay.seek_end()
    if arguments.event is not None:
        return replay.seek(arguments.event)
    return None


def _check(recording: Recording, arguments: argparse.Namespace) -> int:
    from retrograde.replay.check import check

    report = check(recording, echo=not arguments.quiet, checksums=arguments.checksums)
    sys.stdout.flush()
    print(report, file=sys.stderr)
    return EXIT_DONE
