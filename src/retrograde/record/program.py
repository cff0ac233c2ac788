"""Where the capture program is."""

from __future__ import annotations

import os
import shutil
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from retrograde.errors import CannotError

NAME = "retrograde-capture"


def _candidates() -> Iterator[Path]:
    yield Path(__file__).resolve().parent.parent / "bin" / NAME
    # An editable install leaves the sources where they are and puts the program here.
    yield Path(sysconfig.get_path("platlib")) / "retrograde" / "bin" / NAME
    on_path = shutil.which(NAME)
    if on_path:
        yield Path(on_path)


def find_capture_program() -> Path:
    """Return the path of `retrograde-capture`: ``$RETROGRADE_CAPTURE``, else the installed one, else the one in PATH.

    Raises:
        CannotError: there is none, or ``$RETROGRADE_CAPTURE`` names no executable file.
    """
    chosen = os.environ.get("RETROGRADE_CAPTURE")
    if chosen:
        path = Path(chosen)
        if not os.access(path, os.X_OK) or path.is_dir():
            raise CannotError(
                f"RETROGRADE_CAPTURE={chosen} is no executable file",
                hint="unset RETROGRADE_CAPTURE, or set it to the path of retrograde-capture",
            )
        return path
    for path in _candidates():
        if os.access(path, os.X_OK):
            return path
    raise CannotError(
        f"{NAME} was not found beside the package nor in PATH",
        hint="in a source tree, build it: make build",
    )
