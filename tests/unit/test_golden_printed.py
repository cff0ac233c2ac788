"""What is printed of recordings that a capture once made is the same, byte for byte.

Where it is meant to change: `python tests/golden/make.py --printed`, and look at the difference.
"""

from __future__ import annotations

import difflib
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from retrograde import cli
from retrograde.recording import Recording
from tests.support import golden

RECORDINGS = golden.captured()
NAMES = {"x86_64-ebpf", "x86_64-ptrace", "arm64-ebpf"}


@pytest.fixture
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Times of day are printed in the local zone."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_there_is_one_of_each_back_end_and_architecture() -> None:
    assert {folder.name for folder in RECORDINGS} >= NAMES
    for folder in RECORDINGS:
        with Recording(folder) as recording:
            assert recording.complete
            assert folder.name == f"{recording.arch}-{recording.info['backend']}"


@pytest.mark.parametrize("name", golden.PRINTS)
@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda folder: folder.name)
def test_it_is_printed_as_ever(
    recording: Path, name: str, utc: None, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert cli.main(golden.words(name, recording)) == 0
    printed, talk = capfdbinary.readouterr()
    assert talk == b""
    expected = (golden.printed(recording) / name).read_bytes()
    if printed != expected:
        lines = [text.decode().splitlines() for text in (expected, printed)]
        pytest.fail("\n".join(difflib.unified_diff(*lines, "golden", "printed now", n=0, lineterm="")), pytrace=False)


def _ends(data: bytes) -> list[tuple[int, int]]:
    """Return where each block ends, and how many events there are up to there."""
    at, events = 16, 0
    ends = []
    while at < len(data):
        (stored,) = struct.unpack_from("<I", data, at + 8)
        (count,) = struct.unpack_from("<I", data, at + 24)
        at, events = at + 64 + stored, events + count
        ends.append((at, events))
    assert at == len(data)
    return ends


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda folder: folder.name)
def test_cut_at_a_block_it_prints_what_is_whole_and_one_line_of_what_is_missing(
    recording: Path, utc: None, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    data = (recording / "events-000000").read_bytes()
    lines = (golden.printed(recording) / "default.txt").read_bytes().splitlines(keepends=True)
    ends = _ends(data)
    assert ends[-1] == (len(data), len(lines))
    for end, _ in ends:
        for cut in (end - 1, end, end + 1):
            if cut >= len(data):
                continue
            copy = tmp_path / f"cut-{cut}"
            copy.mkdir()
            (copy / "events-000000").write_bytes(data[:cut])
            assert cli.main(["read", str(copy)]) == 0
            printed, talk = capfdbinary.readouterr()
            whole = max((events for end, events in ends if end <= cut), default=0)
            assert printed == b"".join(lines[:whole]), cut
            (line,) = talk.decode().splitlines()
            assert "cut off" in line, cut


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda folder: folder.name)
def test_it_holds_nothing_of_the_machine_that_made_it(recording: Path) -> None:
    """Golden recordings are made in virtual machines: no host name, path or environment of a developer's."""
    with Recording(recording) as opened:
        assert (opened.info["hostname"], opened.info["cwd"]) == ("vm", "/")
        for process in opened.processes:
            assert set(process.environ or ()) <= {"PATH=/bin", "HOME=/", "PWD=/", "SHLVL=1"}
            assert process.exepath in ("/bin/busybox", "/proc/self/exe", "/bin/sh", "/capture")
            assert process.cwd == "/"
    assert sum(file.stat().st_size for file in recording.iterdir()) < 16 << 10
