"""`retrograde demo` on real programs: the story, and what it says where something is missing."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from retrograde.errors import EXIT_CANNOT, EXIT_DONE
from tests.support.commands import PROGRAMS, recordings, retrograde
from tests.support.gdb_runs import needs_gdb

pytest.importorskip("retrograde.replay._core", reason="the replayer's Python module is not built", exc_type=ImportError)

_SOURCE = PROGRAMS.parents[1] / "src" / "retrograde" / "demo" / "warehouse.c"


def _line_of(text: str) -> int:
    return next(number for number, line in enumerate(_SOURCE.read_text().splitlines(), 1) if text in line)


def _tells_the_cause(said: str) -> None:
    crash, cause = _line_of("order->customer->discount"), _line_of("append(end, order->customer->town)")
    assert f"It crashed in account() at warehouse.c:{crash}, which is innocent." in said
    assert f"The cause is write_label() at warehouse.c:{cause}:" in said


def _path_with(folder: Path, *names: str) -> dict[str, str]:
    """Return the environment with these programs alone."""
    folder.mkdir()
    for name in names:
        if path := shutil.which(name):
            (folder / name).symlink_to(path)
    return {**os.environ, "PATH": str(folder)}


def test_it_goes_back_to_the_cause(capture_program: Path) -> None:
    """In gdb, from the accountant's crash to the line that wrote over the pointer."""
    needs_gdb()
    done = retrograde("demo")
    assert done.returncode == EXIT_DONE, done.stdout + done.stderr
    assert "0 lost" in done.stderr
    assert "sig=11(SIGSEGV)" in done.stdout
    assert re.search(r"hit Hardware watchpoint 1: -location order->customer\nOld value = .*\nNew value = ", done.stdout)
    _tells_the_cause(done.stdout)
    assert (recordings() / "demo" / "info.json").exists()


def test_without_gdb_python_is_asked(capture_program: Path, tmp_path: Path) -> None:
    done = retrograde("demo", env=_path_with(tmp_path / "bin", "gcc", "as", "ld"))
    assert done.returncode == EXIT_DONE, done.stdout + done.stderr
    assert "gdb is not installed (sudo apt install gdb)" in done.stderr
    assert re.search(r"written by: event \d+, thread \d+: append\+\d+ at warehouse\.c:\d+ wrote ", done.stdout)
    _tells_the_cause(done.stdout)


def test_without_a_compiler(tmp_path: Path) -> None:
    done = retrograde("demo", env=_path_with(tmp_path / "bin"))
    assert done.returncode == EXIT_CANNOT
    assert done.stderr == (
        "retrograde demo: the demo compiles a small C program, and there is no gcc\nsudo apt install gcc libc6-dev\n"
    )


def test_where_nothing_can_be_recorded(tmp_path: Path) -> None:
    environment = {**os.environ, "RETROGRADE_CAPTURE": str(tmp_path / "missing")}
    done = retrograde("demo", env=environment)
    assert done.returncode == EXIT_CANNOT
    assert "Traceback" not in done.stderr
    assert "is no executable file" in done.stderr
