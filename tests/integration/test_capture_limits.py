"""How much and how long a capture keeps: limits, the flight recorder, cuts, losses, and how it ends."""

from __future__ import annotations

import contextlib
import os
import platform
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import retrograde as api
from retrograde.events import Kind
from retrograde.syscalls import load
from tests.support.capturing import capture, event_name, finish, said, sound_events, start, wait_until_capturing
from tests.support.commands import compiled

MIB = 1 << 20

# Reads from a file that was opened before anything else, as fast as it can.
_READER = """
import os, sys
file = os.open("/dev/urandom", os.O_RDONLY)
for _ in range(int(sys.argv[1])): os.read(file, 65536)
"""
_TICKER = """
import os, time
file = os.open("/dev/zero", os.O_RDONLY)
while True:
    os.read(file, 100)
    time.sleep(0.01)
"""


@pytest.fixture(params=["ebpf", "ptrace"])
def backend(request: pytest.FixtureRequest) -> str:
    """Both ways to capture; eBPF needs root."""
    if request.param == "ebpf" and os.geteuid() != 0:
        pytest.skip("eBPF needs root here")
    return str(request.param)


def _size(folder: Path) -> int:
    total = 0
    for file in folder.glob("events-*"):
        with contextlib.suppress(FileNotFoundError):  # a flight recorder has dropped it meanwhile
            total += file.stat().st_size
    return total


def _end(folder: Path) -> dict[str, object]:
    with api.open(folder) as recording:
        assert recording.problems == []
        assert recording.end is not None
        return dict(recording.end)


def _children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def _is_in_read(pid: int, fd: int) -> bool:
    number = load(platform.machine()).by_name["read"].number
    return Path(f"/proc/{pid}/syscall").read_text().split()[:2] == [str(number), hex(fd)]


def _wait_for(failure: str, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < deadline, failure
        time.sleep(0.01)


def test_duration(capture_program: Path, tmp_path: Path, backend: str) -> None:
    folder = tmp_path / "r"
    began = time.monotonic()
    process = start(capture_program, folder, "--backend", backend, "--duration", "500ms", "--", "/bin/sleep", "4")
    finish(process, folder)
    assert time.monotonic() - began < 3.5
    end = _end(folder)
    assert end["reason"] == "duration"
    assert end["exit_status"] is None
    assert 0.5e9 <= float(str(end["duration_ns"])) < 2e9
    # The call that the capture has cut off is there.
    assert [event_name(event) for event in sound_events(folder) if event.kind == Kind.ENTER] == ["clock_nanosleep"]


def test_max_size(capture_program: Path, tmp_path: Path, backend: str) -> None:
    folder = tmp_path / "r"
    words = ["--backend", backend, "--snaplen", "64K", "--max-size", "8M", "--"]
    capture(capture_program, folder, *words, sys.executable, "-c", _READER, "2000")
    end = _end(folder)
    assert end["reason"] == "max-size"
    assert 8 * MIB <= _size(folder) < 8 * MIB + 64 * MIB
    assert sum(event_name(event) == "read" for event in sound_events(folder)) > 100


def test_flight_recorder_of_a_size(capture_program: Path, tmp_path: Path, as_root: None) -> None:
    folder = tmp_path / "r"
    largest = 0
    words = ["--grade", "replay", "--last", "16M", "--", sys.executable, "-c", _READER, "2000"]
    process = start(capture_program, folder, *words)
    while process.poll() is None:
        largest = max(largest, _size(folder))
        time.sleep(0.05)
    finish(process, folder)
    largest = max(largest, _size(folder))
    numbers = sorted(int(file.name.rpartition("-")[2]) for file in folder.glob("events-*"))
    assert numbers[0] > 0
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    # What was asked for is there, and little more: an eighth, and the blocks that were on their way.
    assert 16 * MIB <= _size(folder) <= largest < 28 * MIB
    with api.open(folder) as recording:
        assert recording.problems == []
        assert recording.complete
        assert recording.losses == []
        events = list(recording.events())
        reads = [event for event in events if event_name(event) == "read"]
        assert len(reads) > 200
        assert {event.descriptor.name if event.descriptor else None for event in reads} == {"/dev/urandom"}
        assert recording.end is not None
        assert recording.end["events"] == events[-1].seq + 1
    assert "openat" not in {event_name(event) for event in events}


def test_flight_recorder_of_a_time(capture_program: Path, tmp_path: Path, backend: str) -> None:
    folder = tmp_path / "r"
    words = ["--backend", backend, "--last", "1s", "--duration", "3s", "--", sys.executable, "-c", _TICKER]
    process = start(capture_program, folder, *words)
    wait_until_capturing(folder)
    target = int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0])
    try:
        finish(process, folder)
    finally:
        os.kill(target, signal.SIGKILL)
    with api.open(folder) as recording:
        assert recording.problems == []
        assert recording.complete
        events = list(recording.events())
        span = events[-1].exit - events[0].exit
        assert 1e9 <= span < 1.5e9
        reads = [event for event in events if event_name(event) == "read"]
        assert len(reads) > 20
        assert {event.descriptor.name if event.descriptor else None for event in reads} == {"/dev/zero"}
        assert {event.process.name if event.process else None for event in reads} == {Path(sys.executable).name}


@pytest.mark.parametrize("grade", ["observe", "replay"])
def test_snaplen(capture_program: Path, tmp_path: Path, backend: str, grade: str) -> None:
    """What the kernel wrote is cut in observe grade alone; what it read, which a replay makes again, in both."""
    folder = tmp_path / "r"
    data = os.urandom(1000)
    (tmp_path / "data").write_bytes(data)
    words = ["--backend", backend, "--grade", grade, "--snaplen", "100", "--", "dd", f"if={tmp_path}/data"]
    capture(capture_program, folder, *words, f"of={tmp_path}/copy", "bs=1000", "count=1", "status=none")
    events = [event for event in sound_events(folder) if event.result == 1000]
    for name, length in (("read", 1000 if grade == "replay" else 100), ("write", 100)):
        (event,) = [event for event in events if event_name(event) == name and event.args[2] == 1000]
        (segment,) = [segment for segment in event.segments if segment.arg == 1]
        assert segment.data == data[:length]
        assert segment.full_length == 1000
        assert event.flags == 0


def test_a_flood_into_small_rings_is_counted_by_call(capture_program: Path, tmp_path: Path, as_root: None) -> None:
    program = compiled("calls", tmp_path)
    folder = tmp_path / "r"
    words = ["--grade", "observe", "--buffer-size", "64K", "--", str(program), "8", "100000"]
    # The capture must not keep up: it is slowed down by being stopped now and then.
    process = start(capture_program, folder, *words)
    while process.poll() is None:
        process.send_signal(signal.SIGSTOP)
        time.sleep(0.03)
        process.send_signal(signal.SIGCONT)
        time.sleep(0.03)
    finish(process, folder)
    with api.open(folder) as recording:
        assert recording.problems == []
        number = next(event.nr for event in recording.events("evt.type = getppid"))
        recorded = sum(
            int(((batch.kind == Kind.SYSCALL) & (batch.nr == number)).sum()) for batch in recording.batches()
        )
        losses = recording.losses
        lost = sum(loss["by_syscall"].get(str(number), 0) for loss in losses)
        assert lost > 0
        assert recorded + lost == 800_000
        assert recording.end is not None
        assert recording.end["lost"] == sum(loss["lost"] for loss in losses)
    assert f" {recording.end['lost']} lost" in said(folder)


def test_btf_of_a_file(capture_program: Path, tmp_path: Path, as_root: None) -> None:
    (tmp_path / "types").write_bytes(Path("/sys/kernel/btf/vmlinux").read_bytes())
    capture(capture_program, tmp_path / "r", "--backend", "ebpf", "--btf", str(tmp_path / "types"), "--", "/bin/true")
    assert event_name(sound_events(tmp_path / "r")[0]) == "execve" or sound_events(tmp_path / "r")[0].kind == Kind.EXEC


@pytest.mark.parametrize("content", [b"", b"no types at all\n" * 100, b"\x9f\xeb\x01\x00" + bytes(100)])
def test_btf_of_a_file_that_has_none(capture_program: Path, tmp_path: Path, as_root: None, content: bytes) -> None:
    (tmp_path / "garbage").write_bytes(content)
    words = ["--backend", "ebpf", "--btf", str(tmp_path / "garbage"), "--", "/bin/true"]
    process = start(capture_program, tmp_path / "r", *words)
    assert process.wait(timeout=20) == 3
    assert f"{tmp_path}/garbage" in said(tmp_path / "r")
    assert len(said(tmp_path / "r").splitlines()) <= 3
    assert not (tmp_path / "r").exists()


def test_btf_file_that_is_not_there(capture_program: Path, tmp_path: Path, as_root: None) -> None:
    words = ["--backend", "ebpf", "--btf", str(tmp_path / "none"), "--", "/bin/true"]
    process = start(capture_program, tmp_path / "r", *words)
    assert process.wait(timeout=20) == 3
    assert f"{tmp_path}/none" in said(tmp_path / "r")


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_cleanly(capture_program: Path, tmp_path: Path, backend: str, sent: signal.Signals) -> None:
    folder = tmp_path / "r"
    target = subprocess.Popen([sys.executable, "-c", _TICKER])
    try:
        time.sleep(0.3)
        process = start(capture_program, folder, "--backend", backend, "--pid", str(target.pid))
        wait_until_capturing(folder)
        time.sleep(0.3)
        process.send_signal(sent)
        finish(process, folder)
        assert target.poll() is None
    finally:
        target.kill()
        target.wait()
    assert _end(folder)["reason"] == "interrupted"
    assert sum(event_name(event) == "read" for event in sound_events(folder)) > 5


@pytest.mark.parametrize("grade", ["observe", "replay"])
def test_a_target_that_is_killed(capture_program: Path, tmp_path: Path, backend: str, grade: str) -> None:
    folder = tmp_path / "r"
    words = ["--backend", backend, "--grade", grade, "--", sys.executable, "-c", _TICKER]
    process = start(capture_program, folder, *words)
    wait_until_capturing(folder)
    time.sleep(0.5)
    target = int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0])
    os.kill(target, signal.SIGKILL)
    finish(process, folder)
    end = _end(folder)
    assert end["reason"] == "target-exited"
    assert end["exit_status"] == signal.SIGKILL
    events = sound_events(folder)
    assert events[-1].kind == Kind.EXIT
    assert events[-1].result == signal.SIGKILL
    assert events[-1].args[0] == 1


_STOPS_ITSELF = """
import signal, sys, time
signal.signal(signal.SIGINT, lambda *_: (open("/dev/null").close(), sys.exit(9)))
print("ready", flush=True)
while True: time.sleep(0.01)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="eBPF needs root")
@pytest.mark.parametrize("grade", ["observe", "replay"])
def test_an_interrupt_that_comes_with_the_end(capture_program: Path, tmp_path: Path, grade: str) -> None:
    folder = tmp_path / "r"
    target = ["/bin/sh", "-c", "echo $$; read line; exit 9"]
    words = [str(capture_program), "--quiet", "--backend", "ebpf", "--grade", grade, "--output", str(folder), "--"]
    process = subprocess.Popen([*words, *target], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    child = int(process.stdout.readline())
    # The capture may hold it for a moment after what it has printed.
    _wait_for("the command does not wait", lambda: _is_in_read(child, 0))
    os.kill(process.pid, signal.SIGSTOP)
    process.stdin.close()
    _wait_for("the command does not end", lambda: ") Z " in Path(f"/proc/{child}/stat").read_text())
    os.kill(process.pid, signal.SIGINT)
    os.kill(process.pid, signal.SIGCONT)
    assert process.wait(15) == 0
    end = _end(folder)
    assert (end["reason"], end["exit_status"]) == ("target-exited", 9 << 8)


@pytest.mark.parametrize("own_group", [False, True])
def test_the_terminals_ctrl_c(capture_program: Path, tmp_path: Path, backend: str, own_group: bool) -> None:
    folder = tmp_path / "r"
    words = [sys.executable, "-c", _STOPS_ITSELF]
    if own_group:
        words = [sys.executable, "-c", "import os, sys; os.setpgid(0, 0); os.execv(sys.argv[1], sys.argv[1:])", *words]
    arguments = ["--quiet", "--backend", backend, "--grade", "replay", "--output", str(folder), "--", *words]
    child, terminal = pty.fork()
    if child == 0:
        os.execv(capture_program, [str(capture_program), *arguments])
    started: list[int] = []
    try:
        shown = b""
        while b"ready" not in shown:
            shown += os.read(terminal, 1000)
        started = [os.pidfd_open(int(pid)) for pid in _children(child)]
        os.write(terminal, b"\x03")
        deadline = time.monotonic() + 20
        while os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            assert time.monotonic() < deadline, "Ctrl-C ended neither the command nor the capture"
            time.sleep(0.05)
    finally:
        for process in started:  # a command that the terminal did not reach goes on
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(process, signal.SIGKILL)
            os.close(process)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(terminal)
    end = _end(folder)
    if own_group:  # the terminal did not reach the command, so it was for us
        assert end["reason"] == "interrupted"
    else:  # what it did about it is recorded, to its end
        assert (end["reason"], end["exit_status"]) == ("target-exited", 9 << 8)
