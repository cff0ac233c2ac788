r"""Put names to raw system call numbers in logs that other tools made.

    dmesg | retrograde decode --arch arm64
    retrograde decode /sys/kernel/tracing/trace
    retrograde decode --pattern 'enter (?P<nr>\d+) \((?P<args>.*)\)' my.log

Known are ftrace's `sys_enter: NR 63 (...)`, audit's and seccomp's `arch=c00000b7 syscall=63`, whose arch= decides the
architecture, hand-written hooks that number their fields (`syscall 0x122bbec0, 2: 0x3f, 3:0x8d66090`: field 2 is the
number), and plain `syscall 63`. Each line is written as it is, with ` # name(arguments)`
behind it.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Iterator
from typing import IO

from retrograde.cli.output import talk
from retrograde.decode import Decoder, annotate, user_pattern
from retrograde.errors import EXIT_DONE, EXIT_FAILED

HELP = "put names to raw syscall numbers in other tools' logs"
_ARCHITECTURES = {"x86_64": "x86_64", "x86-64": "x86_64", "amd64": "x86_64", "arm64": "arm64", "aarch64": "arm64"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("files", metavar="FILE", nargs="*", help="logs to read; - or none for stdin")
    parser.add_argument(
        "--arch",
        choices=sorted(_ARCHITECTURES),
        metavar="ARCH",
        help="of numbers whose line does not say: x86_64, arm64 (default: this machine's)",
    )
    parser.add_argument(
        "--pattern",
        action="append",
        default=[],
        metavar="REGEX",
        help="another way to write a call: group nr is the number, group args (if any) the arguments",
    )
    parser.add_argument("--json", action="store_true", help="an object a line, of lines with a call only")


def run(arguments: argparse.Namespace) -> int:
    """Decode the files."""
    arch = _ARCHITECTURES.get(arguments.arch or platform.machine(), "x86_64")
    decoder = Decoder(arch, tuple(map(user_pattern, arguments.pattern)))
    failed = False
    for name in arguments.files or ["-"]:
        try:
            for line in _lines(name):
                _write(line, decoder, arguments.json)
                if name == "-":
                    sys.stdout.flush()  # somebody may be watching: dmesg -w | retrograde decode
        except BrokenPipeError:
            raise
        except OSError as error:
            talk(f"{name}: {error.strerror}")
            failed = True
    return EXIT_FAILED if failed else EXIT_DONE


def _lines(name: str) -> Iterator[str]:
    if name == "-":
        yield from _decoded(sys.stdin.buffer)
        return
    with open(name, "rb") as file:
        yield from _decoded(file)


def _decoded(file: IO[bytes]) -> Iterator[str]:
    for line in file:
        yield line.decode("utf-8", "surrogateescape").rstrip("\n")


def _write(line: str, decoder: Decoder, as_json: bool) -> None:
    matches = decoder.matches(line)
    if not as_json:
        # The bytes of the log pass through unchanged, whatever they are.
        sys.stdout.buffer.write((annotate(line, matches) + "\n").encode("utf-8", "surrogateescape"))
    elif matches:
        plain = line.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        print(json.dumps({"line": plain, "calls": [match.json() for match in matches]}))
