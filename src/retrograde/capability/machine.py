"""The machine as the checks see it: files below a root, and a few things that only trying tells."""

from __future__ import annotations

import io
import os
import platform
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from retrograde.errors import CannotError, FormatError

Status = Literal["OK", "degraded", "missing"]

# include/uapi/linux/capability.h
CAP_SYS_PTRACE = 19
CAP_SYS_ADMIN = 21
CAP_SYS_NICE = 23
CAP_PERFMON = 38
CAP_BPF = 39
CAPABILITY_NAMES = {
    CAP_SYS_PTRACE: "CAP_SYS_PTRACE",
    CAP_SYS_ADMIN: "CAP_SYS_ADMIN",
    CAP_SYS_NICE: "CAP_SYS_NICE",
    CAP_PERFMON: "CAP_PERFMON",
    CAP_BPF: "CAP_BPF",
}
_TRIAL_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found.

    Attributes:
        name: of the check.
        status: `OK`; `degraded`: it works, with something less; `missing`: it does not.
        value: what there is.
        purpose: what it is needed for.
        remedy: the line that mends it, None where there is nothing to mend or nothing that can.
    """

    name: str
    status: Status
    value: str
    purpose: str
    remedy: str | None = None

    def json(self) -> dict[str, str | None]:
        """Return it as `--json` prints it."""
        return {
            "name": self.name,
            "status": self.status,
            "value": self.value,
            "purpose": self.purpose,
            "remedy": self.remedy,
        }


@dataclass(slots=True)
class Machine:
    """Where checks look.

    Attributes:
        root: of /proc and /sys.
        arch: as uname has it.
        release: of the kernel.
        uid: effective user id.
    """

    root: Path = Path("/")
    arch: str = field(default_factory=platform.machine)
    release: str = field(default_factory=platform.release)
    uid: int = field(default_factory=os.geteuid)

    def read(self, path: str) -> str | None:
        """Return a file's text without blanks around it, None where it can't be read."""
        try:
            return (self.root / path).read_text("utf-8", "replace").strip()
        except OSError:
            return None

    def number(self, path: str) -> int | None:
        """Return a file's number, None where it has none."""
        text = self.read(path)
        try:
            return int(text) if text is not None else None
        except ValueError:
            return None

    def exists(self, path: str) -> bool:
        """Return whether there is such a file or folder."""
        return (self.root / path).exists()

    def names(self, path: str) -> list[str]:
        """Return the names in a folder, in order; none where there is no such folder."""
        try:
            return sorted(entry.name for entry in (self.root / path).iterdir())
        except OSError:
            return []

    def capabilities(self) -> int:
        """Return the effective capabilities, a bit each."""
        for line in (self.read("proc/self/status") or "").splitlines():
            if line.startswith("CapEff:"):
                try:
                    return int(line.split()[1], 16)
                except (ValueError, IndexError):
                    return 0
        return 0

    def has(self, *capabilities: int) -> bool:
        """Return whether all of these capabilities are there."""
        held = self.capabilities()
        # CAP_SYS_ADMIN stands for CAP_BPF and CAP_PERFMON (capabilities(7)).
        admin = bool(held >> CAP_SYS_ADMIN & 1)
        return all(held >> one & 1 or (admin and one in (CAP_BPF, CAP_PERFMON)) for one in capabilities)

    def capture_program(self) -> Path | CannotError:
        """Return where the capture program is, or why there is none."""
        from retrograde.record.program import find_capture_program

        try:
            return find_capture_program()
        except CannotError as error:
            return error

    def try_backend(self, program: Path, backend: str) -> str | None:
        """Capture `true` with a back end; return None if that works, else what the capture program says."""
        words = [str(program), "--backend", backend, "--output", "-", "--", "true"]
        try:
            result = subprocess.run(
                words, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TRIAL_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            return f"it had not ended after {_TRIAL_SECONDS:.0f} s"
        except OSError as error:
            return error.strerror or "it can't be started"
        if result.returncode == 0:
            return _what_is_wrong(result.stdout, backend)
        lines = result.stderr.decode("utf-8", "replace").strip().splitlines()
        said = [line.strip() for line in lines if line.strip()]
        return "; ".join(said) or f"it ended with exit code {result.returncode}"

    def try_fifo(self) -> bool:
        """Return whether a thread may run under SCHED_FIFO, by trying it for a moment."""
        before, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))
        except OSError:
            return False
        os.sched_setscheduler(0, before, parameters)
        return True


def _what_is_wrong(stream: bytes, backend: str) -> str | None:
    """Return what is wrong with a captured block stream, None where it holds a run of `true`."""
    from retrograde.recording import BlockType, StreamReader

    used, events = None, 0
    try:
        for block in StreamReader(io.BytesIO(stream)):
            if block.type == BlockType.INFO:
                used = block.json().get("backend")
            elif block.type == BlockType.EVENTS:
                events += block.count
    except FormatError as error:
        return f"what it wrote can't be read: {error.message}"
    if used != backend:
        return f"it used {used} instead"
    return None if events else "it captured nothing"
