"""What a capture that has ended has to show for it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import retrograde
from retrograde.recording import Recording, store
from retrograde.recording.replayable import obstacles, shortened, unfaithful
from retrograde.syscalls import load

_MOST_UNFAITHFUL = 5


def amount(number: float) -> str:
    """Return bytes as people read them: `13.2 KiB`."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if number < 1024 or unit == "GiB":
            break
        number /= 1024
    return f"{number:.0f} {unit}" if unit == "bytes" else f"{number:.1f} {unit}"


def unsupported_calls(recording: Recording) -> tuple[str, ...]:
    """Return a line for each call in a recording that cannot be recorded faithfully. A failed one did no harm."""
    calls = load(recording.arch).calls
    made = [calls[nr] for nr in (recording.end or {}).get("succeeded", ()) if nr in calls]
    return tuple(f"{call.name}: {call.unsupported}" for call in made if call.unsupported is not None)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a capture went.

    Attributes:
        name: of the recording.
        events, lost: how many.
        kept: events that are on disk; a flight recorder keeps only the latest.
        seconds: how long the capture took.
        bytes: on disk, those of images apart.
        exit_status: wait status of the started command, None where none was started or it has not ended.
        backend: `ebpf` or `ptrace`.
        unsupported: calls that the table says cannot be recorded faithfully, each with the reason.
        unfaithful: what the capture met that a replay may not be able to repeat.
        image_bytes: of the files that were mapped, on disk.
        replayable: nothing stands in the way of a replay.
    """

    name: str
    events: int
    lost: int
    seconds: float
    bytes: int
    exit_status: int | None
    backend: str
    kept: int
    unsupported: tuple[str, ...]
    unfaithful: tuple[str, ...] = ()
    image_bytes: int = 0
    replayable: bool = False

    @classmethod
    def of(cls, folder: Path) -> Outcome:
        """Return the outcome of the capture that wrote ``folder``."""
        with retrograde.open(folder) as recording:
            end = recording.end or {}
            info = recording.info
            unsupported = unsupported_calls(recording)
            kept = recording.summary.events
            image_bytes = sum(recording.images.values())
            size = recording.stored_size - image_bytes
            replayable = not obstacles(recording)
        return cls(
            name=folder.name if folder.parent == store.recordings_folder() else str(folder),
            events=int(end.get("events", 0)),
            lost=int(end.get("lost", 0)),
            seconds=int(end.get("duration_ns", 0)) / 1e9,
            bytes=size,
            exit_status=end.get("exit_status"),
            backend=str(info.get("backend", "")),
            kept=kept,
            unsupported=unsupported,
            unfaithful=tuple(unfaithful(end)),
            image_bytes=image_bytes,
            replayable=replayable,
        )

    @property
    def exit_code(self) -> int | None:
        """The command's exit code as a shell gives it: 128 + N where signal N killed it. None where it goes on."""
        if self.exit_status is None:
            return None
        code = os.waitstatus_to_exitcode(self.exit_status)
        return code if code >= 0 else 128 - code

    def caveats(self) -> list[str]:
        """Return a line for each of the first things that a replay cannot have or may not repeat, and how many more."""
        # Every program of a recent libc registers for rseq, and few use it.
        unsupported = [call for call in self.unsupported if not call.startswith("rseq:")]
        calls = [f"a replay cannot have the effects of {call}" for call in unsupported]
        return calls + shortened([f"a replay may not repeat: {what}" for what in self.unfaithful], _MOST_UNFAITHFUL)

    def summary(self) -> str:
        """Return it in a line."""
        each = f", {self.bytes / self.kept:.1f} bytes an event" if self.kept else ""
        images = f"; the files it mapped {amount(self.image_bytes)}" if self.image_bytes else ""
        latest = f"the latest {self.kept:,} of " if self.kept < self.events else ""
        return (
            f"{self.name}: {latest}{self.events:,} events in {self.seconds:.2f} s, {self.lost:,} lost, "
            f"{amount(self.bytes)}{each}{images}"
        )

    def next_commands(self) -> tuple[str, ...]:
        """Return the commands that one would type next."""
        failed = self.exit_code not in (None, 0)
        replay = (f"  retrograde replay {self.name}{' --at-end' if failed else ''}",) if self.replayable else ()
        return (f"  retrograde read {self.name}", f"  retrograde stats {self.name}", *replay)
