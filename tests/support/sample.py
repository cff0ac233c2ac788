"""What a recording of tests/programs/sample.c must hold, on whatever machine it was made."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import retrograde
from retrograde.events import Event, Kind, SegmentArg

SIZE = 1 << 20
DATA = bytes((i * 7 + i // 251) & 0xFF for i in range(SIZE))
EXIT_CODE = 7


def name(event: Event) -> str:
    """Return the call's name, or the kind of event."""
    return event.syscall.name if event.syscall is not None else Kind(event.kind).name


def check(folder: Path, *, arch: str, backend: str) -> None:
    """Assert that the recording is complete: every call, with its data."""
    with retrograde.open(folder) as recording:
        assert recording.problems == []
        assert recording.complete
        assert recording.arch == arch
        assert recording.info["backend"] == backend
        assert recording.losses == []
        assert recording.end is not None
        assert recording.end["reason"] == "target-exited"
        assert recording.end["exit_status"] == EXIT_CODE << 8
        events = list(recording.events())
    counts = Counter(name(event) for event in events)
    assert counts["getppid"] == 20_000
    assert counts["getpgid"] == 4 * 500
    assert counts["EXEC"] == 2
    assert counts["FORK"] == 5  # a process and four threads
    assert counts["EXIT"] == 6
    assert counts["SIGNAL"] >= 3  # SIGUSR1 three times, SIGCHLD where it is delivered

    first = next(event for event in events if event.kind == Kind.SYSCALL)
    assert name(first) == "execve"
    assert first.result == 0

    reads = [event for event in events if name(event) == "read" and event.result == SIZE]
    assert len(reads) == 1
    assert reads[0].memory(1, written=True) == DATA

    piped = [event for event in events if name(event) == "read" and event.result == 14]
    assert [event.memory(1) for event in piped] == [b"from the child"]

    missing = [event for event in events if name(event) == "openat" and event.result == -2]
    assert b"/does/not/exist\0" in [event.memory(1) for event in missing]

    again = [event for event in events if event.kind == Kind.EXEC][1]
    assert again.memory(SegmentArg.ARGV) == b"sample-again\0"

    for tid in {event.tid for event in events}:
        mine = [event.exit for event in events if event.tid == tid]
        assert mine == sorted(mine)
