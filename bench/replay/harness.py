"""Runs programs bare, bound to one CPU, recorded and replayed, and takes the time of each."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import BinaryIO

import retrograde
from bench.replay.runs import Run

PROGRAMS = Path(__file__).resolve().parent / "programs"
RETROGRADE = [sys.executable, "-m", "retrograde"]
MARK = "RETROGRADE_BENCH_FOLDER"
BARE_TIMEOUT, TIMEOUT = 120.0, 600.0
VERDICTS = {0: "replays", 3: "cannot be replayed", 4: "diverges"}


class RunError(Exception):
    """A command, or the check after it, failed."""


@dataclass
class Outcome:
    """What became of one run; all times in s.

    Attributes:
        name: of the run.
        bare, bound, recorded, replayed: wall-clock times; bound is on one CPU, and replayed holds every replay.
        events, lost, bytes: of the last recording.
        verdict: one of VERDICTS' words, `recorded` where there is no replay yet, or `fails` with the stage.
        message: what was said where the verdict is not good.
        rounds: how often the last recording was to be replayed in a row; 0 where there is no replay yet.
        commit: of Retrograde.
    """

    name: str
    bare: list[float] = field(default_factory=list)
    bound: list[float] = field(default_factory=list)
    recorded: list[float] = field(default_factory=list)
    replayed: list[float] = field(default_factory=list)
    events: int = 0
    lost: int = 0
    bytes: int = 0
    verdict: str = ""
    message: str = ""
    rounds: int = 0
    commit: str = ""

    def row(self) -> dict[str, object]:
        """Return it as a JSON object."""
        row = asdict(self)
        for stage in ("bare", "bound", "recorded", "replayed"):
            row[stage] = [round(seconds, 4) for seconds in row[stage]]
        return row


def has_replay() -> bool:
    """Whether this Retrograde replays."""
    command = [*RETROGRADE, "replay", "--help"]
    return subprocess.run(command, capture_output=True, check=False, timeout=60).returncode == 0


def no_core_dumps() -> None:
    """Keep programs that fail, and all others that are started from here, from leaving a core file."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def commit() -> str:
    """Return the commit that is checked out, with a `+` where files differ from it."""
    git = ["git", "-C", str(PROGRAMS)]
    head = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False).stdout
    changed = subprocess.run(
        [*git, "status", "--porcelain", "--", ":/native", ":/src", ":/bpf"], capture_output=True, text=True, check=False
    ).stdout
    return head.strip() + ("+" if changed.strip() else "")


def bound_to_one_cpu(command: list[str]) -> list[str]:
    """Return the command so that it, and what it starts, runs on the last CPU alone."""
    return ["taskset", "-c", str(max(os.sched_getaffinity(0))), *command]


def free_port() -> int:
    """Return a port of the loopback that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def fresh_folder() -> Iterator[Path]:
    """Make a folder, and remove it at the end with all processes that still run in its environment."""
    folder = Path(tempfile.mkdtemp(prefix="retrograde-bench-"))
    folder.chmod(0o755)  # for servers that drop their privileges
    try:
        yield folder
    finally:
        _end_leftovers(folder)
        shutil.rmtree(folder, ignore_errors=True)


def _end_leftovers(folder: Path) -> None:
    """End what was started in the folder and has not ended; a process is known by its environment."""
    mark = f"{MARK}={folder}".encode()
    for place in Path("/proc").glob("[0-9]*"):
        try:
            environment = (place / "environ").read_bytes().split(b"\0")
            if mark in environment:
                os.kill(int(place.name), signal.SIGKILL)
        except OSError:
            continue


def _environment(folder: Path, port: int) -> dict[str, str]:
    return {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LC_ALL": "C.UTF-8",
        "TERM": "xterm",
        "SHELL": "/bin/bash",
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "PROGRAMS": str(PROGRAMS),
        "PORT": str(port),
        MARK: str(folder),
        **{name: value for name, value in os.environ.items() if name.startswith("RETROGRADE_")},
    }


def run_command(
    command: list[str], *, folder: Path, environment: dict[str, str] | None = None, limit: float = TIMEOUT
) -> tuple[float, int, str]:
    """Run a command in a session of its own; return s, exit status (-N for signal N) and its stderr, shortened.

    Raises:
        RunError: it did not end in time.
    """
    with tempfile.TemporaryFile() as errors:
        start = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
        )
        # Not wait(timeout), which looks every 50 ms.
        timer = threading.Timer(limit, os.killpg, (process.pid, signal.SIGKILL))
        timer.start()
        try:
            status = process.wait()
            seconds = time.perf_counter() - start
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        finally:
            timer.cancel()
        if seconds >= limit:
            raise RunError(f"did not end in {limit:.0f} s")
        return seconds, status, _ends(errors)


def _ends(file: BinaryIO, most: int = 1000) -> str:
    """Return a file's begin and end."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    text = file.read(most if size > 2 * most else size)
    if size > 2 * most:
        file.seek(size - most)
        text += b"\n[...]\n" + file.read()
    return text.decode(errors="replace").strip()


class Stage:
    """A run set up in a folder, ready for its command."""

    def __init__(self, run: Run, folder: Path) -> None:
        """Set the run up.

        Raises:
            RunError: the set-up failed.
        """
        self.run, self.folder = run, folder
        self.environment = _environment(folder, free_port())
        if run.setup:
            self._script(run.setup, "set-up")

    @property
    def command(self) -> list[str]:
        """What is measured."""
        return ["bash", "-euo", "pipefail", "-c", textwrap.dedent(self.run.command).strip()]

    def _script(self, script: str, what: str) -> None:
        words = ["bash", "-euo", "pipefail", "-c", textwrap.dedent(script)]
        _, status, errors = run_command(words, folder=self.folder, environment=self.environment, limit=BARE_TIMEOUT)
        if status != 0:
            raise RunError(f"its {what} ended with {status}: {errors[-400:]}")

    def measure(self, command: list[str], limit: float) -> float:
        """Run the command, check what it did, and return the time.

        Raises:
            RunError: it failed, or the check did.
        """
        seconds, status, errors = run_command(command, folder=self.folder, environment=self.environment, limit=limit)
        if status != 0:
            raise RunError(f"ended with {status}: {errors[-400:]}")
        if self.run.check:
            self._script(self.run.check, "check")
        return seconds


def bare(run: Run, *, bound: bool = False) -> float:
    """Set the run up afresh, run it, and return the time.

    Raises:
        RunError: it failed.
    """
    with fresh_folder() as folder:
        stage = Stage(run, folder)
        return stage.measure(bound_to_one_cpu(stage.command) if bound else stage.command, BARE_TIMEOUT)


def record(run: Run, recording: Path) -> float:
    """Set the run up afresh, record it, and return the time.

    Raises:
        RunError: it failed.
    """
    with fresh_folder() as folder:
        stage = Stage(run, folder)
        command = [*RETROGRADE, "record", "--quiet", "--force", "--output", str(recording), "--", *stage.command]
        return stage.measure(command, TIMEOUT)


def replay(recording: Path, folder: Path) -> tuple[float, int, str]:
    """Replay a recording to its end; return s, exit status and what was said."""
    return run_command([*RETROGRADE, "replay", str(recording), "--check", "--quiet"], folder=folder)


def _look_at(recording: Path, outcome: Outcome) -> None:
    with retrograde.open(recording) as opened:
        end = opened.end or {}
        outcome.events, outcome.lost = int(end["events"]), int(end["lost"])
    outcome.bytes = sum(path.stat().st_size for path in recording.rglob("*") if path.is_file())


def experiment(run: Run, *, rounds: int, timings: int, replays: bool, keep: Path | None) -> Outcome:
    """Take a run through everything.

    Args:
        run: which.
        rounds: how often the last recording is replayed, in a row.
        timings: how often it is run bare, bound to one CPU and recorded, taking turns.
        replays: whether there is a replay at all.
        keep: where the recording goes if it does not replay; None to throw it away.
    """
    outcome = Outcome(run.name, rounds=rounds if replays else 0, commit=commit())
    with fresh_folder() as place:
        recording = place / "recording"
        stage = "bare"
        try:
            for number in range(timings):
                stage = "bare"
                outcome.bare.append(bare(run))
                stage = "on one CPU"
                outcome.bound.append(bare(run, bound=True))
                stage = "recorded"
                outcome.recorded.append(record(run, recording))
                _look_at(recording, outcome)
                stage = "replayed"
                last = number == timings - 1
                for _ in range((rounds if last else 1) if replays else 0):
                    seconds, status, errors = replay(recording, place)
                    outcome.replayed.append(seconds)
                    if status != 0:
                        outcome.verdict = VERDICTS.get(status, f"fails replayed ({status})")
                        outcome.message = errors
                        return outcome
            outcome.verdict = VERDICTS[0] if replays else "recorded"
        except RunError as error:
            outcome.verdict, outcome.message = f"fails {stage}", str(error)
        finally:
            if keep is not None and recording.exists() and outcome.verdict not in (VERDICTS[0], "recorded"):
                shutil.rmtree(keep / run.name, ignore_errors=True)
                keep.mkdir(parents=True, exist_ok=True)
                shutil.move(recording, keep / run.name)
    return outcome
