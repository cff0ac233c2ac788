"""What can happen between the moments: stops, signals, execs and ends that cross each other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path

import pytest

import retrograde as api
from retrograde.events import Kind
from tests.support.capturing import capture, event_name, finish, sound_events, start, wait_until_capturing
from tests.support.commands import compiled

pytestmark = pytest.mark.usefixtures("as_root")

_FLOOD = ["--backend", "ebpf", "--grade", "replay", "--buffer-size", "64K"]


def _children(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(word) for word in path.read_text().split()] if path.exists() else []


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def _descendants(capture_pid: int, count: int) -> list[int]:
    """Return the started command and its children, once there are so many."""
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        for pid in _children(capture_pid):
            if len(_children(pid)) == count:
                return [pid, *_children(pid)]
        time.sleep(0.05)
    raise AssertionError("the command did not start")


@pytest.mark.parametrize("attempt", range(3))
def test_an_end_in_the_middle_of_a_flood_leaves_nobody_stopped(
    capture_program: Path, tmp_path: Path, attempt: int
) -> None:
    """Threads that are on their way into a stop when the capture ends must come out of it."""
    program = compiled("calls", tmp_path)
    process = start(capture_program, tmp_path / "r", *_FLOOD, "--", str(program), "8", "100000000")
    pids = _descendants(process.pid, 8)
    try:
        time.sleep(0.4 + attempt / 10)
        process.send_signal(signal.SIGINT)
        finish(process, tmp_path / "r")
        time.sleep(0.3)
        assert {_state(pid) for pid in pids[1:]} == {"R"}
    finally:
        for pid in reversed(pids):
            os.kill(pid, signal.SIGKILL)


def test_continue_signals_that_cross_holds_lose_nothing(capture_program: Path, tmp_path: Path) -> None:
    """SIGCONT takes a stop away that is on its way: what the thread was held for must be written all the same."""
    program = compiled("calls", tmp_path)
    process = start(capture_program, tmp_path / "r", *_FLOOD, "--", str(program), "8", "400000")
    pids = _descendants(process.pid, 8)
    while process.poll() is None:
        for pid in pids:
            try:
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                continue
    finish(process, tmp_path / "r", timeout=120)
    calls: Counter[int] = Counter()
    latest: dict[int, int] = defaultdict(int)
    with api.open(tmp_path / "r") as recording:
        assert recording.problems == []
        assert recording.losses == []
        number = next(event.nr for event in recording.events("evt.type = getppid"))
        for batch in recording.batches():
            for tid in set(batch.tid.tolist()):
                rows = batch.tid == tid
                times = batch.exit[rows].tolist()
                assert [latest[tid], *times] == sorted([latest[tid], *times]), f"thread {tid} went back in time"
                latest[tid] = times[-1]
                calls[tid] += int((rows & (batch.nr == number) & (batch.kind == Kind.SYSCALL)).sum())
    assert sorted(calls[tid] for tid in pids[1:]) == [400_000] * 8


def test_a_long_command_line_is_cut_where_the_rings_are_small(capture_program: Path, tmp_path: Path) -> None:
    words = ["x" * 100] * 300
    capture(capture_program, tmp_path / "r", *_FLOOD, "--", "/bin/true", *words)
    (event,) = [event for event in sound_events(tmp_path / "r") if event.kind == Kind.EXEC]
    (arguments,) = [segment for segment in event.segments if segment.arg == 17]
    assert arguments.full_length == len("/bin/true") + 1 + 300 * 101
    assert len(arguments.data) > 4000
    assert arguments.data.startswith(b"/bin/true\0xxx")


def test_children_of_a_process_that_is_forking_all_the_time(capture_program: Path, tmp_path: Path) -> None:
    """Whatever call it is in when the capture begins: the children after that are captured from their first call on."""
    script = "import os\nwhile True:\n pid = os.fork()\n if not pid: os._exit(0)\n os.waitpid(pid, 0)"
    target = subprocess.Popen([sys.executable, "-c", script])
    try:
        time.sleep(0.5)
        process = start(capture_program, tmp_path / "r", "--pid", str(target.pid), "--duration", "500ms")
        wait_until_capturing(tmp_path / "r")
        finish(process, tmp_path / "r")
    finally:
        target.kill()
        target.wait()
    events = sound_events(tmp_path / "r")
    born = [event.tid for event in events if event.kind == Kind.FORK]
    ended = [event.tid for event in events if event.kind == Kind.EXIT]
    assert len(born) > 20
    assert {event.tid for event in events} == {target.pid, *born}
    assert set(ended) <= set(born)
    assert len(born) - len(ended) <= 1
    calls = Counter(event.tid for event in events if event_name(event) in ("clone", "exit_group"))
    # A child returns from its clone and ends; but one whose parent's clone began before the capture.
    assert sum(calls[tid] != 2 for tid in born) <= 2
