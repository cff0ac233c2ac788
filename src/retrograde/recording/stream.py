"""Reading a block stream from a pipe, or from a file that grows."""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Iterator
from typing import Any

from retrograde.recording.blocks import Block, Continuity
from retrograde.recording.parser import BlockParser

_CHUNK = 1 << 16
POLL_SECONDS = 0.05


class StreamReader:
    """Yields each block as soon as it is whole.

    Args:
        file: a binary file object: a pipe, or a file opened with ``buffering=0``.
        following: asked at the end of a file: whether more may come. None for a pipe, whose end is its end.
        poll_seconds: how long to wait before looking again.
        continuity: what the blocks before said, where this is a further file of a recording.

    Attributes:
        problems: one line for each thing that could not be read.
    """

    def __init__(
        self,
        file: Any,
        *,
        following: Callable[[], bool] | None = None,
        poll_seconds: float = POLL_SECONDS,
        continuity: Continuity | None = None,
    ) -> None:
        self._file = file
        self._read: Callable[[int], bytes | None] = getattr(file, "read1", file.read)
        self._following = following
        self._poll_seconds = poll_seconds
        self.continuity = continuity if continuity is not None else Continuity()
        self._parser = BlockParser(self.continuity)
        self.problems: list[str] = []

    def __iter__(self) -> Iterator[Block]:
        return self.blocks()

    def _whole(self) -> Iterator[Block]:
        while (item := self._parser.next()) is not None:
            if isinstance(item, Block):
                yield item
            else:
                self.problems.append(item.text)

    def available(self) -> list[Block]:
        """Return the blocks that are whole by now, without waiting for more where the file is a growing one."""
        blocks = list(self._whole())
        while data := self._read(_CHUNK):
            self._parser.feed(data)
            blocks += self._whole()
        return blocks

    def finish(self) -> list[Block]:
        """Say that nothing more will come; return what is left."""
        self._parser.finish()
        return list(self._whole())

    def blocks(self) -> Iterator[Block]:
        """Yield blocks until the stream ends.

        Raises:
            FormatError: it is no block stream, or one of a newer format.
        """
        while True:
            data = self._read(_CHUNK)
            if data:
                self._parser.feed(data)
                yield from self._whole()
            elif data is None:  # a pipe that does not block
                select.select([self._file], [], [], self._poll_seconds)
            elif self._following is not None and self._following():
                time.sleep(self._poll_seconds)
            elif self._following is not None and (data := self._read(_CHUNK)):
                # Written between our look and its last word.
                self._parser.feed(data)
                yield from self._whole()
            else:
                break
        yield from self.finish()
