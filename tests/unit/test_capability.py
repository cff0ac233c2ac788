"""The doctor: on machines made of files, and on this one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from retrograde.capability import CHECKS, Finding, Machine, examine
from retrograde.cli import main
from retrograde.errors import CannotError
from tests.support.recording_writer import RecordingWriter, simple_rows

ALL = "000001ffffffffff"
NONE = "0000000000000000"
BPF_AND_PERFMON = f"{(1 << 38) | (1 << 39):016x}"


class MadeMachine(Machine):
    """A machine of files below a folder, whose trials are settled beforehand."""

    fifo = True
    program: Path | CannotError = CannotError("not found", hint="make build")
    problem: str | None = None

    def try_fifo(self) -> bool:
        """Return what was settled."""
        return self.fifo

    def capture_program(self) -> Path | CannotError:
        """Return what was settled."""
        return self.program

    def try_backend(self, program: Path, backend: str) -> str | None:
        """Return what was settled."""
        return self.problem


def make(
    root: Path, files: dict[str, str] | None = None, *, arch: str = "x86_64", capabilities: str = ALL
) -> MadeMachine:
    """Return a machine with such files."""
    for path, text in ({"proc/self/status": f"Name:\tx\nCapEff:\t{capabilities}\n"} | (files or {})).items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return MadeMachine(root, arch, "6.18.0", 0)


def found(machine: Machine, name: str) -> Finding:
    return CHECKS[name](machine)


@pytest.mark.parametrize(
    ("name", "files", "capabilities", "status"),
    [
        ("btf", {"sys/kernel/btf/vmlinux": "x"}, NONE, "OK"),
        ("btf", {}, ALL, "missing"),
        ("capabilities", {}, ALL, "OK"),
        ("capabilities", {}, BPF_AND_PERFMON, "degraded"),
        ("capabilities", {}, NONE, "degraded"),
        ("lockdown", {}, ALL, "OK"),
        ("lockdown", {"sys/kernel/security/lockdown": "none [integrity] confidentiality\n"}, ALL, "OK"),
        ("lockdown", {"sys/kernel/security/lockdown": "none integrity [confidentiality]\n"}, ALL, "missing"),
        ("perf_event_paranoid", {}, ALL, "missing"),
        ("perf_event_paranoid", {"proc/sys/kernel/perf_event_paranoid": "3\n"}, NONE, "degraded"),
        ("perf_event_paranoid", {"proc/sys/kernel/perf_event_paranoid": "3\n"}, BPF_AND_PERFMON, "OK"),
        ("perf_event_paranoid", {"proc/sys/kernel/perf_event_paranoid": "-1\n"}, NONE, "OK"),
        ("yama", {}, NONE, "OK"),
        ("yama", {"proc/sys/kernel/yama/ptrace_scope": "0"}, NONE, "OK"),
        ("yama", {"proc/sys/kernel/yama/ptrace_scope": "1"}, NONE, "degraded"),
        ("yama", {"proc/sys/kernel/yama/ptrace_scope": "2"}, NONE, "missing"),
        ("yama", {"proc/sys/kernel/yama/ptrace_scope": "2"}, ALL, "OK"),
        ("yama", {"proc/sys/kernel/yama/ptrace_scope": "3"}, ALL, "missing"),
        ("unprivileged_bpf_disabled", {}, ALL, "missing"),
        ("unprivileged_bpf_disabled", {"proc/sys/kernel/unprivileged_bpf_disabled": "2"}, NONE, "OK"),
        ("pmu", {}, ALL, "missing"),
        ("pmu", {"sys/bus/event_source/devices/cpu/type": "4"}, ALL, "OK"),
        ("pmu", {"sys/bus/event_source/devices/armv8_pmuv3_0/type": "8"}, ALL, "OK"),
        ("intel_pt", {"sys/bus/event_source/devices/intel_pt/type": "8"}, ALL, "OK"),
        ("intel_pt", {"proc/cpuinfo": "flags\t: fpu intel_pt\n"}, ALL, "missing"),
    ],
)
def test_a_check(tmp_path: Path, name: str, files: dict[str, str], capabilities: str, status: str) -> None:
    finding = found(make(tmp_path, files, capabilities=capabilities), name)
    assert finding.name == name
    assert finding.status == status
    if status != "OK":
        assert finding.remedy


def test_coresight(tmp_path: Path) -> None:
    assert found(make(tmp_path, arch="x86_64"), "coresight").remedy is None
    machine = make(tmp_path, {"sys/bus/event_source/devices/cs_etm/type": "9"}, arch="aarch64")
    assert found(machine, "coresight").status == "degraded"
    machine = make(tmp_path, {"sys/bus/coresight/devices/trbe0/name": ""}, arch="aarch64")
    assert found(machine, "coresight").status == "OK"


def test_an_architecture_that_nothing_captures(tmp_path: Path) -> None:
    assert found(make(tmp_path, arch="riscv64"), "kernel").status == "missing"


def test_a_back_end_says_why_it_does_not_work(tmp_path: Path) -> None:
    machine = make(tmp_path)
    assert found(machine, "ebpf") == Finding(
        "ebpf", "missing", "not tried: there is no capture program", "capture at full speed", "make build"
    )
    machine.program = Path("/bin/true")
    machine.problem = "eBPF capture is not possible here"
    finding = found(machine, "ebpf")
    assert (finding.status, finding.value) == ("missing", machine.problem)
    assert "sudo" in str(finding.remedy)
    machine.problem = None
    assert found(machine, "ebpf").status == found(machine, "ptrace").status == "OK"


def program(folder: Path, script: str) -> Path:
    """Return an executable shell script."""
    path = folder / "retrograde-capture"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)
    return path


def test_a_back_end_is_believed_by_what_it_captured(tmp_path: Path) -> None:
    writer = RecordingWriter(tmp_path / "rec", {"backend": "ebpf"})
    writer.events(simple_rows(3))
    writer.end()
    works = program(tmp_path, f"cat {writer.file}")
    assert Machine().try_backend(works, "ebpf") is None
    assert Machine().try_backend(works, "ptrace") == "it used ebpf instead"
    assert Machine().try_backend(program(tmp_path, "exit 0"), "ebpf") is not None
    refused = program(tmp_path, "echo 'Missing:' >&2; echo '  - rights' >&2; exit 3")
    assert Machine().try_backend(refused, "ebpf") == "Missing:; - rights"
    assert Machine().try_backend(tmp_path / "nowhere", "ebpf") == "No such file or directory"


def test_sched_fifo_is_tried_and_taken_back() -> None:
    import os

    before = os.sched_getscheduler(0)
    Machine().try_fifo()
    assert os.sched_getscheduler(0) == before


def test_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil
    from collections import namedtuple

    usage = namedtuple("usage", "total used free")
    for free, status in ((10 << 30, "OK"), (100 << 20, "degraded"), (1 << 20, "missing")):
        monkeypatch.setattr(shutil, "disk_usage", lambda path, free=free: usage(1 << 40, 0, free))
        assert found(make(tmp_path), "disk").status == status


def test_gdb_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    finding = found(make(tmp_path), "gdb")
    assert (finding.status, finding.remedy) == ("missing", "sudo apt-get install gdb")


# ---- the verb ----


@pytest.fixture
def no_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no capture program, so that nothing is captured here."""
    monkeypatch.setattr(Machine, "capture_program", lambda self: CannotError("not found", hint="make build"))


@pytest.mark.usefixtures("no_program")
def test_the_verb_tells_all_and_succeeds(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    findings = json.loads(capsys.readouterr().out)
    assert [finding["name"] for finding in findings] == list(CHECKS)
    assert {finding["status"] for finding in findings} <= {"OK", "degraded", "missing"}
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "to mend it:" in out
    assert "make build" in out


@pytest.mark.usefixtures("no_program")
def test_the_verb_fails_where_something_required_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--require", "ebpf", "--require", "kernel"]) == 3
    assert "ebpf is required and missing" in capsys.readouterr().err
    assert main(["doctor", "--require", "kernel"]) == 0


def test_every_check_can_be_made_on_an_empty_machine(tmp_path: Path) -> None:
    findings = examine(make(tmp_path, capabilities="nonsense"))
    assert len(findings) == len(CHECKS)
