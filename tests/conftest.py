"""Fixtures that all tests share."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from retrograde.errors import CannotError
from retrograde.record.program import find_capture_program

# Signals that are ignored where the tests are started (nohup, a script's background) would be in their programs, too.
for _number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def _own_recordings_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests never see or touch the user's recordings."""
    monkeypatch.setenv("RETROGRADE_DIR", str(tmp_path / "recordings"))
    for name in ("SUDO_UID", "SUDO_GID", "SUDO_USER", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def capture_program() -> Path:
    """The capture program; the test is skipped where it has not been built."""
    try:
        return find_capture_program()
    except CannotError as error:
        pytest.skip(f"retrograde-capture is missing: {error}")


@pytest.fixture(scope="session")
def as_root() -> None:
    """The test is skipped unless it runs as root, which eBPF needs."""
    if os.geteuid() != 0:
        pytest.skip("eBPF needs root here")
