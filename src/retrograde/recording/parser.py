"""Parsing a block stream as its bytes arrive."""

from __future__ import annotations

import enum

from retrograde.errors import FormatError
from retrograde.recording.blocks import (
    FORMAT_VERSION,
    HEADER_SIZE,
    STREAM_HEADER,
    STREAM_MAGIC,
    Block,
    Continuity,
    Header,
    Problem,
    decompress,
    is_readable,
)

_BLOCK_MAGIC = b"RgBk"


class _State(enum.Enum):
    START = enum.auto()
    BLOCKS = enum.auto()
    LOST = enum.auto()


class BlockParser:
    """Takes the bytes of one stream and gives its blocks, and a problem for what is none.

    Args:
        continuity: what the blocks before said; shared by the files of a recording.
        at: where in the stream the bytes begin; behind 0, blocks are expected at once.
        lenient: look for blocks even where the stream does not begin as one.

    Attributes:
        position: offset in the stream behind what has been taken.
        truncated: whether the stream ended inside a block.
        finished: whether :meth:`finish` was called.
    """

    def __init__(self, continuity: Continuity, *, at: int = 0, lenient: bool = False) -> None:
        self.position = at
        self.truncated = False
        self._continuity = continuity
        self._lenient = lenient
        self._buffer = bytearray()
        self._state = _State.START if at == 0 else _State.BLOCKS
        self._lost_at = at
        self._header: Header | None = None
        self.finished = False
        self._queue: list[Block | Problem] = []

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the stream."""
        self._buffer += data

    def finish(self) -> None:
        """Say that no further bytes will come."""
        self.finished = True

    def next(self) -> Block | Problem | None:
        """Return the next block or problem, None until more bytes are there (or at the end, after :meth:`finish`).

        Raises:
            FormatError: the bytes are no block stream, or one of a newer format.
        """
        while True:
            if self._queue:
                return self._queue.pop(0)
            if self._state is _State.START:
                progress = self._start()
            elif self._state is _State.BLOCKS:
                progress = self._block()
            else:
                progress = self._search()
            if not progress:
                return self._queue.pop(0) if self._queue else None

    def _drop(self, count: int) -> None:
        del self._buffer[:count]
        self.position += count

    def _problem(self, at: int, text: str) -> None:
        self._queue.append(Problem(at, text))

    def _start(self) -> bool:
        buffer = self._buffer
        head = bytes(buffer[: len(STREAM_MAGIC)])
        if not STREAM_MAGIC.startswith(head):
            return self._damaged_start()
        if len(buffer) < STREAM_HEADER.size:
            if self.finished and not self.truncated:
                self.truncated = True
                self._problem(0, f"is cut off after {len(buffer)} bytes and holds nothing")
            return False
        _, version, stamp = STREAM_HEADER.unpack_from(buffer)
        if not is_readable(version):
            raise FormatError(
                f"is a recording of format {version}, and this Retrograde reads formats 1 to {FORMAT_VERSION}",
                hint="read it with the version of Retrograde that made it, or a newer one",
            )
        if self._continuity.stamp is None:
            self._continuity.stamp = stamp
        self._drop(STREAM_HEADER.size)
        self._state = _State.BLOCKS
        return True

    def _damaged_start(self) -> bool:
        needed = STREAM_HEADER.size + HEADER_SIZE
        if len(self._buffer) < needed and not self.finished:
            return False
        if len(self._buffer) >= needed and Header.parse(self._buffer, STREAM_HEADER.size) is not None:
            self._problem(0, f"bytes 0 to {STREAM_HEADER.size - 1} are damaged; no block is missing")
            self._drop(STREAM_HEADER.size)
            self._state = _State.BLOCKS
            return True
        if not self._lenient:
            raise FormatError("is no recording: it does not begin as one")
        self._lose()
        return True

    def _lose(self) -> None:
        """Begin to look for the next block; what is in the buffer is none."""
        self._state = _State.LOST
        self._lost_at = self.position
        self._header = None

    def _block(self) -> bool:
        """Take the next block; return False if more bytes are needed or none are left."""
        if self._header is None and not self._take_header():
            return False
        header = self._header
        if header is None:  # where it should stand there is none: it is looked for
            return True
        if len(self._buffer) < header.stored_length:
            if self.finished:
                self._cut_off_inside(header)
            return self.finished
        at = self.position - HEADER_SIZE
        stored = bytes(memoryview(self._buffer)[: header.stored_length])
        self._drop(header.stored_length)
        self._header = None
        contradiction = self._continuity.contradiction(header)
        if contradiction:
            self._problem(at, f"{header.describe()} at byte {at} is skipped: {contradiction}")
            return True
        missing = self._continuity.accept(header)
        if missing:
            self._problem(at, missing)
        try:
            block = Block(header, decompress(header, stored))
            block.check()
            self._queue.append(block)
        except FormatError as error:
            self._problem(at, f"{header.describe()} at byte {at} is damaged and skipped: {error.message}")
        return True

    def _cut_off_inside(self, header: Header) -> None:
        left = len(self._buffer)
        self.truncated = True
        where = f"is cut off inside {header.describe()}"
        self._problem(self.position, f"{where}: {left} of its {header.stored_length} bytes are there")
        self._drop(left)
        self._header = None
        if not self._continuity.contradiction(header):
            self._continuity.accept(header)

    def _take_header(self) -> bool:
        """Read the header at the buffer's start; return False if more bytes are needed or none are left."""
        left = len(self._buffer)
        if left < HEADER_SIZE:
            if self.finished and left:
                self.truncated = True
                following = self._continuity.next_index
                which = "a block" if following is None else f"block {following}"
                self._problem(
                    self.position,
                    f"is cut off inside {which}: {left} of the {HEADER_SIZE} bytes of its header are there",
                )
                self._drop(left)
            return False
        header = Header.parse(self._buffer)
        if header is None or not self._continuity.belongs(header):
            self._lose()
            return True
        gap = self._continuity.gap(header)
        if gap:
            self._problem(self.position, f"{gap} before byte {self.position}")
        self._begin(header)
        return True

    def _begin(self, header: Header) -> None:
        if self._continuity.stamp is None:
            self._continuity.stamp = header.stamp
        self._drop(HEADER_SIZE)
        self._header = header
        self._state = _State.BLOCKS

    def _search(self) -> bool:
        """Look for the next block."""
        buffer = self._buffer
        at = buffer.find(_BLOCK_MAGIC)
        while at >= 0 and len(buffer) - at >= HEADER_SIZE:
            header = Header.parse(buffer, at)
            if header is not None and self._continuity.follows(header):
                self._drop(at)
                gap = self._continuity.gap(header)
                lost = gap if gap else "no block is missing"
                self._problem(self._lost_at, f"bytes {self._lost_at} to {self.position - 1} are damaged: {lost}")
                self._begin(header)
                return True
            at = buffer.find(_BLOCK_MAGIC, at + 1)
        # A header may begin in the last bytes: keep them.
        keep = len(buffer) - at if at >= 0 else min(len(buffer), len(_BLOCK_MAGIC) - 1)
        self._drop(len(buffer) - keep)
        if self.finished and buffer:
            self._drop(len(buffer))
            self.truncated = True
            following = self._continuity.next_index
            which = "there is no block in them" if following is None else f"block {following} and what followed is lost"
            self._problem(self._lost_at, f"bytes {self._lost_at} to {self.position - 1} are damaged: {which}")
        return False
