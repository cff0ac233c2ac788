"""The capture on other kernels than this machine's, arm64 among them: Debian's, under qemu.

`make test-arm64` and `make test-kernels` run this.
"""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

import pytest

import retrograde as api
from retrograde.errors import EXIT_CANNOT, EXIT_DONE
from retrograde.record.program import find_capture_program
from tests.support import sample, vm
from tests.support.commands import retrograde

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ROOT / "tests" / "programs"
CROSS_BUILT = ROOT / "build" / "arm64" / "retrograde-capture"

COMPILERS = {"arm64": "aarch64-linux-gnu-gcc", "amd64": "gcc"}
ARCHITECTURES = {"arm64": "arm64", "amd64": "x86_64"}
SCRIPT = """
uname -r > /out/release
for backend in ebpf ptrace; do
    /capture --grade replay --backend $backend --output /out/$backend -- /sample /tmp/file || echo "$backend: $?"
done
/capture --grade observe --backend ebpf --output /out/all --all --duration 1s
# an unprivileged user gets ptrace, and a line that says so
chmod 777 /tmp
su user -c '/capture --grade replay --output /tmp/mine -- /sample /tmp/mine-file' || echo "user: $?"
cp -r /tmp/mine /out/user
# last: the clock steps back and forth
/capture --grade replay --output /out/stepped -- sh -c 'date -s 2001-01-01; sleep 1; date -s 2040-01-01; :'
"""

MACHINES = [vm.ARM64, *vm.X86_KERNELS]


@pytest.fixture(scope="module", params=MACHINES, ids=str)
def result(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[vm.Machine, vm.Result]:
    """Boot a machine once and record in it; all tests look at what came out."""
    machine: vm.Machine = request.param
    reason = vm.missing()
    if reason:
        pytest.skip(reason)
    capture = CROSS_BUILT if machine.arch == "arm64" else find_capture_program()
    if not os.access(capture, os.X_OK):
        pytest.skip(f"{capture} is missing: make capture-arm64")
    folder = tmp_path_factory.mktemp(machine.arch)
    program = folder / "sample"
    words = [COMPILERS[machine.arch], "-O1", "-static", "-pthread", "-o", str(program), str(PROGRAMS / "sample.c")]
    subprocess.run(words, check=True)
    vm.prepare()
    return machine, vm.run(machine, {"/capture": capture, "/sample": program}, SCRIPT, folder)


def test_the_kernel_is_the_one_that_was_meant(result: tuple[vm.Machine, vm.Result]) -> None:
    machine, outcome = result
    assert (outcome.folder / "release").read_text().startswith(machine.release)


@pytest.mark.parametrize("backend", ["ebpf", "ptrace"])
def test_everything_is_recorded(result: tuple[vm.Machine, vm.Result], backend: str) -> None:
    machine, outcome = result
    assert f"{backend}: 7" in outcome.stdout or f"{backend}:" not in outcome.stdout, outcome.stderr
    sample.check(outcome.folder / backend, arch=ARCHITECTURES[machine.arch], backend=backend)


@pytest.mark.parametrize("backend", ["ebpf", "ptrace"])
def test_a_recording_replays_here_on_another_kernel_and_cpu(result: tuple[vm.Machine, vm.Result], backend: str) -> None:
    machine, outcome = result
    if ARCHITECTURES[machine.arch] != platform.machine():
        pytest.skip(f"{machine.arch} code does not run on {platform.machine()}")
    recording = outcome.folder / backend
    done = retrograde("replay", "--check", str(recording))
    if done.returncode == EXIT_CANNOT and "was recorded on a CPU" in done.stderr:
        pytest.skip(done.stderr.strip())
    assert done.returncode == EXIT_DONE, done.stderr


def test_an_unprivileged_user_gets_ptrace_and_is_told(result: tuple[vm.Machine, vm.Result]) -> None:
    machine, outcome = result
    sample.check(outcome.folder / "user", arch=ARCHITECTURES[machine.arch], backend="ptrace")
    assert "capturing with ptrace" in outcome.stderr


def test_times_go_on_when_the_clock_is_stepped(result: tuple[vm.Machine, vm.Result]) -> None:
    """They are of CLOCK_BOOTTIME, which nobody can set."""
    _, outcome = result
    with api.open(outcome.folder / "stepped") as recording:
        assert recording.problems == []
        events = list(recording.events())
        assert recording.end is not None
    settings = [event for event in events if event.syscall and event.syscall.name in ("clock_settime", "settimeofday")]
    assert len([event for event in settings if event.result == 0]) >= 2
    latest: dict[int, int] = {}
    for event in events:
        assert event.exit >= latest.get(event.tid, 0)
        latest[event.tid] = event.exit
    assert 0.9e9 < events[-1].exit - events[0].exit < 60e9
