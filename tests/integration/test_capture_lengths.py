"""How much memory of a call is recorded, where its registers or its end say it in an unusual way."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import retrograde as api
from retrograde.events import Event, Kind, SegmentFlag
from tests.support.commands import compiled


@pytest.fixture(scope="module")
def lengths(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """tests/programs/lengths.c."""
    return compiled("lengths", tmp_path_factory.mktemp("lengths"), "-w")


@pytest.fixture(params=["ebpf", "ptrace"])
def events(
    request: pytest.FixtureRequest, as_root: None, capture_program: Path, lengths: Path, tmp_path: Path
) -> list[Event]:
    """The calls that the program makes, recorded by either back end."""
    options = ["--grade", "replay", "--backend", request.param, "--output", str(tmp_path / "r")]
    subprocess.run([str(capture_program), *options, "--", str(lengths)], check=True, capture_output=True, timeout=60)
    with api.open(tmp_path / "r") as recording:
        assert recording.losses == []
        return [event for event in recording.events() if event.kind == Kind.SYSCALL]


def _named(events: list[Event], name: str) -> list[Event]:
    return [event for event in events if event.syscall is not None and event.syscall.name == name]


def test_upper_half_of_a_32_bit_length_means_nothing(events: list[Event]) -> None:
    (ppoll,) = _named(events, "ppoll")
    assert ppoll.args[1] == 0x1234_0000_0001
    assert [segment.full_length for segment in ppoll.segments if segment.arg == 0] == [8]
    good, negative = _named(events, "setsockopt")
    assert [segment.full_length for segment in good.segments if segment.arg == 3] == [4]
    assert [segment for segment in negative.segments if segment.arg == 3] == []


def test_what_stood_before_a_fault_is_recorded(events: list[Event]) -> None:
    (faulted,) = [event for event in _named(events, "read") if event.result == -14]
    read, missing = [segment for segment in faulted.segments if segment.arg == 1]
    assert (read.data, read.flags & SegmentFlag.OUT) == (b"01234", SegmentFlag.OUT)
    assert (missing.data, missing.full_length) == (b"", 95)
    assert missing.flags & SegmentFlag.FAULT
