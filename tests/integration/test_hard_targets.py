"""Targets and places that make a recorder stumble: nothing is lost silently, and the message says what to do."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow.compute as pc
import pytest

import retrograde as api
from retrograde.events import Kind
from retrograde.record.program import find_capture_program
from tests.support.capturing import finish, start, wait_until_capturing
from tests.support.commands import compiled, recordings, retrograde

pytestmark = pytest.mark.usefixtures("capture_program")


@pytest.fixture(params=["ebpf", "ptrace"])
def backend(request: pytest.FixtureRequest) -> str:
    """Both ways to capture; eBPF needs root."""
    if request.param == "ebpf" and os.geteuid() != 0:
        pytest.skip("eBPF needs root here")
    return str(request.param)


def _counts(name: str) -> Counter[str]:
    with api.open(name) as recording:
        assert recording.problems == []
        assert recording.losses == []
        return Counter(
            event.syscall.name if event.syscall is not None else Kind(event.kind).name for event in recording.events()
        )


def test_exit_status_is_passed_on(backend: str) -> None:
    assert retrograde("record", "--backend", backend, "sh", "-c", "exit 7").returncode == 7


def test_fatal_signal_is_passed_on(backend: str) -> None:
    done = retrograde("record", "--backend", backend, "sh", "-c", "kill -SEGV $$")
    assert done.returncode == 128 + signal.SIGSEGV
    assert _counts("latest")["SIGNAL"] >= 0
    with api.open("latest") as recording:
        assert recording.end is not None
        assert os.WTERMSIG(recording.end["exit_status"]) == signal.SIGSEGV


def test_target_that_dies_at_once(backend: str) -> None:
    assert retrograde("record", "--backend", backend, "true").returncode == 0
    counts = _counts("latest")
    assert counts["execve"] == 1
    assert counts["exit_group"] == 1


def test_target_that_does_not_exist() -> None:
    done = retrograde("record", "no-such-program-here")
    assert done.returncode == 2
    assert "no-such-program-here" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(recordings().glob("no-such*"))


def test_target_that_is_no_program(tmp_path: Path) -> None:
    file = tmp_path / "data"
    file.write_text("no program")
    done = retrograde("record", str(file))
    assert done.returncode == 2
    assert str(file) in done.stderr


def test_target_whose_interpreter_does_not_exist(backend: str, tmp_path: Path) -> None:
    """The kernel's ENOENT is about another file than the command."""
    script = tmp_path / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    done = retrograde("record", "--backend", backend, str(script))
    assert done.returncode == 2
    assert f"cannot run {script}: its interpreter /no/such/interpreter does not exist" in done.stderr
    assert "Traceback" not in done.stderr
    with api.open("latest") as recording:
        (call,) = [event for event in recording.events("evt.type = execve") if event.kind == Kind.SYSCALL]
        assert call.result == -2


@pytest.mark.parametrize("bits", [32, 64])
def test_elf_program_whose_interpreter_does_not_exist(tmp_path: Path, bits: int) -> None:
    """A script whose interpreter is there, and lacks one itself."""
    program, script = tmp_path / "program", tmp_path / "script"
    source = "void _start(void) { for (;;) ; }"
    flags = [f"-m{bits}", "-nostdlib", "-pie", "-fPIE", "-Wl,--dynamic-linker=/no/such/ld.so"]
    subprocess.run(["gcc", *flags, "-x", "c", "-o", str(program), "-"], input=source, text=True, check=True)
    script.write_text(f"#!{program}\n")
    script.chmod(0o755)
    for target in (program, script):
        done = retrograde("record", str(target))
        assert done.returncode == 2
        assert f"cannot run {target}: its interpreter /no/such/ld.so does not exist" in done.stderr


def test_script_with_a_carriage_return(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_bytes(b"#!/bin/sh\r\n")
    script.chmod(0o755)
    done = retrograde("record", str(script))
    assert done.returncode == 2
    assert "its interpreter '/bin/sh\\x0d' does not exist" in done.stderr
    assert f"sed -i 's/\\r$//' {script}" in done.stderr
    assert "\r" not in done.stderr.rstrip("\r\n")


# Two children with the same pid, one after the other.
_SAME_PID = """
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
def child(pid, program):
    wanted = ctypes.c_int(pid)
    arguments = struct.pack("<11Q", 0, 0, 0, 0, 17, 0, 0, 0, ctypes.addressof(wanted), 1, 0)  # clone3(2), SIGCHLD
    made = libc.syscall(435, arguments, len(arguments))
    if made == 0:
        os.execv(program, [program, "/dev/null"])
    if made < 0:
        sys.exit(f"clone3: {os.strerror(ctypes.get_errno())}")
    os.waitpid(made, 0)
child(int(sys.argv[1]), "/bin/cat")
child(int(sys.argv[1]), "/bin/ls")
"""


def _record_a_pid_twice(backend: str) -> int:
    """Record two processes of one pid, `cat` and then `ls`, as `twice`, and return the pid."""
    pid = next(number for number in range(30_000, 4_000_000) if not Path(f"/proc/{number}").exists())
    done = retrograde("record", "--backend", backend, "-o", "twice", sys.executable, "-c", _SAME_PID, str(pid))
    if "clone3: Operation not permitted" in done.stderr or "clone3: Function not implemented" in done.stderr:
        pytest.skip(f"no pid can be asked for here: {done.stderr.splitlines()[0]}")
    assert done.returncode == 0, done.stderr
    return pid


def test_a_pid_that_is_used_again(backend: str, as_root: None) -> None:
    """The two processes are told apart, each with its name."""
    pid = _record_a_pid_twice(backend)
    with api.open("twice") as recording:
        kinds = [event.kind for event in recording.events(f"proc.pid = {pid}") if event.syscall is None]
        assert [kind for kind in kinds if kind in (Kind.FORK, Kind.EXIT)] == [Kind.FORK, Kind.EXIT] * 2
        assert [process.name for process in recording.processes if process.pid == pid] == ["cat", "ls"]
        rows = recording.to_arrow().filter(pc.field("pid") == pid)
        ends = rows.filter(pc.field("syscall") == "exit_group")
        assert ends.column("process").to_pylist() == ["cat", "ls"]
    format_and_filter = ["-p", "%proc.name %proc.args", f"proc.pid = {pid} and evt.type = exit_group"]
    shown = retrograde("read", "twice", *format_and_filter).stdout
    assert shown == "cat /dev/null\nls /dev/null\n"


def test_a_pid_that_is_used_again_is_two_processes_in_stats(as_root: None) -> None:
    pid = _record_a_pid_twice("ptrace")
    for words in ([], ["fd.num >= 0 or evt.type exists"]):  # by columns alone, and event by event
        summary = json.loads(retrograde("stats", "twice", *words, "--by", "process", "--json").stdout)
        assert {f"cat ({pid})", f"ls ({pid})"} <= set(summary["processes"])


def test_ten_thousand_forks(backend: str, tmp_path: Path) -> None:
    program = compiled("crowd", tmp_path)
    done = retrograde("record", "--backend", backend, str(program), "forks", "10000", timeout=300)
    assert done.returncode == 0, done.stderr
    counts = _counts("latest")
    assert counts["FORK"] == 10_000
    assert counts["EXIT"] == 10_001
    assert counts["getppid"] == 10_000


def test_a_thousand_threads(backend: str, tmp_path: Path) -> None:
    program = compiled("crowd", tmp_path)
    done = retrograde("record", "--backend", backend, str(program), "threads", "1000", timeout=300)
    assert done.returncode == 0, done.stderr
    counts = _counts("latest")
    assert counts["FORK"] == 1000
    assert counts["getppid"] == 1000
    assert counts["EXIT"] == 1001


def test_a_thousand_threads_that_run_already(backend: str, capture_program: Path, tmp_path: Path) -> None:
    pipe = subprocess.PIPE
    program = compiled("crowd", tmp_path)
    target = subprocess.Popen([str(program), "waiting", "1000"], stdin=pipe, stdout=pipe, text=True)
    assert target.stdin is not None
    assert target.stdout is not None
    try:
        assert target.stdout.readline() == "ready\n"
        folder = tmp_path / "recording"
        capture = start(capture_program, folder, "--backend", backend, "--pid", str(target.pid))
        wait_until_capturing(folder)
        target.stdin.write("go\n")
        target.stdin.flush()
        finish(capture, folder)
        assert target.wait(timeout=20) == 0
    finally:
        target.kill()
        target.communicate()
    counts = _counts(str(folder))
    assert counts["getppid"] == 1000
    assert counts["EXIT"] == 1001


@pytest.mark.parametrize("grade", ["record", "trace"])
def test_setuid_program(backend: str, grade: str, as_root: None) -> None:
    """It gets its privilege when root records it, as it would without us."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        os.chmod(folder, 0o755)
        program = Path(shutil.copy(shutil.which("id") or "", folder))
        program.chmod(0o4755)
        if os.statvfs(folder).f_flag & os.ST_NOSUID:
            pytest.skip(f"{folder} is mounted with nosuid")
        keep = ["-o"] if grade == "record" else ["-q", "-w"]
        words = [grade, "--backend", backend, "--user", "nobody", *keep, "setuid", "--", str(program)]
        done = retrograde(*words)
    assert done.returncode == 0, done.stderr
    assert re.match(r"uid=65534\(nobody\) .* euid=0\(root\)", done.stdout)
    assert _counts("setuid")["exit_group"] == 1


def test_command_runs_as_the_asked_user(backend: str, as_root: None) -> None:
    done = retrograde("record", "--backend", backend, "--user", "nobody", "id", "-un")
    assert done.stdout == "nobody\n"


def test_a_command_that_is_recorded_already(backend: str) -> None:
    """A process has one tracer. What records the outer command has started the inner one, too."""
    inner = f"{sys.executable} -m retrograde record --backend {backend} true"
    done = retrograde("record", "--quiet", "--backend", backend, "sh", "-c", f"echo $PPID; exec {inner}")
    outer = int(done.stdout)  # the capture, who is the shell's parent
    assert done.returncode == 3, done.stderr
    assert "Operation not permitted" not in done.stderr
    (line,) = [line for line in done.stderr.splitlines() if "cannot attach" in line]
    assert re.search(rf"process {outer}\b.*traces it already", line)
    assert "`retrograde trace`" in done.stderr
    assert "record the outer command" in done.stderr
    assert "Traceback" not in done.stderr


@contextlib.contextmanager
def _tmpfs(folder: Path, options: str) -> Iterator[Path]:
    """Mount one that is made for the time being."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def small_disk(tmp_path: Path, as_root: None) -> Iterator[Path]:
    """A file system of 5 MiB."""
    with _tmpfs(tmp_path / "small", "size=5m") as folder:
        yield folder


def test_full_disk(backend: str, small_disk: Path) -> None:
    folder = small_disk / "recording"
    done = retrograde(
        "record", "--backend", backend, "-o", str(folder), "dd", "if=/dev/urandom", "of=/dev/null", "bs=64k", "count=64"
    )
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    with api.open(folder) as recording:
        assert len(recording.problems) == 1
        assert not recording.complete
        assert any(event.syscall is not None and event.syscall.name == "execve" for event in recording.events())


def test_a_full_disk_leaves_the_target_unharmed(backend: str, small_disk: Path, tmp_path: Path) -> None:
    script = f"dd if=/dev/urandom of=/dev/null bs=64k count=64; echo $? > {tmp_path}/marker"
    done = retrograde("record", "--backend", backend, "-o", str(small_disk / "recording"), "sh", "-c", script)
    assert "No space left on device" in done.stderr
    deadline = time.monotonic() + 20
    while not (tmp_path / "marker").exists() or not (tmp_path / "marker").read_text():
        assert time.monotonic() < deadline, "the command did not get to its end"
        time.sleep(0.05)
    assert (tmp_path / "marker").read_text() == "0\n"


def test_an_export_to_a_full_disk_leaves_nothing_half_written(small_disk: Path) -> None:
    words = ["dd", "if=/dev/urandom", "of=/dev/null", "bs=64k", "count=64", "status=none"]
    assert retrograde("record", "-o", "big", *words).returncode == 0
    for way in (["export", "big", "--parquet"], ["export", "big", "--json", "-o"], ["pack", "big", "-o"]):
        done = retrograde(*way, str(small_disk / "-".join(["to", *way[2:]])))
        assert done.returncode == 3
        assert "No space left on device" in done.stderr
        assert "Traceback" not in done.stderr
        assert [path for path in small_disk.rglob("*") if path.is_file()] == []


def test_under_sudo_a_recording_that_failed_is_the_callers_too(small_disk: Path) -> None:
    caller = pwd.getpwnam("nobody")
    environment = {**os.environ, "SUDO_UID": str(caller.pw_uid), "RETROGRADE_DIR": str(small_disk)}
    words = ["dd", "if=/dev/urandom", "of=/dev/null", "bs=64k", "count=64"]
    done = retrograde("record", "-o", "full", *words, env=environment)
    assert done.returncode == 1, done.stderr
    made = [small_disk / "full", *(small_disk / "full").iterdir()]
    assert len(made) > 1
    assert {path.stat().st_uid for path in made} == {caller.pw_uid}


@pytest.fixture
def read_only(tmp_path: Path, as_root: None) -> Iterator[Path]:
    """A folder in which not even root may write."""
    with _tmpfs(tmp_path / "read-only", "ro") as folder:
        yield folder


@pytest.mark.parametrize("way", ["--output", "RETROGRADE_DIR", "below RETROGRADE_DIR"])
def test_unwritable_folder(read_only: Path, tmp_path: Path, way: str) -> None:
    """It is named before the command has begun."""
    output = ["-o", str(read_only / "recording")] if way == "--output" else []
    store = {"--output": tmp_path, "RETROGRADE_DIR": read_only, "below RETROGRADE_DIR": read_only / "below"}[way]
    done = retrograde(
        "record", *output, "touch", str(tmp_path / "begun"), env={**os.environ, "RETROGRADE_DIR": str(store)}
    )
    assert done.returncode == (3 if "below" in way else 1)
    assert f"{read_only}/" in done.stderr
    assert "Read-only file system" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "begun").exists()


def test_sigkill_of_the_capture_leaves_a_readable_recording_and_an_unharmed_target(
    backend: str, tmp_path: Path, capture_program: Path
) -> None:
    marker, folder = tmp_path / "marker", tmp_path / "recording"
    script = "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do sleep 0.1; done; echo done > " + str(
        marker
    )
    words = [str(capture_program), "--grade", "replay", "--backend", backend, "--output", str(folder)]
    capture = subprocess.Popen([*words, "--", "sh", "-c", script], stderr=subprocess.DEVNULL)
    time.sleep(1.2)
    capture.kill()
    capture.wait()
    deadline = time.monotonic() + 10
    while not marker.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert marker.read_text() == "done\n"
    with api.open(folder) as recording:
        assert not recording.complete
        assert len(recording.problems) == 1
        assert any(event.syscall is not None and event.syscall.name == "execve" for event in recording.events())


def test_interrupt_ends_a_capture_cleanly(backend: str, tmp_path: Path) -> None:
    target = subprocess.Popen(["sleep", "60"])
    command = [sys.executable, "-m", "retrograde", "trace", "-w", "interrupted", "--backend", backend]
    trace = subprocess.Popen([*command, "--pid", str(target.pid)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(2)
    trace.send_signal(signal.SIGINT)
    trace.communicate(timeout=20)
    assert target.poll() is None
    target.terminate()
    target.wait()
    with api.open("interrupted") as recording:
        assert recording.complete
        assert recording.end is not None
        assert recording.end["reason"] == "interrupted"


def test_calls_that_cannot_be_replayed_are_refused() -> None:
    script = "import ctypes; ctypes.CDLL(None).syscall(425, 1, ctypes.create_string_buffer(200))"  # io_uring_setup
    done = retrograde("record", sys.executable, "-c", script)
    assert done.returncode == 0, done.stderr
    assert "io_uring_setup" not in done.stderr
    with api.open("latest") as recording:
        calls = [e for e in recording.events() if e.syscall is not None and e.syscall.name == "io_uring_setup"]
    assert [call.result for call in calls] == [-errno.ENOSYS]


def test_calls_in_progress_at_the_end_have_a_line(backend: str, tmp_path: Path) -> None:
    script = f"echo $$ > {tmp_path / 'pid'}; exec sleep 60 > /dev/null 2>&1"
    done = retrograde("record", "--backend", backend, "--duration", "1s", "sh", "-c", script)
    assert done.returncode == 0, done.stderr
    pid = int((tmp_path / "pid").read_text())
    os.kill(pid, signal.SIGKILL)
    with api.open("latest") as recording:
        last = [event for event in recording.events() if event.kind == Kind.ENTER]
    assert [(event.pid, event.syscall.name) for event in last if event.syscall is not None] == [
        (pid, "clock_nanosleep")
    ]


def test_a_stream_on_stdout_is_not_mixed_with_the_commands_output(backend: str, tmp_path: Path) -> None:
    program = str(find_capture_program())
    words = [program, "--quiet", "--backend", backend, "--output", "-", "--", "echo", "hello"]
    done = subprocess.run(words, capture_output=True, check=True)
    assert done.stderr == b"hello\n"
    stream = tmp_path / "stream"
    stream.write_bytes(done.stdout)
    with api.open(stream) as recording:
        assert recording.problems == []
        writes = [event for event in recording.events() if event.syscall is not None and event.syscall.name == "write"]
    assert [event.memory(1) for event in writes] == [b"hello\n"]
