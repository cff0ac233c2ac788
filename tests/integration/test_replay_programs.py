"""Each program of tests/programs/replay recorded by the real capture, and replayed: verdict, output and end."""

from __future__ import annotations

import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.native import find_replay_program
from tests.support.replay_programs import ReplayProgram, build, missing_compiler, programs

ARCH = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
SECONDS = 150

# What is not supported, and why (docs/limits.md).
NOT_REPLAYED = {
    "calls_of_32_bits": "32-bit system calls cannot be replayed",
    "legacy_call_page": "calls through the page of vsyscalls are emulated by the kernel, and seen by nobody",
    "seccomp_strict": "a thread whose time stamp counter is switched off cannot enter strict mode",
}

_PROGRAMS = programs(ARCH)
_BY_VERB = _PROGRAMS[::15]  # the others by the program that starts faster
_BY_PTRACE = [program for program in _PROGRAMS if not program.needs_root][::5]


@dataclass
class Run:
    """A recording, and what its program did when it was recorded.

    Attributes:
        folder: of the recording.
        status: how the program ended, as subprocess says it.
        capture: of the capture program, with what the recorded program printed.
    """

    folder: Path
    status: int
    capture: subprocess.CompletedProcess[bytes]


def _record(capture_program: Path, program: ReplayProgram, folder: Path, backend: str) -> Run:
    cwd, recording = folder / "run", folder / "recording"
    cwd.mkdir(parents=True)
    command = [str(capture_program), "--quiet", "--backend", backend, "--grade", "replay", "--output", str(recording)]
    identity: dict[str, object] = {}
    if backend == "ptrace" and os.geteuid() == 0:
        for path in (folder, cwd):
            os.chown(path, 65534, 65534)
        identity = {"user": 65534, "group": 65534, "extra_groups": []}
    capture = subprocess.run(  # type: ignore[call-overload]
        [*command, "--", str(program.executable(ARCH)), *program.arguments],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=SECONDS,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)),
        **identity,
    )
    assert capture.returncode == 0, capture.stderr.decode(errors="replace")
    ended = json.loads((recording / "info.json").read_text())
    assert ended["error"] is None
    return Run(recording, os.waitstatus_to_exitcode(ended["exit_status"]), capture)


def _record_and_replay(
    capture_program: Path, replay_command: list[str], program: ReplayProgram, folder: Path, backend: str
) -> tuple[Run, subprocess.CompletedProcess[bytes]]:
    run = _record(capture_program, program, folder, backend)
    replay = subprocess.run(
        [*replay_command, str(run.folder)], stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, check=False
    )
    return run, replay


Results = dict[tuple[str, str], "Future[tuple[Run, subprocess.CompletedProcess[bytes]]]"]


@pytest.fixture(scope="module")
def results(request: pytest.FixtureRequest, capture_program: Path) -> Iterator[Results]:
    """All runs that tests of this session ask for, two at a time: most of a run's time is waiting."""
    if (compiler := missing_compiler(ARCH)) is not None:
        pytest.skip(f"not installed: {compiler}")
    wanted = [
        (item.callspec.params["program"], item.callspec.params["backend"])
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.module is request.module and hasattr(item, "callspec")
    ]
    build(ARCH, [program for program, _ in wanted])
    native = [str(find_replay_program()), "--echo"]
    verb = [sys.executable, "-m", "retrograde", "replay", "--check"]
    with tempfile.TemporaryDirectory(prefix="retrograde-programs-") as name, ThreadPoolExecutor(2) as pool:
        folder = Path(name)
        folder.chmod(0o711)  # for those that run without privileges
        yield {
            (program.name, backend): pool.submit(
                _record_and_replay,
                capture_program,
                verb if backend == "ebpf" and program in _BY_VERB else native,
                program,
                folder / backend / program.name,
                backend,
            )
            for program, backend in wanted
            if os.geteuid() == 0 or (backend == "ptrace" and not program.needs_root)
        }
        pool.shutdown(cancel_futures=True)


def _cases() -> Iterator[object]:
    for backend, chosen in (("ebpf", _PROGRAMS), ("ptrace", _BY_PTRACE)):
        for program in chosen:
            reason = NOT_REPLAYED.get(program.name)
            marks = [pytest.mark.xfail(strict=True, reason=reason)] if reason is not None else []
            yield pytest.param(backend, program, id=f"{program.name}-{backend}", marks=marks)


@pytest.mark.parametrize(("backend", "program"), list(_cases()))
def test_replays(results: Results, backend: str, program: ReplayProgram) -> None:
    """It replays to its end without a divergence, prints the same again, and ended as it does when nobody looks."""
    if (program.name, backend) not in results:
        pytest.skip("eBPF needs root here" if backend == "ebpf" else "the program needs root")
    run, replay = results[program.name, backend].result()
    if program.flaky is None:
        assert run.status == program.returncode, run.capture.stderr
    said, verdict = _without_verdict(replay.stderr)
    assert replay.returncode == 0, verdict
    assert "no divergence" in verdict
    assert replay.stdout == run.capture.stdout
    assert said == run.capture.stderr


def _without_verdict(stderr: bytes) -> tuple[bytes, str]:
    """Return what the program printed on stderr, and the sentence behind it."""
    marks = (b"retrograde-replay: ", b"recording replays: ", b"retrograde replay: ")
    begin = max(stderr.rfind(mark) for mark in marks)
    return (stderr[:begin], stderr[begin:].decode(errors="replace")) if begin >= 0 else (stderr, "")
