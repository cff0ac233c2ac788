"""Images: the content of files that a recorded program has mapped, by the hash of it.

A name of one comes out of the recording, and so from anyone: it is looked at before anything is opened by it.
"""

from __future__ import annotations

import io
import os
import re
from typing import TYPE_CHECKING, Any

from retrograde.errors import FormatError

if TYPE_CHECKING:
    from retrograde.recording.sources import Source

FOLDER_NAME = "images"
NAME = re.compile(r"[0-9a-f]{32}")
UNFINISHED_NAME = "new"  # what a capture that was killed leaves of the one it was writing


def check_name(name: str) -> None:
    """Check that a text may name an image.

    Raises:
        FormatError: it does not; 32 hexadecimal digits do.
    """
    if not NAME.fullmatch(name):
        raise FormatError(f"{name[:80]!r} names no image: 32 hexadecimal digits do")


class SourceFile(io.RawIOBase):
    """A range of a file as a file object.

    Args:
        source: the range; closed with this.
    """

    def __init__(self, source: Source) -> None:
        super().__init__()
        self._source = source
        self._at = 0

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def seekable(self) -> bool:
        """Return that there is a place to go to."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read bytes to a buffer; none at the end."""
        data = self._source.read(self._at, len(buffer))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place and return it.

        Raises:
            ValueError: it lies before the beginning.
        """
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._source.size()}[whence]
        if base + offset < 0:
            raise ValueError(f"there is no byte {base + offset}")
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        """Return the place."""
        return self._at

    def close(self) -> None:
        """Close the file."""
        self._source.close()
        super().close()
