"""Running the command line and building small C programs, as a user would."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROGRAMS = Path(__file__).resolve().parents[1] / "programs"


_SECONDS = float(os.environ.get("RETROGRADE_TEST_SECONDS", "120"))  # more of them where a machine is emulated


def retrograde(*words: str, timeout: float = _SECONDS, **options: object) -> subprocess.CompletedProcess[str]:
    """Run a verb in a process of its own and return what it printed and its exit code."""
    command = [sys.executable, "-m", "retrograde", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False, **options)  # type: ignore[call-overload,no-any-return]


def compiled(name: str, folder: Path, *options: str) -> Path:
    """Compile tests/programs/NAME.c and return the program's path."""
    program = folder / name
    words = ["gcc", "-O1", "-pthread", "-o", str(program), str(PROGRAMS / f"{name}.c"), *options]
    subprocess.run(words, check=True)
    return program


def recordings() -> Path:
    """Return the folder of the test's recordings."""
    return Path(os.environ["RETROGRADE_DIR"])
