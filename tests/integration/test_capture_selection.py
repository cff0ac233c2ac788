"""Which threads and calls an eBPF capture takes: --pid, --comm, --cgroup, --all, --syscalls, --user."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import retrograde as api
from retrograde.events import Event, Kind
from retrograde.record.containers import cgroup2_mount
from tests.support.capturing import capture, event_name, finish, said, sound_events, start, wait_until_capturing
from tests.support.commands import retrograde

pytestmark = pytest.mark.usefixtures("as_root")

# Two threads write to a file that is open before the capture; then the process has a child.
_THREADS = """
import os, subprocess, sys, threading, time
file = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
print("ready", flush=True)
def work():
    for _ in range(40):
        os.pwrite(file, b"x" * 10, 0)
        time.sleep(0.05)
threads = [threading.Thread(target=work) for _ in range(2)]
for thread in threads: thread.start()
for thread in threads: thread.join()
subprocess.run(["/bin/true"])
"""

_LOOP = "import os, time\nwhile 1: os.getppid(); time.sleep(0.005)"


@pytest.fixture
def looping() -> Iterator[subprocess.Popen[bytes]]:
    """A process that makes calls without end."""
    process = subprocess.Popen([sys.executable, "-c", _LOOP])
    yield process
    process.kill()
    process.wait()


def _threads_of(events: list[Event], name: str) -> set[int]:
    return {event.tid for event in events if event_name(event) == name}


def test_threads_of_a_running_process_and_its_future_children(capture_program: Path, tmp_path: Path) -> None:
    data = tmp_path / "the-data"
    target = subprocess.Popen([sys.executable, "-c", _THREADS, str(data)], stdout=subprocess.PIPE)
    assert target.stdout is not None
    assert target.stdout.readline() == b"ready\n"
    time.sleep(0.3)
    capture(capture_program, tmp_path / "r", "--pid", str(target.pid))
    assert target.wait(timeout=20) == 0
    with api.open(tmp_path / "r") as recording:
        assert recording.problems == []
        assert recording.end is not None
        assert recording.end["reason"] == "target-exited"
        writes = [event for event in recording.events() if event_name(event) == "pwrite64"]
        assert len({event.tid for event in writes}) == 2
        assert {event.pid for event in writes} == {target.pid}
        # Opened before the capture: known from /proc.
        assert {event.descriptor.name if event.descriptor else None for event in writes} == {str(data)}
    events = sound_events(tmp_path / "r")
    children = {event.pid for event in events} - {target.pid}
    assert len(children) == 1
    (exec_event,) = [event for event in events if event.kind == Kind.EXEC]
    assert exec_event.pid in children
    assert Counter(event.kind for event in events if event.pid in children)[Kind.EXIT] == 1


def test_a_thread_stands_for_its_process(capture_program: Path, tmp_path: Path) -> None:
    data = tmp_path / "the-data"
    target = subprocess.Popen([sys.executable, "-c", _THREADS, str(data)], stdout=subprocess.PIPE)
    assert target.stdout is not None
    assert target.stdout.readline() == b"ready\n"
    time.sleep(0.3)
    thread = max(int(name) for name in os.listdir(f"/proc/{target.pid}/task"))
    assert thread != target.pid
    capture(capture_program, tmp_path / "r", "--pid", str(thread))
    assert target.wait(timeout=20) == 0
    assert len(_threads_of(sound_events(tmp_path / "r"), "pwrite64")) == 2


def test_a_process_that_is_not_there(capture_program: Path, tmp_path: Path) -> None:
    process = start(capture_program, tmp_path / "r", "--pid", "4194303")
    assert process.wait(timeout=20) == 2
    assert "4194303" in said(tmp_path / "r")
    assert not (tmp_path / "r").exists()


def test_by_name_running_and_from_an_exec_on(capture_program: Path, tmp_path: Path) -> None:
    """What runs under the name already, and what executes a program of that name while the capture runs."""
    busy = tmp_path / "rg-busy"
    busy.symlink_to(Path(sys.executable).resolve())
    running = subprocess.Popen([str(busy), "-c", "import time\nwhile 1: time.sleep(0.01)"])
    time.sleep(0.5)
    try:
        process = start(capture_program, tmp_path / "r", "--comm", "rg-busy", "--duration", "2s")
        wait_until_capturing(tmp_path / "r")
        later = subprocess.Popen(["/bin/sh", "-c", f"sleep 0.1; exec {busy} -c 'raise SystemExit(3)'"])
        assert later.wait(timeout=20) == 3
        finish(process, tmp_path / "r")
    finally:
        running.kill()
        running.wait()
    events = sound_events(tmp_path / "r")
    assert {event.pid for event in events} == {running.pid, later.pid}
    of_later = [event for event in events if event.pid == later.pid]
    assert of_later[0].kind == Kind.EXEC
    assert [event_name(event) for event in of_later[-2:]] == ["exit_group", "EXIT"]
    assert "clock_nanosleep" not in {event_name(event) for event in of_later}
    with api.open(tmp_path / "r") as recording:
        names = {event.process.name for event in recording.events() if event.process is not None}
    assert names == {"rg-busy"}


@pytest.fixture
def cgroup(tmp_path: Path) -> Iterator[Path]:
    """A cgroup of version 2 with one inside, both empty."""
    top = cgroup2_mount()
    mounted = top is None
    if top is None:
        top = tmp_path / "cgroup"
        top.mkdir()
        done = subprocess.run(["mount", "-t", "cgroup2", "none", str(top)], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"no cgroup2 here, and it cannot be mounted: {done.stderr.strip()}")
    outer = top / f"retrograde-test-{os.getpid()}"
    try:
        (outer / "inner").mkdir(parents=True)
    except OSError as error:
        pytest.skip(f"no cgroup can be made here: {error}")
    yield outer
    for folder in (outer / "inner", outer):
        for pid in (folder / "cgroup.procs").read_text().split():
            os.kill(int(pid), signal.SIGKILL)
        deadline = time.monotonic() + 5
        while (folder / "cgroup.procs").read_text() and time.monotonic() < deadline:
            time.sleep(0.05)
        folder.rmdir()
    if mounted:
        subprocess.run(["umount", str(top)], check=True)


@pytest.mark.parametrize("written", ["folder", "path"])
def test_by_cgroup(
    capture_program: Path, tmp_path: Path, cgroup: Path, looping: subprocess.Popen[bytes], written: str
) -> None:
    """Who is in it or in one inside, and who is moved there; nobody else."""
    processes = [subprocess.Popen([sys.executable, "-c", _LOOP]) for _ in range(2)]
    moved = subprocess.Popen([sys.executable, "-c", _LOOP])
    try:
        (cgroup / "cgroup.procs").write_text(str(processes[0].pid))
        (cgroup / "inner" / "cgroup.procs").write_text(str(processes[1].pid))
        name = str(cgroup) if written == "folder" else f"/{cgroup.name}"
        process = start(capture_program, tmp_path / "r", "--cgroup", name, "--duration", "1s")
        wait_until_capturing(tmp_path / "r")
        (cgroup / "cgroup.procs").write_text(str(moved.pid))
        finish(process, tmp_path / "r")
    finally:
        for one in (*processes, moved):
            one.kill()
            one.wait()
    with api.open(tmp_path / "r") as recording:
        assert recording.problems == []
        found = {int(pid) for batch in recording.batches() for pid in batch.pid}
    assert found == {processes[0].pid, processes[1].pid, moved.pid}
    assert looping.pid not in found


def test_a_cgroup_that_is_not_there(capture_program: Path, tmp_path: Path) -> None:
    process = start(capture_program, tmp_path / "r", "--cgroup", "no-such-group")
    assert process.wait(timeout=20) == 2
    assert "no-such-group" in said(tmp_path / "r")


def test_the_whole_system_but_not_the_capture(
    capture_program: Path, tmp_path: Path, looping: subprocess.Popen[bytes]
) -> None:
    """Neither the capture nor who started it, and who may be reading it, is captured: that would have no end."""
    process = start(capture_program, tmp_path / "r", "--all", "--duration", "1s")
    wait_until_capturing(tmp_path / "r")
    began = time.monotonic()
    for _ in range(100):
        os.getppid()  # of this process, which has started the capture
    other = subprocess.run(["/bin/true"], check=True)
    assert other.returncode == 0
    finish(process, tmp_path / "r")
    assert time.monotonic() - began < 5
    with api.open(tmp_path / "r") as recording:
        assert recording.problems == []
        assert recording.end is not None
        assert recording.end["reason"] == "duration"
        assert 0.9e9 < recording.end["duration_ns"] < 2e9
        found = {int(pid) for batch in recording.batches() for pid in batch.pid}
    assert looping.pid in found
    assert process.pid not in found
    assert os.getpid() not in found


def test_calls_by_name_and_number(capture_program: Path, tmp_path: Path) -> None:
    number = "3" if os.uname().machine == "x86_64" else "57"
    capture(capture_program, tmp_path / "r", "--syscalls", f"openat,{number}", "--", "/bin/ls", "/")
    calls = {event_name(event) for event in sound_events(tmp_path / "r") if event.kind == Kind.SYSCALL}
    assert calls == {"openat", "close"}


@pytest.mark.parametrize(("name", "nearest"), [("opnat", "openat"), ("getpidd", "getpid"), ("recvfrm", "recvfrom")])
def test_an_unknown_call_brings_the_nearest(capture_program: Path, tmp_path: Path, name: str, nearest: str) -> None:
    process = start(capture_program, tmp_path / "r", "--syscalls", f"close,{name}", "--", "/bin/true")
    assert process.wait(timeout=20) == 2
    assert name in said(tmp_path / "r")
    assert nearest in said(tmp_path / "r").partition("mean")[2]
    assert not (tmp_path / "r").exists()


def test_a_number_without_a_call(capture_program: Path, tmp_path: Path) -> None:
    process = start(capture_program, tmp_path / "r", "--syscalls", "4000", "--", "/bin/true")
    assert process.wait(timeout=20) == 2
    assert "4000" in said(tmp_path / "r")


@pytest.mark.parametrize("grade", ["observe", "replay"])
def test_command_of_another_user(capture_program: Path, tmp_path: Path, grade: str) -> None:
    capture(capture_program, tmp_path / "r", "--grade", grade, "--user", "nobody", "--", "/usr/bin/id")
    events = sound_events(tmp_path / "r")
    (exec_event,) = [event for event in events if event.kind == Kind.EXEC]
    assert exec_event.args[2:4] == (65534, 65534)
    assert "setuid" not in {event_name(event) for event in events}
    shown = retrograde("read", str(tmp_path / "r"), "evt.type = procexec").stdout
    assert "uid=65534" in shown


def test_a_user_that_is_not_there(capture_program: Path, tmp_path: Path) -> None:
    process = start(capture_program, tmp_path / "r", "--user", "no-such-user", "--", "/bin/true")
    assert process.wait(timeout=20) == 2
    assert "no-such-user" in said(tmp_path / "r")
