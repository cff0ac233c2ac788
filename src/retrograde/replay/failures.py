"""The native replayer's failures as the package's errors."""

from __future__ import annotations

from typing import NoReturn

from retrograde.errors import (
    EXIT_CANNOT,
    EXIT_USAGE,
    CannotError,
    DivergenceError,
    RetrogradeError,
    UsageError,
)


class Interrupted(Exception):  # noqa: N818 - not an error
    """A move was interrupted: the run is somewhere on its way."""


class ReplayDivergenceError(DivergenceError):
    """The replayed program did something else than the recorded one.

    Attributes:
        event: number of the event at which it differs.
        tid: the thread.
        registers: its registers, as text.
    """

    def __init__(self, message: str, event: int, tid: int, registers: str) -> None:
        super().__init__(f"divergence at event {event}, thread {tid}: {message}")
        self.what = message
        self.event = event
        self.tid = tid
        self.registers = registers


def from_native(message: str, code: int, divergence: tuple[int, int, str] | None) -> NoReturn:
    """Raise the error for a failure of the native replayer (called by it)."""
    if divergence is not None:
        raise ReplayDivergenceError(message, *divergence)
    kind = {EXIT_CANNOT: CannotError, EXIT_USAGE: UsageError}.get(code, RetrogradeError)
    raise kind(message)
