"""Where programs are that are built beside the capture program."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from retrograde.errors import CannotError
from retrograde.record.program import find_capture_program

_REPLAY = "retrograde-replay"


def find_replay_program() -> Path:
    """Return the path of the program that checks recordings without Python: ``$RETROGRADE_TEST_REPLAY``, else as built.

    The test is skipped where it is missing.
    """
    if chosen := os.environ.get("RETROGRADE_TEST_REPLAY"):  # a sanitized one: `make fuzz`
        return Path(chosen).resolve(strict=True)
    try:
        folder = find_capture_program().parent
    except CannotError as error:
        pytest.skip(f"{_REPLAY} is missing: {error}")
    for path in (folder / _REPLAY, folder / "native" / "replay" / _REPLAY):
        if os.access(path, os.X_OK):
            return path
    pytest.skip(f"{_REPLAY} is not beside retrograde-capture in {folder}")
