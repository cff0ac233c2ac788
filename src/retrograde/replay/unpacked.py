"""The folder of a recording: the native replayer reads nothing else."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from retrograde.errors import CannotError

if TYPE_CHECKING:
    from retrograde.recording import Recording


@contextlib.contextmanager
def unpacked(recording: Recording) -> Iterator[Path]:
    """Give the recording's folder; of a packed recording a temporary one, private and gone afterwards.

    Raises:
        CannotError: a bare block stream has no images, and can't be replayed.
    """
    if recording.kind == "folder":
        yield recording.path
        return
    if recording.kind != "packed":
        raise CannotError(
            f"{recording.path} is a bare block stream: it does not hold the files that the program mapped",
            hint="record to a folder: retrograde record -- COMMAND",
        )
    with tempfile.TemporaryDirectory(prefix="retrograde-") as name:
        folder = Path(name)
        (folder / "images").mkdir(mode=0o700)
        for image in recording.images:
            with recording.image(image) as source, (folder / "images" / image).open("xb") as copy:
                shutil.copyfileobj(source, copy, 1 << 20)
        for member, source in recording.event_files():
            with source, (folder / member).open("xb") as copy:
                shutil.copyfileobj(source, copy, 1 << 20)
        yield folder
