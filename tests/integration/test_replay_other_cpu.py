"""Replays on a processor that is another one than the recorded, as far as cpuid tells.

The recorded processor's answers stand in the recording: changed, they are those of another. `make test-kernels` replays
what was recorded on really another one.
"""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from retrograde import open as open_recording
from retrograde.errors import EXIT_DIVERGED, EXIT_DONE
from tests.support.altered import Altered
from tests.support.capturing import capture
from tests.support.commands import retrograde

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="cpuid is an instruction of x86-64")

_SOURCE = r"""
#include <cpuid.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void) {
    unsigned last, b, c, d;
    char vendor[] = "made by ............\n";

    __cpuid(0, last, b, c, d);
    memcpy(vendor + 8, &b, 4), memcpy(vendor + 12, &d, 4), memcpy(vendor + 16, &c, 4);
    /* All arguments are given: what else is in their registers depends on the processor, too. */
    syscall(SYS_write, 1, vendor, sizeof vendor - 1, 0, 0, 0);
    return 0;
}
"""


@pytest.fixture(scope="module")
def good(capture_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of a program that prints who has made the processor."""
    folder = tmp_path_factory.mktemp("other_cpu")
    (folder / "vendor.c").write_text(_SOURCE)
    subprocess.run(["gcc", "-O1", "-static", "-o", str(folder / "vendor"), str(folder / "vendor.c")], check=True)
    capture(capture_program, folder / "good", "--backend", "ptrace", "--grade", "replay", "--", str(folder / "vendor"))
    return folder / "good"


def _with_other_answers(good: Path, to: Path, change: Callable[[list[str]], list[str]]) -> Path:
    """Write the recording as if cpuid had answered otherwise: ``change`` gets leaf, subleaf and four registers."""
    with open_recording(good) as recording:
        rows = [row.split(" ") for row in recording.info["cpu"]["cpuid"].split(";") if row]
    assert len(rows) > 10
    altered = Altered.of(good)
    altered.change_info(cpu={"cpuid": "".join(" ".join(change(row)) + ";" for row in rows)})
    return altered.write(to)


def test_a_processor_of_another_model_makes_no_difference(good: Path, tmp_path: Path) -> None:
    """With all else as it is, cpuid is carried out for the program, which prints what it printed."""

    def other_model(row: list[str]) -> list[str]:
        return [*row[:2], *["41414141"] * 4] if row[0] == "80000002" else row

    done = retrograde("replay", "--check", str(_with_other_answers(good, tmp_path / "altered", other_model)))
    assert done.returncode == EXIT_DONE, done.stderr
    assert "made by " in done.stdout


def test_the_program_learns_what_the_recorded_processor_answered(good: Path, tmp_path: Path) -> None:
    """Another maker in the recording is another maker in the replay, which differs from what was printed."""

    def other_maker(row: list[str]) -> list[str]:
        return [*row[:3], *["58585858"] * 3] if row[0] == "0" else row

    done = retrograde("replay", "--check", str(_with_other_answers(good, tmp_path / "altered", other_maker)))
    assert done.returncode == EXIT_DIVERGED, done.stdout
    assert "is byte 0x58 where" in done.stderr


@pytest.mark.parametrize("nonsense", ["", ";;;", "0 0", "x" * 10_000, "0 0 ffffffff 1 2 3;" * 9999])
def test_answers_that_make_no_sense_end_in_a_sentence(good: Path, tmp_path: Path, nonsense: str) -> None:
    altered = Altered.of(good)
    altered.change_info(cpu={"cpuid": nonsense})
    done = retrograde("replay", "--check", str(altered.write(tmp_path / "altered")))
    assert done.returncode in (EXIT_DONE, EXIT_DIVERGED), done.stderr
    assert "Traceback" not in done.stderr
