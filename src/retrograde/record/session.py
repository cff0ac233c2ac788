"""A run of the capture program."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from types import FrameType, TracebackType

from retrograde.errors import EXIT_CANNOT, EXIT_USAGE, CannotError, RetrogradeError, UsageError
from retrograde.record.options import CaptureOptions
from retrograde.record.program import find_capture_program
from retrograde.recording import Recording, store

_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_POLL_SECONDS = 0.05
# What nobody keeps must not fill the disk, however long it is watched: the capture keeps this much for a slow reader.
LIVE_BYTES = "256M"


def command_environment() -> dict[str, str]:
    """Return the environment as our caller gave it, for the program that is captured to see no other.

    Where no locale is set, Python adds LC_CTYPE to its own as it starts (PEP 538).
    """
    environment = dict(os.environ)
    with contextlib.suppress(OSError):
        given = Path("/proc/self/environ").read_bytes()  # as it was at our exec (proc(5))
        if not any(entry.startswith(b"LC_CTYPE=") for entry in given.split(b"\0")):
            environment.pop("LC_CTYPE", None)
    return environment


class Capture:
    """`retrograde-capture` at work on a folder.

    Its own messages go to stderr. Signals that ask us to end are passed on to it: it then ends cleanly.

    Args:
        options: what to capture.
        folder: the recording to write; must not exist.

    Raises:
        CannotError: there is no capture program.
    """

    def __init__(self, options: CaptureOptions, folder: Path) -> None:
        self.folder = folder
        program = find_capture_program()
        self._process = subprocess.Popen([str(program), *options.arguments(str(folder))], env=command_environment())
        self._handlers = {number: signal.signal(number, self._forward) for number in _FORWARDED}

    def _forward(self, number: int, _frame: FrameType | None) -> None:
        if self._process.poll() is None:
            self._process.send_signal(number)

    def poll(self) -> int | None:
        """Return the program's exit code, or None while it works."""
        return self._process.poll()

    def interrupt(self) -> None:
        """Ask it to end, as Ctrl-C does."""
        self._forward(signal.SIGINT, None)

    def wait(self) -> None:
        """Wait for its end.

        Raises:
            CannotError: this machine or user can't; UsageError: the options do not fit; RetrogradeError: it failed.
                The program has said why on stderr.
        """
        try:
            code = self._process.wait()
        finally:
            for number, handler in self._handlers.items():
                signal.signal(number, handler)
            if self.folder.exists():  # what a capture that failed has left, too
                store.give(self.folder)
        if code == 0:
            return
        if code < 0:
            raise RetrogradeError(
                f"the capture was killed by {signal.Signals(-code).name}",
                hint=f"what it had written can be read: retrograde read {self.folder}",
            )
        kind = {EXIT_CANNOT: CannotError, EXIT_USAGE: UsageError}.get(code, RetrogradeError)
        raise kind(f"the capture ended with exit code {code}")


class LiveCapture:
    """A capture whose blocks are read while it goes on.

    The capture writes files and this follows them, so that a slow reader (a terminal, a pager) never holds it back and
    never makes it lose anything.

    Args:
        options: what to capture.
        keep: the recording to keep; None for a temporary one, of which the latest part alone is kept (``options.last``
            says how much), and nothing at the end.
    """

    def __init__(self, options: CaptureOptions, keep: Path | None = None) -> None:
        self._temporary = Path(tempfile.mkdtemp(prefix="retrograde-")) if keep is None else None
        folder = keep if keep is not None else self._temporary_path() / "live"
        if keep is None and options.last is None:
            options = replace(options, last=LIVE_BYTES)
        try:
            self.capture = Capture(options, folder)
        except BaseException:
            self._remove()
            raise

    def _temporary_path(self) -> Path:
        assert self._temporary is not None
        return self._temporary

    def _remove(self) -> None:
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)

    def __enter__(self) -> LiveCapture:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self.capture.poll() is None:
                self.capture.interrupt()
                with contextlib.suppress(RetrogradeError):
                    self.capture.wait()
        finally:
            self._remove()

    def _has_begun(self) -> bool:
        return any(self.capture.folder.glob("events-*"))

    def recording(self) -> Recording:
        """Return the recording, which yields its blocks, batches and events as they are written.

        Raises:
            CannotError, UsageError, RetrogradeError: as :meth:`Capture.wait`, where there is none to be read.
        """
        while not self._has_begun():
            if self.capture.poll() is not None and not self._has_begun():
                self.capture.wait()
                raise RetrogradeError(f"the capture left no recording in {self.capture.folder}")
            time.sleep(_POLL_SECONDS)
        recording = Recording(self.capture.folder, follow=lambda: self.capture.poll() is None)
        # The file is there a moment before its first block, which says what the clocks showed.
        while not recording.info and self.capture.poll() is None:
            time.sleep(_POLL_SECONDS / 10)
        return recording


def start_capture(options: CaptureOptions, keep: Path | None = None) -> LiveCapture:
    """Start a capture whose blocks are read while it goes on; use it in a ``with`` statement."""
    return LiveCapture(options, keep)
