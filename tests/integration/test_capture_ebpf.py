"""The capture program with its eBPF back end: nothing is lost, or every loss is counted; the target does not notice."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import time
from collections import Counter, defaultdict
from pathlib import Path

import pytest

import retrograde as api
from retrograde.events import Event, EventFlag, Kind, SegmentFlag
from tests.support.commands import compiled

pytestmark = pytest.mark.usefixtures("as_root")

BULK = 64 << 20


def _start(program: Path, folder: Path, *words: str, grade: str = "replay") -> subprocess.Popen[str]:
    command = [str(program), "--backend", "ebpf", "--grade", grade, "--output", str(folder), *words]
    # Not a pipe: a target that outlives the capture would keep it open.
    with folder.with_name("talk").open("w") as talk:
        return subprocess.Popen(command, stderr=talk, stdout=subprocess.DEVNULL, text=True)


def _capture(program: Path, folder: Path, *words: str, grade: str = "replay", timeout: float = 120) -> None:
    process = _start(program, folder, *words, grade=grade)
    try:
        process.wait(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert process.returncode == 0, folder.with_name("talk").read_text()


def _name(event: Event) -> str:
    return event.syscall.name if event.syscall is not None else Kind(event.kind).name


def _events(folder: Path) -> list[Event]:
    """Return the events of a recording that must be whole and in order within each thread."""
    with api.open(folder) as recording:
        assert recording.problems == []
        assert recording.complete
        assert recording.losses == []
        events = list(recording.events())
    latest: dict[int, int] = defaultdict(int)
    for event in events:
        assert event.exit >= latest[event.tid], f"thread {event.tid} went back in time"
        latest[event.tid] = event.exit
    return events


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


def _children(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(word) for word in path.read_text().split()] if path.exists() else []


def _sleeping_child(pid: int) -> int:
    """Wait until a child executes sleep and is in its call, and return it."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        for child in _children(pid):
            if "sleep" in Path(f"/proc/{child}/comm").read_text():
                time.sleep(0.3)
                return child
        time.sleep(0.02)
    raise AssertionError("the command did not start")


@pytest.mark.parametrize("buffer_size", ["8M", "1M", "64K"])
def test_many_processes_lose_nothing(capture_program: Path, tmp_path: Path, buffer_size: str) -> None:
    calls = compiled("calls", tmp_path)
    _capture(capture_program, tmp_path / "r", "--buffer-size", buffer_size, "--", str(calls), "16", "10000")
    events = _events(tmp_path / "r")
    by_thread = Counter(event.tid for event in events if _name(event) == "getppid")
    assert sorted(by_thread.values()) == [10_000] * 16
    kinds = Counter(Kind(event.kind).name for event in events)
    assert kinds["FORK"] == 16
    assert kinds["EXIT"] == 17


def test_from_execve_to_exit_group(capture_program: Path, tmp_path: Path) -> None:
    _capture(capture_program, tmp_path / "r", "--", "/bin/true")
    events = _events(tmp_path / "r")
    assert next(_name(event) for event in events if event.kind in (Kind.SYSCALL, Kind.ENTER)) == "execve"
    assert [_name(event) for event in events][-2:] == ["exit_group", "EXIT"]
    with api.open(tmp_path / "r") as recording:
        assert recording.end is not None
        assert recording.end["exit_status"] == 0


def test_one_read_of_64_mib(capture_program: Path, tmp_path: Path) -> None:
    data = os.urandom(1 << 20) * (BULK >> 20)
    (tmp_path / "data").write_bytes(data)
    bulk = compiled("bulk", tmp_path)
    _capture(
        capture_program,
        tmp_path / "r",
        "--buffer-size",
        "1M",
        "--",
        str(bulk),
        "read",
        str(tmp_path / "data"),
        str(BULK),
    )
    reads = [event for event in _events(tmp_path / "r") if _name(event) == "read" and event.result == BULK]
    assert len(reads) == 1
    kept = reads[0].memory(1, written=True)
    assert kept is not None
    assert hashlib.sha256(kept).digest() == hashlib.sha256(data).digest()


def test_recvmsg_into_1024_iovecs(capture_program: Path, tmp_path: Path) -> None:
    bulk = compiled("bulk", tmp_path)
    _capture(capture_program, tmp_path / "r", "--", str(bulk), "recvmsg")
    (event,) = [event for event in _events(tmp_path / "r") if _name(event) == "recvmsg"]
    expected = bytes(i % 251 for i in range(1024 * 61))
    pieces = {segment.address: segment.data for segment in event.segments if len(segment.data) == 61}
    assert event.result == len(expected)
    assert b"".join(pieces[address] for address in sorted(pieces)) == expected


@pytest.mark.parametrize("grade", ["observe", "replay"])
def test_arrays_are_copied_as_with_ptrace(capture_program: Path, tmp_path: Path, grade: str) -> None:
    bulk = compiled("bulk", tmp_path)
    held = {}
    for backend in ("ebpf", "ptrace"):
        # At the same addresses each time.
        words = ("--backend", backend, "--", "setarch", "--addr-no-randomize", str(bulk), "arrays")
        _capture(capture_program, tmp_path / backend, *words, grade=grade)
        chosen = "evt.type in (sendmmsg, recvmmsg) or (evt.type = execve and evt.args contains 'a word')"
        with api.open(tmp_path / backend) as recording:
            held[backend] = {_name(event): event.segments for event in recording.events(chosen)}
    assert set(held["ebpf"]) == {"sendmmsg", "recvmmsg", "execve"}
    for name, segments in held["ebpf"].items():
        data = [segment.data for segment in segments if segment.arg == 1 and segment.flags & SegmentFlag.NESTED]
        short = [piece for piece in data if len(piece) != 16]  # an iovec
        expected = [b"/no/such/program\0", b"a word\0", b"\0"] if name == "execve" else [b"one", b"two", b"three"]
        assert short == expected
        at_exit = [segment for segment in held["ptrace"][name] if not segment.flags & SegmentFlag.ENTER]
        assert segments == at_exit


@pytest.mark.parametrize("grade", ["observe", "replay"])
@pytest.mark.parametrize("length", [4094, 4095, 4096, 20_000])
def test_a_long_string_is_whole_or_marked(capture_program: Path, tmp_path: Path, grade: str, length: int) -> None:
    word = "x" * length
    _capture(capture_program, tmp_path / "r", "--", str(compiled("bulk", tmp_path)), "arrays", word, grade=grade)
    (event,) = [event for event in _events(tmp_path / "r") if _name(event) == "execve" and event.result < 0]
    (segment,) = [segment for segment in event.segments if segment.data.startswith(b"xx")]
    if grade == "replay" or length < 4095:
        assert segment.data == word.encode() + b"\0"
        assert event.flags == 0
    else:
        assert segment.data == b"x" * 4095
        assert segment.full_length > 4095
        assert event.flags & EventFlag.FAULT


def test_exec_from_another_thread(capture_program: Path, tmp_path: Path) -> None:
    program = compiled("exec_from_thread", tmp_path)
    _capture(capture_program, tmp_path / "r", "--buffer-size", "64K", "--", str(program))
    events = _events(tmp_path / "r")
    execs = [event for event in events if event.kind == Kind.EXEC]
    assert len(execs) == 2
    assert execs[1].tid == execs[1].pid
    assert execs[1].args[0] != execs[1].tid
    with api.open(tmp_path / "r") as recording:
        assert recording.end is not None
        assert recording.end["exit_status"] == 9 << 8


def test_every_loss_is_counted(capture_program: Path, tmp_path: Path) -> None:
    calls = compiled("calls", tmp_path)
    _capture(capture_program, tmp_path / "r", "--buffer-size", "64K", "--", str(calls), "16", "62500", grade="observe")
    with api.open(tmp_path / "r") as recording:
        assert recording.problems == []
        number = next(event.nr for event in recording.events("evt.type = getppid"))
        recorded = sum(1 for event in recording.events() if event.kind == Kind.SYSCALL and event.nr == number)
        lost = sum(loss["by_syscall"].get(str(number), 0) for loss in recording.losses)
        assert recorded + lost == 1_000_000
        assert recording.end is not None
        assert recording.end["lost"] == sum(loss["lost"] for loss in recording.losses)
        assert all(loss["from_ns"] < loss["to_ns"] for loss in recording.losses)


def test_killing_the_capture_leaves_targets_running(capture_program: Path, tmp_path: Path) -> None:
    calls = compiled("calls", tmp_path)
    capture = _start(capture_program, tmp_path / "r", "--buffer-size", "64K", "--", str(calls), "4", "100000000")
    target = 0
    try:
        deadline = time.monotonic() + 10
        while not target and time.monotonic() < deadline:
            time.sleep(0.2)
            target = next((pid for pid in _children(capture.pid) if len(_children(pid)) == 4), 0)
        assert target, "the command did not start"
        capture.kill()
        capture.wait(timeout=10)
        time.sleep(1)
        workers = _children(target)
        assert len(workers) == 4
        before = {pid: Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in workers}
        time.sleep(0.5)
        for pid in workers:
            after = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            assert after[0] == "R", f"process {pid} stays in state {after[0]}"
            assert int(after[11]) + int(after[12]) > int(before[pid][11]) + int(before[pid][12])
        with api.open(tmp_path / "r") as recording:
            assert not recording.complete
            assert sum(batch.count for batch in recording.batches()) > 0
    finally:
        for pid in [*_children(target), target] if target else []:
            os.kill(pid, signal.SIGKILL)


def test_targets_may_be_killed_while_held(capture_program: Path, tmp_path: Path) -> None:
    calls = compiled("calls", tmp_path)
    capture = _start(capture_program, tmp_path / "r", "--buffer-size", "64K", "--", str(calls), "8", "100000000")
    deadline = time.monotonic() + 10
    target = 0
    while not target and time.monotonic() < deadline:
        time.sleep(0.1)
        target = next((pid for pid in _children(capture.pid) if len(_children(pid)) == 8), 0)
    assert target, "the command did not start"
    time.sleep(0.3)
    for pid in _children(target):
        os.kill(pid, signal.SIGKILL)
    assert capture.wait(timeout=60) == 0, (tmp_path / "talk").read_text()
    with api.open(tmp_path / "r") as recording:
        assert recording.complete
        assert recording.losses == []
        assert recording.end is not None
        assert recording.end["reason"] == "target-exited"


def test_somebody_elses_stop_still_stops(capture_program: Path, tmp_path: Path) -> None:
    capture = _start(capture_program, tmp_path / "r", "--", "/bin/sleep", "2")
    target = _sleeping_child(capture.pid)
    os.kill(target, signal.SIGSTOP)
    time.sleep(0.2)
    assert Path(f"/proc/{target}/stat").read_text().rpartition(")")[2].split()[0] in "tT"
    os.kill(target, signal.SIGCONT)
    assert capture.wait(timeout=30) == 0, (tmp_path / "talk").read_text()
    sleeps = [event for event in _events(tmp_path / "r") if _name(event) in ("clock_nanosleep", "restart_syscall")]
    assert sleeps[-1].result == 0
    with api.open(tmp_path / "r") as recording:
        assert recording.end is not None
        assert recording.end["exit_status"] == 0


def test_interrupt_ends_cleanly_and_spares_the_target(capture_program: Path, tmp_path: Path) -> None:
    capture = _start(capture_program, tmp_path / "r", "--", "/bin/sleep", "30")
    target = _sleeping_child(capture.pid)
    capture.send_signal(signal.SIGINT)
    try:
        assert capture.wait(timeout=20) == 0, (tmp_path / "talk").read_text()
        assert json.loads((tmp_path / "r" / "info.json").read_text())["reason"] == "interrupted"
        time.sleep(0.2)
        assert _is_alive(target)
        assert Path(f"/proc/{target}/stat").read_text().rpartition(")")[2].split()[0] == "S"
    finally:
        os.kill(target, signal.SIGKILL)


def test_running_process_by_pid(capture_program: Path, tmp_path: Path) -> None:
    target = subprocess.Popen(["sh", "-c", "sleep 1; for i in 1 2 3; do /bin/true; done; exit 0"])
    _capture(capture_program, tmp_path / "r", "--pid", str(target.pid), grade="observe")
    target.wait(timeout=10)
    counts = Counter(_name(event) for event in _events(tmp_path / "r"))
    assert counts["EXEC"] == 3
    assert counts["exit_group"] >= 4


def test_only_chosen_calls(capture_program: Path, tmp_path: Path) -> None:
    _capture(capture_program, tmp_path / "r", "--syscalls", "openat,close", "--", "/bin/ls", "/", grade="observe")
    calls = {_name(event) for event in _events(tmp_path / "r") if event.kind == Kind.SYSCALL}
    assert calls == {"openat", "close"}


def test_what_is_missing_is_said_at_once(capture_program: Path) -> None:
    """Neither the capabilities, nor the machine's own process ids, nor the file of types: each has its remedy."""
    bare = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--bounding-set", "-all"]
    public = Path("/tmp") / f"retrograde-capture-{os.getpid()}"
    public.write_bytes(capture_program.read_bytes())
    public.chmod(0o755)
    words = [
        str(public),
        "--backend",
        "ebpf",
        "--btf",
        "/no/types",
        "--output",
        f"{public}-recording",
        "--",
        "/bin/true",
    ]
    try:
        done = subprocess.run(
            ["unshare", "--pid", "--fork", *bare, *words], capture_output=True, text=True, check=False, cwd="/"
        )
    finally:
        public.unlink()
    assert done.returncode == 3, done.stderr
    assert not Path(f"{public}-recording").exists()
    title, *missing = done.stderr.splitlines()
    assert title.endswith("Missing:")
    expected = [("CAP_BPF and CAP_PERFMON", "sudo setcap"), ("process ids", "--pid=host"), ("/no/types", "--btf")]
    assert len(missing) == len(expected)
    for line, (what, remedy) in zip(missing, expected, strict=True):
        assert line.startswith("  - ")
        assert what in line
        assert remedy in line
