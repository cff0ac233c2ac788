"""Programs of tests/programs/replay recorded and replayed on arm64, in a virtual machine: verdict, output and end.

`make test-arm64` runs this with some of them, `make test-arm64-all` with all.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.support import replay_arm64
from tests.support.replay_arm64 import Run
from tests.support.replay_programs import ReplayProgram, programs

# What can't be replayed on that kernel, and why.
NOT_REPLAYED = {
    "virtual_counter": "arm64's counter can be trapped since Linux 6.12 alone",
    "seccomp_strict": "a thread that has filters already cannot enter strict mode",
}
# Under emulation their timers may send the next signal before the one before has been recorded, for ever.
FAST_TIMERS = {
    *("interrupted_calls", "mixed_workload", "same_loop_many_times", "signal_storm", "signal_while_forking"),
    *("simd_across_signals", "timer_prints_progress", "timer_signals"),
}
CHECKED = {"fork_tree", "generated_code", "heap_growth", "signal_alternate_stack", "threads_condition"}
KILLED = 128 + 9

_ALL = os.environ.get("RETROGRADE_ARM64_PROGRAMS") == "all"
_PROGRAMS = programs("arm64")
_CHOSEN = [program for n, program in enumerate(_PROGRAMS) if _ALL or n % 5 == 0 or program.arch == "arm64"]
_BY_PTRACE = [program for program in _PROGRAMS if not program.needs_root][:: 3 if _ALL else 25]
_BY_MEMORY = [program for program in _PROGRAMS if program.name in CHECKED]
_CASES = [
    (program, backend)
    for backend, chosen in (
        *(("ebpf", _CHOSEN), ("ptrace", _BY_PTRACE)),
        *(("ebpf+checksums", _BY_MEMORY), ("ptrace+checksums", _BY_MEMORY)),
    )
    for program in chosen
    if _ALL or program.name not in FAST_TIMERS
]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Run]:
    """Boot once, record and replay everything; all tests look at what came out."""
    reason = replay_arm64.missing()
    if reason:
        pytest.skip(reason)
    return replay_arm64.run(_CASES, tmp_path_factory.mktemp("replay"))


def _parameters() -> Iterator[object]:
    for program, backend in _CASES:
        reason = NOT_REPLAYED.get(program.name)
        marks = [pytest.mark.xfail(strict=True, reason=reason)] if reason is not None else []
        yield pytest.param(program, backend, id=f"{program.name}-{backend}", marks=marks)


@pytest.mark.parametrize(("program", "backend"), list(_parameters()))
def test_replays(runs: dict[tuple[str, str], Run], program: ReplayProgram, backend: str) -> None:
    """It replays to its end without a divergence, prints the same again, and ended as it does when nobody looks."""
    run = runs[program.name, backend]
    if run.recorded.status == KILLED and program.name in FAST_TIMERS:
        pytest.skip("it gets signals faster than they are recorded under emulation")
    assert run.recorded.status == 0, run.recorded.stderr
    if program.flaky is None:
        assert run.program_status == program.returncode, run.recorded.stderr
    assert run.replayed.status == 0, run.verdict
    assert "no divergence" in run.verdict
    assert run.replayed.stdout == run.recorded.stdout
    assert run.repeated_stderr == run.recorded.stderr
