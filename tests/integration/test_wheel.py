"""The wheel works on a machine that has Python and nothing to build with."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def fresh_environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment into which nothing but the wheel and what it depends on was installed."""
    wheels = list((ROOT / "dist").glob(f"retrograde-*_{platform.machine()}.whl"))
    if not wheels:
        pytest.skip("dist/ holds no wheel: make wheel")
    folder = tmp_path_factory.mktemp("fresh")
    venv.create(folder, with_pip=True)
    newest = max(wheels, key=lambda path: path.stat().st_mtime)
    words = [str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", str(newest)]
    subprocess.run(words, check=True)
    return folder


def test_the_wheel_records_and_reads(fresh_environment: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    environment = {"PATH": str(empty), "HOME": str(tmp_path), "RETROGRADE_DIR": str(tmp_path / "recordings")}
    program = str(fresh_environment / "bin" / "retrograde")

    def run(*words: str) -> str:
        command = [program, *words]
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert run("record", "/bin/echo", "hello") == "hello\n"
    lines = [json.loads(line) for line in run("read", "evt.type = write", "--json").splitlines()]
    assert len(lines) == 1
    assert "hello" in json.dumps(lines[0])


def test_the_capture_program_needs_no_library(fresh_environment: Path) -> None:
    program = next(fresh_environment.glob("lib/python*/site-packages/retrograde/bin/retrograde-capture"))
    assert os.access(program, os.X_OK)
    done = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=False)
    assert "not a dynamic executable" in done.stdout + done.stderr
