"""Record a real program's run and look at it: an HTTP server and its client, from start to end.

The server is Python's own http.server on loopback, its client is a second Python. One of the files that the client
asks for cannot be read: the recording tells why.
"""

from __future__ import annotations

import argparse
import os
import shlex
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from retrograde import cli
from retrograde.errors import EXIT_DONE
from retrograde.record.report import Outcome
from retrograde.recording import store

HELP = "the main job, on real programs, start to end"

_CLIENT = """
import sys, time, urllib.error, urllib.request
base = sys.argv[1]
for attempt in range(100):
    try:
        urllib.request.urlopen(base + "/greeting.txt").read()
        break
    except OSError:
        time.sleep(0.05)
for name in ["greeting.txt"] * 20 + ["missing.txt"]:
    try:
        print(urllib.request.urlopen(f"{base}/{name}").read().decode(), end="")
    except urllib.error.HTTPError as error:
        print(f"{name}: {error.code} {error.reason}")
"""

_SCRIPT = """
{python} -m http.server {port} --bind 127.0.0.1 --directory {folder} > /dev/null 2>&1 &
{python} {client} http://127.0.0.1:{port} | sort | uniq -c
kill $!
"""

_NAME = "demo"
_ROUNDS = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""


def run(_arguments: argparse.Namespace) -> int:
    """Tell the story."""
    with tempfile.TemporaryDirectory(prefix="retrograde-demo-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        command = _command(folder)
        _say("A shell script starts an HTTP server and a client that asks it for a few files.")
        bare = [_seconds(command) for _ in range(_ROUNDS)]
        _say("Recorded, it runs as before; its output is its own:")
        recorded = [_record(command, quiet=number < _ROUNDS - 1) for number in range(_ROUNDS)]
    outcome = recorded[-1]
    _say("Who talked to whom:")
    _show("read", _NAME, "fd.l4proto = tcp and evt.type in (accept4, connect) and evt.failed = false", "-n", "6")
    _say("What the server read from its first client, and what it answered:")
    _show("read", _NAME, "fd.l4proto = tcp and evt.is_io = true and evt.buflen > 0", "-n", "4")
    _say("The client was told 404. Which call of the server failed?")
    _show("read", _NAME, "evt.failed = true and evt.args contains missing.txt")
    _say("Where the time went:")
    _show("stats", _NAME, "--limit", "8")
    without, with_us = statistics.median(bare), statistics.median(each.seconds for each in recorded)
    _say(
        f"What it cost: {without:.3f} s bare, {with_us:.3f} s recorded ({with_us / without:.2f} times as long; medians "
        f"of {_ROUNDS}), {outcome.events:,} events, {outcome.lost} lost, {outcome.bytes / 1024:.0f} KiB on disk."
    )
    print("\nNext:  retrograde record COMMAND     then     retrograde read", flush=True)
    return EXIT_DONE


def _command(folder: Path) -> list[str]:
    (folder / "files").mkdir()
    (folder / "files" / "greeting.txt").write_text("hello from the server\n")
    (folder / "client.py").write_text(_CLIENT)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # The interpreter itself, so that the recording is about the programs and not about a virtual environment.
    python = shlex.quote(os.path.realpath(sys.executable))
    script = _SCRIPT.format(python=python, port=port, folder=folder / "files", client=folder / "client.py")
    return ["sh", "-c", script.strip()]


def _seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    return time.perf_counter() - start


def _record(command: list[str], *, quiet: bool) -> Outcome:
    words = [sys.executable, "-m", "retrograde", "record", "--force", "-o", _NAME]
    if quiet:
        words.append("--quiet")
    else:
        print(f"$ retrograde record -o {_NAME} sh -c '…'", flush=True)
    subprocess.run([*words, "--", *command], stdout=subprocess.DEVNULL if quiet else None, check=True)
    return Outcome.of(store.recordings_folder() / _NAME)


def _say(text: str) -> None:
    print(f"\n{text}", flush=True)


def _show(*words: str) -> None:
    """Run a verb as if it had been typed."""
    print(f"$ retrograde {shlex.join(words)}", flush=True)
    cli.main(list(words))
    sys.stdout.flush()
