"""Find the cause of a crash, start to end: record a program that fails, and go back from its failure in gdb.

The program is a small one in C with five threads. One of them writes beyond a piece of the heap, and another one
crashes long afterwards, somewhere else. Nothing has to be typed, and it takes a few seconds.
"""

from __future__ import annotations

import argparse
import re
import resource
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from retrograde import cli
from retrograde.cli.output import talk
from retrograde.errors import EXIT_DONE, CannotError, RetrogradeError
from retrograde.record.report import Outcome
from retrograde.recording import Recording, store

HELP = "a program that crashes: record it, and go back to the cause"

_NAME = "demo"
_SOURCE = Path(__file__).resolve().parent.parent / "demo" / "warehouse.c"
_TAIL = 4  # events before the failure
_WRONG_ORDER = 41
_INSTALL = "sudo apt install gcc libc6-dev"

_AT_THE_FAILURE = ("backtrace 1", "print *order")
_TO_THE_CAUSE = ("watch -location order->customer", "reverse-continue", "backtrace 3", "up", "print order->label")
_FRAME = re.compile(r"^#(?P<level>\d+) .*?\b(?P<function>\w+) \(.*\) at .*?(?P<place>[^/\s]+:\d+)$", re.MULTILINE)


@dataclass(frozen=True)
class Found:
    """Where it crashed and where the cause is, each as `function() at file:line`."""

    crash: str
    cause: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""


def run(_arguments: argparse.Namespace) -> int:
    """Tell the story."""
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="retrograde-demo-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        _say("A warehouse: three threads write labels on orders, another one adds up what is owed. It crashes.")
        program = _build(folder)
        bare = _run_bare(program)
        _say("Recorded, it does the same. All that it learns from outside is kept, and where its threads take turns:")
        outcome = _record(program)
    with Recording(_NAME) as recording:
        failure = _failure(recording)
        _say("How it ended: the last of its system calls, and the signal.")
        _show("read", _NAME, f"evt.num >= {failure - _TAIL} and evt.num <= {failure}")
        if shutil.which("gdb"):
            found = _ask_gdb()
        else:
            talk("gdb is not installed (sudo apt install gdb): the replay is asked from Python instead")
            found = _ask_python(recording)
    _say(f"It crashed in {found.crash}, which is innocent. The cause is {found.cause}:")
    print(_source_line(found.cause))
    _say("The label has room for 24 bytes. What did not fit went over the pointer in the order behind it.")
    print(
        f"\n{bare:.2f} s bare, {outcome.seconds:.2f} s recorded, {outcome.events:,} events, "
        f"{outcome.bytes / 1024 / 1024:.1f} MiB; the whole story in {time.monotonic() - begin:.0f} s.\n"
        "\nNext:  retrograde record COMMAND     then     retrograde replay --at-end",
        flush=True,
    )
    return EXIT_DONE


def _build(folder: Path) -> Path:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise CannotError("the demo compiles a small C program, and there is no gcc", hint=_INSTALL)
    print(f"$ gcc -g -pthread -o warehouse {_SOURCE.name}", flush=True)
    program = folder / "warehouse"
    command = [compiler, "-g", "-O0", "-pthread", "-o", str(program), str(_SOURCE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        first = next((line for line in done.stderr.splitlines() if "error" in line), "it gave no reason")
        raise CannotError(f"the demo's program does not compile: {first}", hint=_INSTALL)
    return program


def _run_bare(program: Path) -> float:
    print("$ ./warehouse", flush=True)
    begin = time.monotonic()
    done = subprocess.run([str(program)], preexec_fn=_without_core_file, cwd=program.parent, check=False)
    seconds = time.monotonic() - begin
    if done.returncode >= 0:
        raise RetrogradeError(f"the demo's program was to crash, and ended with {done.returncode}")
    print("Segmentation fault", flush=True)
    return seconds


def _record(program: Path) -> Outcome:
    print(f"$ retrograde record -o {_NAME} ./warehouse", flush=True)
    words = [sys.executable, "-m", "retrograde", "record", "--force", "-o", _NAME, "--", "./warehouse"]
    done = subprocess.run(words, preexec_fn=_without_core_file, cwd=program.parent, check=False)
    folder = store.recordings_folder() / _NAME
    if not (folder / "info.json").exists():
        raise CannotError(
            f"the recording failed (exit status {done.returncode}), as said above", hint="`retrograde doctor` tells why"
        )
    return Outcome.of(folder)


def _without_core_file() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def _failure(recording: Recording) -> int:
    from retrograde.replay.scan import scan

    failures = [process.failure for process in scan(recording).processes.values() if process.failure is not None]
    if not failures:
        raise RetrogradeError("the recorded program was to crash, and did not")
    return failures[-1]


def _ask_gdb() -> Found:
    _say("That run again, in gdb, at its failure: the accountant's, who finds no customer at that address.")
    at_failure = _in_gdb(*_AT_THE_FAILURE)
    _say("Who put it there? Watch the pointer, and run backwards to where it was written last.")
    text = _in_gdb(*_AT_THE_FAILURE, *_TO_THE_CAUSE, shown=_TO_THE_CAUSE)
    crash = _FRAME.search(at_failure)
    cause = next((frame for frame in _FRAME.finditer(text) if frame["function"] == "write_label"), None)
    if crash is None or cause is None:
        raise RetrogradeError("gdb did not tell where the pointer was written", hint="what it said stands above")
    return Found(*(f"{frame['function']}() at {frame['place']}" for frame in (crash, cause)))


def _in_gdb(*commands: str, shown: tuple[str, ...] | None = None) -> str:
    """Run commands at the failure, and print what gdb says of those that are shown."""
    shown = commands if shown is None else shown
    print(f"$ retrograde replay {_NAME} --at-end", flush=True)
    settings = ("set print thread-events off", "set width 0", "set style enabled off")
    words = [word for setting in settings for word in ("-iex", setting)]
    for command in commands:
        words += ["-ex", f"echo \\n(gdb) {command}\\n", "-ex", command]
    replay = [sys.executable, "-m", "retrograde", "replay", _NAME, "--at-end", "--", "-nx", "-batch", *words]
    done = subprocess.run(replay, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RetrogradeError(f"the replay failed:\n{done.stdout}{done.stderr}")
    begin = done.stdout.find(f"\n(gdb) {shown[0]}\n")
    lines = [line for line in done.stdout[begin + 1 :].splitlines() if line and not line.startswith(("[", "(More"))]
    print("\n".join(lines), flush=True)
    return "\n".join(lines)


def _ask_python(recording: Recording) -> Found:
    _say("That run again, at its failure, and back to who wrote the pointer that the accountant follows last:")
    with recording.replay() as replay:
        replay.seek_end()
        crash = next(frame for frame in replay.backtrace() if frame.file)
        print(f"at the end: {crash}")
        pointer = replay.memory.integer(replay.symbol("orders") + 8 * _WRONG_ORDER)  # &orders[41]->customer
        print(f"written by: {replay.last_write(pointer)}")
        cause = next(frame for frame in replay.backtrace() if frame.function == "write_label")
    return Found(*(f"{frame.function}() at {Path(frame.file or '').name}:{frame.line}" for frame in (crash, cause)))


def _source_line(place: str) -> str:
    number = int(place.rpartition(":")[2])
    return f"{number:6}  {_SOURCE.read_text().splitlines()[number - 1]}"


def _say(text: str) -> None:
    print(f"\n{text}", flush=True)


def _show(*words: str) -> None:
    """Run a verb as if it had been typed."""
    print(f"$ retrograde {shlex.join(words)}", flush=True)
    cli.main(list(words))
    sys.stdout.flush()
