"""Places of signals that are not found at first, or not at all, since what tells them has been changed."""

from __future__ import annotations

import contextlib
import platform
import subprocess
from pathlib import Path

import pytest

import retrograde as api
from retrograde.errors import EXIT_DIVERGED, EXIT_DONE
from retrograde.events import SegmentArg, SegmentFlag
from tests.support import recording_writer as w
from tests.support.altered import Altered
from tests.support.capturing import capture
from tests.support.commands import retrograde
from tests.support.replay_programs import build, missing_compiler, programs

ARCH = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
SIGNAL = 6

pytest.importorskip("retrograde.replay._core", reason="the replayer's Python module is not built", exc_type=ImportError)


def _recorded(capture_program: Path, name: str, folder: Path) -> Path:
    """Record one of the programs for replays."""
    if (compiler := missing_compiler(ARCH)) is not None:
        pytest.skip(f"not installed: {compiler}")
    (program,) = (program for program in programs(ARCH) if program.name == name)
    build(ARCH, [program])
    capture(capture_program, folder, "--backend", "ptrace", "--grade", "replay", "--", str(program.executable(ARCH)))
    return folder


@pytest.fixture(scope="module")
def good(capture_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of a program that would run for ever, if it were not for its signals."""
    return _recorded(capture_program, "timer_in_library", tmp_path_factory.mktemp("places") / "good")


def _memory_of_a_signal(altered: Altered, arg: SegmentArg, flag: int) -> w.Memory:
    """Return what was recorded with a signal in the middle of the run."""
    rows = [row for row in altered.rows if row.kind == SIGNAL]
    return next(piece for piece in rows[len(rows) // 2].memory if piece.arg == arg and piece.flags & flag == flag)


def test_a_word_of_the_stack_that_is_another_one_this_time(good: Path, tmp_path: Path) -> None:
    """Not all that lies on a stack is the same in each run: the signal is found by the rest."""
    altered = Altered.of(good)
    stack = _memory_of_a_signal(altered, SegmentArg.MEMORY, SegmentFlag.IN)
    stack.data = bytes(byte ^ 0xFF for byte in stack.data[:8]) + stack.data[8:]
    done = retrograde("replay", "--check", str(altered.write(tmp_path / "altered")))
    assert done.returncode == EXIT_DONE, done.stderr
    assert "rounds: " in done.stdout


def test_a_place_that_is_never_reached(good: Path, tmp_path: Path) -> None:
    """The program would go on for ever: the replay says so."""
    altered = Altered.of(good)
    registers = _memory_of_a_signal(altered, SegmentArg.REGISTERS, 0)
    registers.data = bytes(byte ^ 0x5A for byte in registers.data[:8]) + registers.data[8:]
    done = retrograde("replay", "--check", str(altered.write(tmp_path / "altered")))
    assert done.returncode == EXIT_DIVERGED, done.stderr
    assert "it runs on and on" in done.stderr


@pytest.fixture(scope="module")
def turns(capture_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of a loop that is interrupted in turns that only what is printed later tells apart."""
    return _recorded(capture_program, "alarms_in_same_turns", tmp_path_factory.mktemp("turns") / "turns")


@pytest.mark.parametrize("others", [0, 4])
def test_a_place_in_the_wrong_turn_of_a_loop_is_found_again(turns: Path, others: int) -> None:
    """Whoever looks at the run forwards and backwards sees the turns that were recorded, from the first look on.

    Rounds are counted right, too, where other programs are in the way: the replay is interrupted at other moments then.
    """
    with contextlib.ExitStack() as stack, api.open(turns) as recording:
        for _ in range(others):
            other = stack.enter_context(subprocess.Popen(["sh", "-c", "while :; do :; done"]))
            stack.callback(other.kill)
        with recording.replay() as r:
            printed = list(recording.events("evt.type = write"))
            assert len(printed) == 6
            for event in (*printed, *reversed(printed)):
                r.seek(event.seq)
                assert r.memory[event.args[1] : event.args[1] + event.args[2]] == event.memory(1)
