"""Fixtures of the oracle's tests."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
BUILT = "build/[A-Z]*/native/oracle/memory-oracle"  # build/Release, …: build/arm64 is for another machine


@pytest.fixture(scope="session")
def oracle() -> Path:
    """The memory-oracle program; the test is skipped where it has not been built or ptrace is not allowed."""
    named = os.environ.get("RETROGRADE_MEMORY_ORACLE")
    built = [Path(named).resolve()] if named else sorted(REPOSITORY.glob(BUILT))
    for program in built:
        if program.exists():
            tried = subprocess.run([str(program), "true"], capture_output=True, text=True, check=False)
            if tried.returncode == 3:
                pytest.skip(f"ptrace is not allowed here: {tried.stderr.strip()}")
            return program
    pytest.skip(f"memory-oracle has not been built ({BUILT}, or RETROGRADE_MEMORY_ORACLE)")
