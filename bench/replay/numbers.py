"""The other numbers of the experiment: how fast a replay goes, forwards and backwards."""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import retrograde
from bench.replay import harness
from bench.replay.harness import RETROGRADE, RunError

IN_GDB = Path(__file__).resolve().parent / "in_gdb"
PLACES = 40
SECONDS = 10.0  # of the run that is looked at backwards

Figures = dict[str, list[float]]


@dataclass(frozen=True)
class Number:
    """A number to reach.

    Attributes:
        name: for --only.
        title: what it is.
        wanted: what is to be reached, in words.
        take: measures in an empty folder, so many rounds; returns all figures.
        say: makes the measured number of them, in words.
    """

    name: str
    title: str
    wanted: str
    take: Callable[[Path, int], Figures]
    say: Callable[[Figures], str]


def _compile(folder: Path, program: str, *options: str) -> str:
    output = folder / program
    source = harness.PROGRAMS / f"{program}.c"
    subprocess.run(["gcc", "-pthread", *options, "-o", str(output), str(source)], check=True)
    return str(output)


def _seconds(folder: Path, command: list[str], *, fails: bool = False) -> float:
    seconds, status, errors = harness.run_command(command, folder=folder)
    if (status == 0) == fails:
        raise RunError(f"{' '.join(command[:4])} ended with {status}: {errors[-400:]}")
    return seconds


def _record(folder: Path, command: list[str], *, fails: bool = False) -> float:
    words = [*RETROGRADE, "record", "--quiet", "--force", "--output", str(folder / "recording"), "--", *command]
    return _seconds(folder, words, fails=fails)


def _replay(folder: Path) -> float:
    return _seconds(folder, [*RETROGRADE, "replay", str(folder / "recording"), "--check", "--quiet"])


def _compared(command: Callable[[Path], list[str]]) -> Callable[[Path, int], Figures]:
    """Return what measures a command bare, on one CPU, recorded and replayed, and an empty one beside it."""

    def take(folder: Path, rounds: int) -> Figures:
        words = command(folder)
        figures: Figures = {stage: [] for stage in ("bare", "bound", "recorded", "replayed", "empty replayed")}
        for _ in range(rounds):
            _record(folder, ["true"])
            figures["empty replayed"].append(_replay(folder))
            figures["bare"].append(_seconds(folder, words))
            figures["bound"].append(_seconds(folder, harness.bound_to_one_cpu(words)))
            figures["recorded"].append(_record(folder, words))
            figures["replayed"].append(_replay(folder))
        return figures

    return take


def _ratio(one: str, other: str) -> Callable[[Figures], str]:
    def say(figures: Figures) -> str:
        first, second = statistics.median(figures[one]), statistics.median(figures[other])
        return f"{first / second:.2f} × ({first:.2f} s, {second:.2f} s {other})"

    return say


DD_CALLS = 500_000


def _dd(_: Path) -> list[str]:
    return ["dd", "if=/dev/zero", "of=/dev/null", "bs=1", f"count={DD_CALLS}", "status=none"]


def _say_dd(figures: Figures) -> str:
    replayed = statistics.median(figures["replayed"])
    recorded = statistics.median(figures["recorded"])
    return f"{2 * DD_CALLS / replayed:,.0f} calls/s ({replayed:.2f} s; recorded in {recorded:.2f} s)"


def _record_failure(folder: Path) -> tuple[str, int]:
    """Record a run of SECONDS that fails at its end; return its program and the number of its events."""
    program = _compile(folder, "fails_late", "-g", "-O1", "-no-pie")
    sample = _seconds(folder, [program, "400"], fails=True)
    _record(folder, [program, str(int(400 * SECONDS / sample))], fails=True)
    with retrograde.open(folder / "recording") as recording:
        return program, recording.summary.events


def _in_gdb(folder: Path, script: str, *options: str, **settings: object) -> Figures:
    output = folder / "answer"
    output.unlink(missing_ok=True)
    gdb = ["--", "-nx", "-batch", "-x", str(IN_GDB / script)]
    environment = {**os.environ, "ANSWER": str(output), **{name: str(value) for name, value in settings.items()}}
    command = [*RETROGRADE, "replay", str(folder / "recording"), "--quiet", *options, *gdb]
    _, status, errors = harness.run_command(command, folder=folder, environment=environment)
    if not output.exists():
        raise RunError(f"gdb ended with {status} and without an answer: {errors[-400:]}")
    return json.loads(output.read_text())


def _random_places(folder: Path, rounds: int) -> Figures:
    _, events = _record_failure(folder)
    all_figures: Figures = {}
    for seed in range(rounds):
        answer = _in_gdb(folder, "random_places.py", PLACES=PLACES, EVENTS=events, SEED=seed)
        for name, values in answer.items():
            all_figures.setdefault(name, []).extend(values)
    return all_figures


def _say_random_places(figures: Figures) -> str:
    parts = []
    for name in ("reverse-stepi", "reverse-next"):
        values = sorted(figures[name])
        parts.append(f"{name} {statistics.median(values):.3f} s (most {values[-1]:.2f} s, {len(values)} places)")
    return "; ".join(parts) + f"; {len(figures['elsewhere'])} came out elsewhere"


def _last_write(folder: Path, rounds: int) -> Figures:
    _record_failure(folder)
    figures: Figures = {"backward": [], "forward": []}
    for _ in range(rounds):
        answer = _in_gdb(folder, "last_write.py", "--at-end")
        for name, values in figures.items():
            values.extend(answer[name])
    return figures


def _start(folder: Path, rounds: int) -> Figures:
    _record_failure(folder)
    starts = []
    for _ in range(rounds):
        begin = time.monotonic()
        starts.append(_in_gdb(folder, "prompt.py")["monotonic"][0] - begin)
    return {"start": starts}


def _api(folder: Path, rounds: int) -> Figures:
    program, events = _record_failure(folder)
    symbols = subprocess.run(["nm", program], capture_output=True, text=True, check=True).stdout
    address = re.search(r"^([0-9a-f]+) [BD] victim$", symbols, re.MULTILINE)
    if address is None:
        raise RunError("the program has no symbol `victim`")
    words = [sys.executable, "-m", "bench.replay.api", str(folder / "recording"), address[1], str(events)]
    figures: Figures = {}
    for seed in range(rounds):
        done = subprocess.run(
            [*words, str(seed)],
            capture_output=True,
            text=True,
            check=False,
            cwd=harness.PROGRAMS.parents[2],
            timeout=harness.TIMEOUT,
        )
        if done.returncode != 0:
            raise RunError(done.stderr.strip()[-400:])
        for name, values in json.loads(done.stdout).items():
            figures.setdefault(name, []).extend(values)
    return figures


def _say_api(figures: Figures) -> str:
    step, write = statistics.median(figures["step"]), statistics.median(figures["last_write"])
    return f"`step(-1)` {step:.3f} s, `last_write` {write:.2f} s, `at_end` {statistics.median(figures['at_end']):.2f} s"


def _say_nothing(figures: Figures) -> str:
    bare, recorded, replayed = (statistics.median(figures[stage]) for stage in ("bare", "recorded", "replayed"))
    return f"{bare * 1000:.1f} ms bare, {recorded:.2f} s recorded, {replayed:.2f} s replayed"


NUMBERS = [
    Number("nothing", "a command that does nothing (start and end)", "", _compared(lambda _: ["true"]), _say_nothing),
    Number(
        "replay-cpu",
        "replay, CPU-bound single thread",
        "<= 1.1 × bare",
        _compared(lambda folder: [_compile(folder, "crunch", "-O2"), "8000"]),
        _ratio("replayed", "bare"),
    ),
    Number("replay-dd", "replay, syscall-heavy (dd bs=1)", ">= 100,000 calls/s", _compared(_dd), _say_dd),
    Number(
        "replay-waiting",
        "replay where waiting dominated",
        "<= 2 × its recording",
        _compared(lambda _: ["bash", "-c", "for n in {1..20}; do sleep 0.1; done"]),
        _ratio("replayed", "recorded"),
    ),
    Number(
        "record-threads",
        "record with threads sharing one CPU",
        "<= 1.2 × the same program bound to one CPU",
        _compared(lambda folder: [_compile(folder, "threads", "-O2"), "4", "600"]),
        _ratio("recorded", "bound"),
    ),
    Number(
        "reverse-steps",
        f"reverse-stepi, reverse-next, median, anywhere in a {SECONDS:.0f} s run",
        "<= 0.3 s",
        _random_places,
        _say_random_places,
    ),
    Number(
        "last-write",
        f"reverse-continue to a watchpoint's last write in a {SECONDS:.0f} s run",
        "<= 2 × the forward replay of that span",
        _last_write,
        _ratio("backward", "forward"),
    ),
    Number(
        "start",
        "start of `replay` to gdb's prompt",
        "<= 1 s",
        _start,
        lambda figures: f"{statistics.median(figures['start']):.2f} s",
    ),
    Number("api", "the same through the Python API", "", _api, _say_api),
]


def measure(number: Number, rounds: int) -> dict[str, object]:
    """Measure one number; return its row."""
    row: dict[str, object] = {"name": number.name, "number": True, "rounds": rounds, "commit": harness.commit()}
    with harness.fresh_folder() as folder:
        try:
            figures = number.take(folder, rounds)
            row["text"] = number.say(figures)
            row["figures"] = {name: [round(value, 5) for value in values] for name, values in figures.items()}
        except RunError as error:
            row["message"] = str(error)
    return row
