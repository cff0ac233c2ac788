"""What each option of the capture program does: which threads, which calls, how much, how long."""

from __future__ import annotations

import struct
from pathlib import Path

from tests.support.capturing import capture

_BLOCK = 64


def _stamps(folder: Path) -> set[int]:
    """Return the stamps of the stream and of all its blocks."""
    data = (folder / "events-000000").read_bytes()
    stamps = {int.from_bytes(data[12:16], "little")}
    at = 16
    while at < len(data):
        assert data[at : at + 4] == b"RgBk"
        (stored,) = struct.unpack_from("<I", data, at + 8)
        stamps.add(struct.unpack_from("<I", data, at + 56)[0])
        at += _BLOCK + stored
    return stamps


def test_stamp_is_the_same_throughout_and_of_this_recording_alone(capture_program: Path, tmp_path: Path) -> None:
    found = set()
    for name in ("first", "second"):
        capture(capture_program, tmp_path / name, "--backend", "ptrace", "--", "/bin/true")
        stamps = _stamps(tmp_path / name)
        assert len(stamps) == 1
        found |= stamps
    assert len(found) == 2
    assert 0 not in found
