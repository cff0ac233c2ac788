"""The ptrace back end on what makes a tracer stumble: the target sees no difference, and the recording has it all."""

from __future__ import annotations

import os
import platform
import shutil
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

import retrograde as api
from retrograde.events import Event, Kind
from tests.support import sample
from tests.support.commands import compiled

ARCH = {"x86_64": "x86_64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


@pytest.fixture(scope="module")
def hard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """tests/programs/hard_to_trace.c, for every user to run."""
    folder = tmp_path_factory.mktemp("hard")
    for parent in (folder, *folder.parents[:2]):
        parent.chmod(0o755)
    return compiled("hard_to_trace", folder, "-w")


def _capture(program: Path, folder: Path, *words: str, backend: str = "ptrace") -> subprocess.CompletedProcess[str]:
    grade = "replay" if "--" in words else "observe"
    command = [str(program), "--grade", grade, "--backend", backend, "--output", str(folder), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def _events(folder: Path) -> list[Event]:
    with api.open(folder) as recording:
        assert recording.problems == []
        assert recording.complete
        assert recording.losses == []
        return list(recording.events())


def _name(event: Event) -> str:
    return event.syscall.name if event.syscall is not None else Kind(event.kind).name


def _record(program: Path, folder: Path, *words: str) -> list[Event]:
    done = _capture(program, folder, "--", *words)
    with api.open(folder) as recording:
        assert recording.end is not None
        assert recording.end["exit_status"] == 0, done.stderr
    return _events(folder)


def _signals(events: list[Event]) -> Counter[int]:
    return Counter(event.nr for event in events if event.kind == Kind.SIGNAL)


def test_sample_is_complete(capture_program: Path, tmp_path: Path) -> None:
    program = compiled("sample", tmp_path)
    _capture(capture_program, tmp_path / "recording", "--", str(program), str(tmp_path / "file"))
    sample.check(tmp_path / "recording", arch=ARCH, backend="ptrace")


def test_exec_from_another_thread(capture_program: Path, hard: Path, tmp_path: Path) -> None:
    events = _record(capture_program, tmp_path / "recording", str(hard), "thread_exec")
    first, second = (event for event in events if event.kind == Kind.EXEC)
    assert first.args[0] == first.tid
    assert second.tid == second.pid == first.pid
    forked = {event.tid for event in events if event.kind == Kind.FORK}
    assert second.args[0] in forked  # the thread that took over the process's id
    after = [event for event in events if event.kind == Kind.SYSCALL and event.exit > second.exit]
    assert _name(after[0]) == "execve"
    assert {event.tid for event in after} == {first.pid}
    ends = [event for event in events if event.kind == Kind.EXIT]
    assert [event.args[0] for event in ends][-1] == 1
    assert sum(event.args[0] for event in ends) == 1


@pytest.mark.parametrize("case", ["vforks", "clone3s"])
def test_children(case: str, capture_program: Path, hard: Path, tmp_path: Path) -> None:
    events = _record(capture_program, tmp_path / "recording", str(hard), case)
    counts = Counter(_name(event) for event in events)
    assert counts["FORK"] == 20
    assert counts["EXIT"] == 21
    made = [event for event in events if _name(event) in ("vfork", "clone3", "clone") and event.kind == Kind.SYSCALL]
    children = {event.result for event in made} - {0}
    assert len(children) == 20
    assert {event.tid for event in made if event.result == 0} == children


def test_stop_and_continue(capture_program: Path, hard: Path, tmp_path: Path) -> None:
    events = _record(capture_program, tmp_path / "recording", str(hard), "stops")
    signals = _signals(events)
    assert signals[signal.SIGSTOP] == 5
    assert signals[signal.SIGTERM] == 1


def test_every_signal_arrives_unchanged(capture_program: Path, hard: Path, tmp_path: Path) -> None:
    events = _record(capture_program, tmp_path / "recording", str(hard), "signals")
    signals = _signals(events)
    expected = set(range(1, signal.SIGRTMAX + 1)) - {signal.SIGKILL, signal.SIGSTOP, 32, 33}
    assert set(signals) == expected
    queued = [event for event in events if event.kind == Kind.SIGNAL and event.nr == signal.SIGUSR1]
    assert queued[0].args[1] == queued[0].pid
    assert queued[0].args[4] > 4096  # the handler's address


@pytest.mark.parametrize("case", ["restarts", "restart_block"])
def test_interrupted_calls_go_on(case: str, capture_program: Path, hard: Path, tmp_path: Path) -> None:
    events = _record(capture_program, tmp_path / "recording", str(hard), case)
    if case == "restart_block":
        again = [event for event in events if _name(event) == "restart_syscall"]
        assert again[-1].result == 0


def test_killed_child_leaves_its_call_and_its_end(capture_program: Path, hard: Path, tmp_path: Path) -> None:
    events = _record(capture_program, tmp_path / "recording", str(hard), "killed")
    child = next(event.tid for event in events if event.kind == Kind.FORK)
    assert [_name(event) for event in events if event.tid == child and event.kind == Kind.ENTER] in (
        ["pause"],
        ["ppoll"],
    )
    (end,) = (event for event in events if event.tid == child and event.kind == Kind.EXIT)
    assert os.WTERMSIG(end.result) == signal.SIGKILL


@pytest.mark.skipif(ARCH != "x86_64", reason="i386 calls are x86-64's")
def test_i386_call_is_flagged(capture_program: Path, hard: Path, tmp_path: Path) -> None:
    events = _record(capture_program, tmp_path / "recording", str(hard), "compat")
    (call,) = (event for event in events if event.kind == Kind.SYSCALL and event.flags & 1)
    assert call.nr == 20
    assert call.result == call.pid


def test_selected_calls_only(capture_program: Path, hard: Path, tmp_path: Path) -> None:
    folder = tmp_path / "recording"
    _capture(capture_program, folder, "--syscalls", "openat,execve", "--", str(hard), "vforks")
    counts = Counter(_name(event) for event in _events(folder) if event.kind == Kind.SYSCALL)
    assert set(counts) == {"openat", "execve"}


def test_large_exec_arguments(capture_program: Path, tmp_path: Path) -> None:
    words = [f"argument {n} " + "x" * 1000 for n in range(1500)]
    events = _record(capture_program, tmp_path / "recording", "/bin/true", *words)
    execution = next(event for event in events if event.kind == Kind.EXEC)
    expected = b"".join(word.encode() + b"\0" for word in ["/bin/true", *words])
    assert b"".join(segment.data for segment in execution.segments if segment.arg == 17) == expected


def _wait_for(path: Path, seconds: float) -> str:
    deadline = time.monotonic() + seconds
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.05)
    return path.read_text() if path.exists() else "missing"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("started", [True, False], ids=["started", "attached"])
def test_target_survives_the_capture(
    number: signal.Signals, started: bool, capture_program: Path, hard: Path, tmp_path: Path
) -> None:
    marker, folder = tmp_path / "marker", tmp_path / "recording"
    command = [str(capture_program), "--backend", "ptrace", "--output", str(folder)]
    target = None
    if started:
        command += ["--", str(hard), "busy", str(marker)]
    else:
        target = subprocess.Popen([str(hard), "busy", str(marker)])
        time.sleep(0.3)
        command += ["--pid", str(target.pid)]
    capture = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    time.sleep(1)
    capture.send_signal(number)
    capture.wait(timeout=20)
    assert _wait_for(marker, 20) == "survived"
    if target is not None:
        assert target.wait(timeout=10) == 0
    with api.open(folder) as recording:
        counts = Counter(_name(event) for event in recording.events())
        assert recording.complete == (number == signal.SIGINT)
    assert counts["getppid"] > 100
    assert counts["FORK"] > 1


def test_threads_and_children_of_a_running_process(capture_program: Path, hard: Path, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    target = subprocess.Popen([str(hard), "busy", str(marker)])
    time.sleep(0.5)
    done = _capture(capture_program, tmp_path / "recording", "--pid", str(target.pid))
    assert done.returncode == 0, done.stderr
    assert target.wait(timeout=10) == 0
    events = _events(tmp_path / "recording")
    askers = {event.tid for event in events if _name(event) == "getppid"}
    assert len(askers) == 3
    assert target.pid not in askers
    children = {event.pid for event in events if event.kind == Kind.FORK}
    assert children
    assert children <= {event.pid for event in events if event.kind == Kind.EXIT}


def test_watching_for_unnamed_processes_is_refused(capture_program: Path, tmp_path: Path) -> None:
    done = _capture(capture_program, tmp_path / "recording", "--all")
    assert done.returncode == 3
    assert "--all" in done.stderr
    assert "--pid" in done.stderr


def test_process_that_does_not_exist(capture_program: Path, tmp_path: Path) -> None:
    done = _capture(capture_program, tmp_path / "recording", "--pid", "999999999")
    assert done.returncode == 2
    assert "999999999" in done.stderr


def test_ordinary_user_records_and_is_told_of_lost_privileges(capture_program: Path, as_root: None) -> None:
    setuid = shutil.which("su") or shutil.which("mount")
    if setuid is None or not os.stat(setuid).st_mode & 0o4000:
        pytest.skip("no setuid program here")
    folder = Path("/tmp") / f"retrograde-test-{os.getpid()}"
    folder.mkdir()
    try:
        program = shutil.copy(capture_program, folder)
        shutil.chown(folder, "nobody")
        words = [program, "--grade", "replay", "--backend", "ptrace", "--output", str(folder / "recording")]
        done = subprocess.run(
            [*words, "--", setuid, "--version"],
            user="nobody",
            group="nogroup",
            extra_groups=[],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("setuid") == 1
        assert Counter(_name(event) for event in _events(folder / "recording"))["exit_group"] == 1
    finally:
        shutil.rmtree(folder)


def test_both_back_ends_record_the_same_calls(capture_program: Path, as_root: None, tmp_path: Path) -> None:
    """The calls of a program that does the same each time, with their memory's shape."""
    shapes = []
    for backend in ("ptrace", "ebpf"):
        folder = tmp_path / backend
        done = _capture(capture_program, folder, "--", "/bin/cat", "/etc/passwd", backend=backend)
        assert done.returncode == 0, done.stderr
        shapes.append(
            [
                (_name(event), [(s.arg, s.flags & ~4, s.full_length, len(s.data)) for s in event.segments])
                for event in _events(folder)
                if _name(event) not in ("execve", "EXEC", "FORK", "START")
            ]
        )
    assert shapes[0] == shapes[1]
