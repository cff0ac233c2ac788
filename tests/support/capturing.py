"""Running the capture program itself, and reading what it wrote."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import retrograde as api
from retrograde.events import Event, Kind


def start(program: Path, folder: Path, *words: str) -> subprocess.Popen[str]:
    """Start a capture into a folder; what it says goes to a file beside it, which a target may keep open."""
    with folder.with_name(f"{folder.name}-talk").open("w") as talk:
        command = [str(program), "--output", str(folder), *words]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=talk, text=True)


def said(folder: Path) -> str:
    """Return what the capture into this folder has said."""
    return folder.with_name(f"{folder.name}-talk").read_text()


def finish(process: subprocess.Popen[str], folder: Path, *, timeout: float = 60) -> None:
    """Wait for a capture that must end well."""
    try:
        process.wait(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert process.returncode == 0, said(folder)


def capture(program: Path, folder: Path, *words: str, timeout: float = 60) -> None:
    """Run a capture that must end well."""
    finish(start(program, folder, *words), folder, timeout=timeout)


def event_name(event: Event) -> str:
    """Return the name of the call, else of the kind of event."""
    return event.syscall.name if event.syscall is not None else Kind(event.kind).name


def sound_events(folder: Path, filter_text: str | None = None) -> list[Event]:
    """Return the events of a recording that must be complete and have no problem."""
    with api.open(folder) as recording:
        assert recording.problems == []
        assert recording.complete
        return list(recording.events(filter_text))


def wait_until_capturing(folder: Path, *, timeout: float = 15) -> None:
    """Wait until a capture has begun: its file holds the first block."""
    deadline = time.monotonic() + timeout
    file = folder / "events-000000"
    while not (file.exists() and file.stat().st_size > 100):
        assert time.monotonic() < deadline, f"the capture did not begin: {said(folder)}"
        time.sleep(0.02)
