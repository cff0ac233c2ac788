"""Retrograde: a flight recorder and a time machine for Linux programs.

    import retrograde

    with retrograde.open("latest") as rec:
        for event in rec.events("evt.failed = true"):
            print(event)

What failed on purpose is a :class:`RetrogradeError`; the rest of the package is imported when it is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from retrograde.errors import RetrogradeError

if TYPE_CHECKING:
    from pathlib import Path

    from retrograde.recording import Recording

__all__ = ["RetrogradeError", "__version__", "open"]
__version__ = "0.1.0"


def open(name: str | Path = "latest", **options: Any) -> Recording:
    """Open a recording for reading.

    Args:
        name: a recording's name, or the path of its folder or of a packed file.
        options: passed on to :class:`retrograde.recording.Recording`.

    Raises:
        retrograde.errors.NotFoundError: there is no such recording.
        retrograde.errors.FormatError: it is not a recording, or of a newer format.
    """
    from retrograde.recording import Recording

    return Recording(name, **options)
