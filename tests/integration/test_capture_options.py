"""What each option of the capture program does: which threads, which calls, how much, how long."""

from __future__ import annotations

import os
import platform
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from retrograde.events import EventFlag, Kind
from tests.support.capturing import capture, event_name, said, sound_events, start
from tests.support.commands import compiled, retrograde

_BLOCK = 64


def _stamps(folder: Path) -> set[int]:
    """Return the stamps of the stream and of all its blocks."""
    data = (folder / "events-000000").read_bytes()
    stamps = {int.from_bytes(data[12:16], "little")}
    at = 16
    while at < len(data):
        assert data[at : at + 4] == b"RgBk"
        (stored,) = struct.unpack_from("<I", data, at + 8)
        stamps.add(struct.unpack_from("<I", data, at + 56)[0])
        at += _BLOCK + stored
    return stamps


def test_stamp_is_the_same_throughout_and_of_this_recording_alone(capture_program: Path, tmp_path: Path) -> None:
    found = set()
    for name in ("first", "second"):
        capture(capture_program, tmp_path / name, "--backend", "ptrace", "--", "/bin/true")
        stamps = _stamps(tmp_path / name)
        assert len(stamps) == 1
        found |= stamps
    assert len(found) == 2
    assert 0 not in found


@pytest.fixture(params=["ebpf", "ptrace"])
def backend(request: pytest.FixtureRequest) -> str:
    """Both ways to capture; eBPF needs root."""
    if request.param == "ebpf" and os.geteuid() != 0:
        pytest.skip("eBPF needs root here")
    return str(request.param)


@pytest.fixture
def compat(tmp_path: Path) -> Path:
    """A program that makes 32-bit calls."""
    if platform.machine() != "x86_64":
        pytest.skip("32-bit calls of a 64-bit program are x86's")
    program = compiled("compat", tmp_path)
    if subprocess.run([str(program)], stdout=subprocess.DEVNULL, check=False).returncode:
        pytest.skip("this kernel takes no 32-bit calls")
    return program


@pytest.mark.parametrize("grade", ["observe", "replay"])
@pytest.mark.parametrize("filtered", [False, True])
def test_calls_of_32_bits(
    capture_program: Path, tmp_path: Path, compat: Path, backend: str, grade: str, filtered: bool
) -> None:
    """They are told apart from those of 64 bits, and a filter, whose numbers mean others, lets them through."""
    only = ["--syscalls", "getppid"] if filtered else []
    words = ["--backend", backend, "--grade", grade, *only, "--", str(compat)]
    capture(capture_program, tmp_path / "r", *words)
    events = sound_events(tmp_path / "r")
    calls = [event for event in events if event.kind == Kind.SYSCALL and event.flags & EventFlag.COMPAT]
    assert [event.nr for event in calls] == [20, 20, 20, 4]
    assert [event.result for event in calls] == [calls[0].pid] * 3 + [6]
    assert calls[0].args[:3] == (0x11, 0x22, 0x33)
    assert sum(event_name(event) == "getppid" for event in events) == 5
    if filtered:
        assert {event_name(event) for event in events if event.kind == Kind.SYSCALL} == {"SYSCALL", "getppid"}
    shown = retrograde("read", str(tmp_path / "r"), "evt.type = getpid").stdout.splitlines()
    assert len([line for line in shown if " getpid " in line and "abi=i386" in line]) == 3


def test_context_switches(capture_program: Path, tmp_path: Path, as_root: None) -> None:
    script = "import time\nfor i in range(20): time.sleep(0.005)"
    capture(capture_program, tmp_path / "r", "--switches", "--", sys.executable, "-c", script)
    events = sound_events(tmp_path / "r")
    target = events[0].pid
    switches = [event for event in events if event.kind == Kind.SWITCH]
    assert {event.tid for event in switches} == {target}
    assert all(event.args[0] != target for event in switches)
    asleep = [event for event in switches if event.args[1] == 1]
    sleeps = [event for event in events if event_name(event) == "clock_nanosleep"]
    assert len(sleeps) == 20
    for sleep in sleeps:
        assert any(sleep.enter <= event.exit <= sleep.exit for event in asleep)
    assert events[-1].kind == Kind.EXIT
    shown = retrograde("read", str(tmp_path / "r"), "evt.type = switch").stdout.splitlines()
    assert len(shown) == len(switches)
    assert any("switch next=" in line and "state=1(sleeping)" in line for line in shown)


@pytest.mark.parametrize("legacy", [False, True])
def test_no_context_switches_unless_asked_for(
    capture_program: Path, tmp_path: Path, as_root: None, monkeypatch: pytest.MonkeyPatch, legacy: bool
) -> None:
    if legacy:
        monkeypatch.setenv("RETROGRADE_LEGACY", "1")
    capture(capture_program, tmp_path / "with", "--switches", "--grade", "replay", "--", "/bin/sleep", "0.1")
    capture(capture_program, tmp_path / "without", "--grade", "replay", "--", "/bin/sleep", "0.1")
    assert any(event.kind == Kind.SWITCH and event.args[1] == 1 for event in sound_events(tmp_path / "with"))
    assert not any(event.kind == Kind.SWITCH for event in sound_events(tmp_path / "without"))


def test_ptrace_says_that_it_sees_no_context_switches(capture_program: Path, tmp_path: Path) -> None:
    process = start(capture_program, tmp_path / "r", "--backend", "ptrace", "--switches", "--", "/bin/true")
    assert process.wait(timeout=20) == 3
    assert "--switches" in said(tmp_path / "r")
    assert not (tmp_path / "r").exists()
