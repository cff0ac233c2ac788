"""A recording that is still being written."""

from __future__ import annotations

import shutil
from pathlib import Path

from retrograde.recording import Recording

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "v1" / "cut-off"


def _growing(folder: Path) -> Path:
    """Make a recording whose last block is half written."""
    shutil.copytree(GOLDEN, folder)
    events = folder / "events-000000"
    events.write_bytes(events.read_bytes()[:-7])
    return folder


def test_a_block_that_is_half_written_is_no_problem_while_the_capture_goes_on(tmp_path: Path) -> None:
    with Recording(_growing(tmp_path / "live"), follow=lambda: True) as recording:
        assert recording.info
        assert recording.problems == []


def test_it_is_one_when_the_capture_has_gone(tmp_path: Path) -> None:
    with Recording(_growing(tmp_path / "dead"), follow=lambda: False) as recording:
        assert recording.info
        assert recording.problems
