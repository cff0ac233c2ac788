"""Watching a capture whose recording keeps its latest part alone."""

from __future__ import annotations

from pathlib import Path

from retrograde.record import CaptureOptions, start_capture
from retrograde.record.session import LIVE_BYTES
from retrograde.recording import BlockType

_COMMAND = ["dd", "if=/dev/urandom", "of=/dev/null", "bs=64k", "count=4000", "status=none"]


def test_a_slow_reader_follows_over_rotated_files_and_names_what_it_missed(
    capture_program: Path, as_root: None
) -> None:
    options = CaptureOptions(command=_COMMAND, grade="replay", last="4M")
    with start_capture(options) as live:
        recording = live.recording()
        seen, following, slow = 0, 0, True
        for block in recording.blocks():
            if block.type == BlockType.EVENTS:
                assert block.first_seq >= following
                seen, following = seen + block.count, block.first_seq + block.count
            if slow:
                live.capture.wait()  # all is written, and all but the latest part removed, before the second block
                slow = False
        end = recording.end
        assert end is not None
        assert following == end["events"]
        assert seen < end["events"]
        assert any("missing with event" in problem for problem in recording.problems), recording.problems
        folder = live.capture.folder
    assert not folder.exists()


def test_a_quick_reader_misses_nothing(capture_program: Path, as_root: None) -> None:
    reads = "dd if=/dev/urandom of=/dev/null bs=64k count=20 status=none; sleep 0.3;"
    command = ["sh", "-c", f"for i in 1 2 3 4; do {reads} done"]
    with start_capture(CaptureOptions(command=command, grade="replay", last="2M")) as live:
        recording = live.recording()
        names, seen = set(), 0
        for block in recording.blocks():
            names |= {path.name for path in live.capture.folder.glob("events-*")}
            seen += block.count if block.type == BlockType.EVENTS else 0
        live.capture.wait()
        assert len(names) > 2
        assert recording.end is not None
        assert seen == recording.end["events"]
        assert recording.problems == []


def test_what_nobody_keeps_is_bounded(capture_program: Path, as_root: None) -> None:
    with start_capture(CaptureOptions(command=["sleep", "0.5"])) as live:
        live.recording()
        arguments = Path(f"/proc/{live.capture._process.pid}/cmdline").read_bytes().split(b"\0")
        assert arguments[arguments.index(b"--last") + 1].decode() == LIVE_BYTES
        live.capture.wait()
