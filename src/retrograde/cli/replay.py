"""Run a recording again, in gdb, forwards and backwards.

    retrograde replay                      debug the latest recording in gdb, from its start
    retrograde replay --at-end             from its failure: then `reverse-continue`, `reverse-next`, `watch` …
    retrograde replay crash-0 --event 1234
    retrograde replay --check              run it to the end and compare everything with the recording
    retrograde replay --port 1234          only serve, for `target remote :1234`
    retrograde replay crash-0 -- -batch -x script.gdb

The run is exactly the recorded one: all that the program gets from outside comes from the recording, and nothing that
it does reaches the outside. In gdb, `when` tells the next event, `seek EVENT` goes to one, `events [FILTER]` lists
them, and `checkpoint` and `restart` work as ever. What the program wrote to its terminal is shown again.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from retrograde.cli.reading import add_recording_arguments, chosen, open_recording
from retrograde.errors import EXIT_DONE, UsageError

if TYPE_CHECKING:
    from retrograde.replay.debuggee import Stop
    from retrograde.replay.replay_debuggee import ReplayDebuggee

HELP = "run a recording again, in gdb, forwards and backwards"


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
    if arguments.check:
        return _check(arguments)
    from retrograde.replay.replay_debuggee import ReplayDebuggee

    with (
        open_recording(chosen(arguments)[0]) as recording,
        ReplayDebuggee(recording, pid=arguments.pid, echo=not arguments.quiet) as replay,
    ):
        stop = _begin(replay, arguments)
        if arguments.port is not None:
            from retrograde.gdbstub.server import listen_tcp, serve

            with listen_tcp(arguments.port) as listener:
                print(f"gdb can connect now: gdb -ex 'target remote :{arguments.port}'", file=sys.stderr)
                serve(replay, listener, stop=stop)
            return EXIT_DONE
        from retrograde.gdbstub.launch import debug

        return debug(replay, arguments.gdb_arguments, stop=stop)


def _begin(replay: ReplayDebuggee, arguments: argparse.Namespace) -> Stop | None:
    if arguments.at_end:
        return replay.seek_end()
    if arguments.event is not None:
        return replay.seek(arguments.event)
    return None


def _check(arguments: argparse.Namespace) -> int:
    from retrograde.replay.check import check

    if arguments.at_end or arguments.event is not None or arguments.gdb_arguments:
        raise UsageError("--check runs the whole recording: --at-end, --event and arguments for gdb do not fit")
    with open_recording(chosen(arguments)[0]) as recording:
        report = check(recording, echo=not arguments.quiet)
        sys.stdout.flush()
        print(report, file=sys.stderr)
    return EXIT_DONE
