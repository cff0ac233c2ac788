"""The frames of the block stream: finding blocks, checking them, and going on behind damage.

docs/reference/recording-format.md describes the stream. Nothing here trusts it: every length is checked before it is
used, and one block's memory (64 MiB of payload) is the most that is ever held.
"""

from __future__ import annotations

import enum
import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import zstandard

from retrograde.errors import FormatError
from retrograde.recording.batch import Batch

STREAM_MAGIC = b"\x89RGTR\r\n\x1a"
STREAM_HEADER = struct.Struct("<8sII")
# The newest version that is read. An older one lacks kinds of event and of memory, and is read alike.
FORMAT_VERSION = 2
MAX_RAW_LENGTH = 64 << 20
# Where zstd gains nothing, a block is stored as it is: what is longer than this is no length of ours.
MAX_STORED_LENGTH = MAX_RAW_LENGTH + (1 << 20)

_MAGIC = b"RgBk"
_HEADER = struct.Struct("<4sBBHIIQIIQQQII")
HEADER_SIZE = _HEADER.size
_ENTRY = struct.Struct("<HI")
# Blocks overlap in time by as much as the capture merges its CPUs.
_TIME_SLACK = 10_000_000_000
_CODEC_STORED, _CODEC_ZSTD = 0, 1


def is_readable(version: int) -> bool:
    """Return whether streams and blocks of that version of the format can be read."""
    return 1 <= version <= FORMAT_VERSION


class BlockType(enum.IntEnum):
    """Types of block."""

    EVENTS = 1
    SNAPSHOT = 2
    INFO = 3
    LOSS = 4
    END = 5


@dataclass(slots=True, frozen=True)
class Header:
    """A block's header; its fields are the format's."""

    type: int
    codec: int
    version: int
    stored_length: int
    raw_length: int
    first_seq: int
    count: int
    payload_crc32: int
    time_min: int
    time_max: int
    index: int
    stamp: int

    @classmethod
    def parse(cls, data: bytes | bytearray | memoryview, at: int = 0) -> Header | None:
        """Return the header at ``at``, or None where none stands; at least 64 bytes must be there."""
        if data[at : at + 4] != _MAGIC:
            return None
        (_, kind, codec, version, stored, raw, seq, count, crc, low, high, index, stamp, header_crc) = (
            _HEADER.unpack_from(data, at)
        )
        if zlib.crc32(data[at : at + HEADER_SIZE - 4]) != header_crc or stored > MAX_STORED_LENGTH:
            return None
        return cls(kind, codec, version, stored, raw, seq, count, crc, low, high, index, stamp)

    @property
    def next_seq(self) -> int:
        """Number of the first event behind this block."""
        return self.first_seq + self.count

    def describe(self) -> str:
        """Name the block: its number, its type, its events."""
        name = BlockType(self.type).name if self.type in BlockType.__members__.values() else f"type {self.type}"
        events = f", events {self.first_seq} to {self.next_seq - 1}" if self.count else ""
        return f"block {self.index} ({name}{events})"


@dataclass(slots=True)
class Block:
    """A whole block whose payload is sound.

    Attributes:
        header: the block's header.
        payload: the payload, decompressed.
    """

    header: Header
    payload: bytes
    _content: Any = field(default=None, repr=False)

    @property
    def type(self) -> int:
        """A :class:`BlockType`."""
        return self.header.type

    @property
    def index(self) -> int:
        """The block's number in the recording."""
        return self.header.index

    @property
    def first_seq(self) -> int:
        """Number of its first event, else of the next event."""
        return self.header.first_seq

    @property
    def count(self) -> int:
        """Events in it."""
        return self.header.count

    def batch(self) -> Batch:
        """Return the events of an EVENTS block."""
        self._expect(BlockType.EVENTS)
        if self._content is None:
            self._content = self._batch()
        batch: Batch = self._content
        return batch

    def _batch(self) -> Batch:
        batch = Batch(self.payload, self.first_seq)
        if batch.count != self.count:
            raise FormatError(f"its header promises {self.count} events and it holds {batch.count}")
        return batch

    def json(self) -> dict[str, Any]:
        """Return the object of an INFO, LOSS or END block."""
        self._expect(BlockType.INFO, BlockType.LOSS, BlockType.END)
        if self._content is None:
            self._content = parse_object(self.payload)
        content: dict[str, Any] = self._content
        return content

    def snapshot(self) -> dict[str, bytes]:
        """Return the files of a SNAPSHOT block by their paths."""
        self._expect(BlockType.SNAPSHOT)
        return dict(_entries(self.payload))

    def _expect(self, *types: BlockType) -> None:
        if self.type not in types:
            raise FormatError(f"{self.header.describe()} is no {' or '.join(kind.name for kind in types)} block")

    def check(self) -> None:
        """Read the payload's structure.

        Raises:
            FormatError: it contradicts itself.
        """
        if self.type == BlockType.EVENTS:
            self.batch()
        elif self.type == BlockType.SNAPSHOT:
            for _ in _entries(self.payload):
                pass
        elif self.type in (BlockType.INFO, BlockType.LOSS, BlockType.END):
            self.json()


def parse_object(text: bytes) -> dict[str, Any]:
    """Return the JSON object that ``text`` is.

    Raises:
        FormatError: it is none.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"its JSON is broken: {error}") from None
    if not isinstance(content, dict):
        raise FormatError("its JSON is no object")
    return content


def _entries(payload: bytes) -> Iterator[tuple[str, bytes]]:
    at = 0
    while at < len(payload):
        if at + _ENTRY.size > len(payload):
            raise FormatError("its last entry is cut")
        path_length, content_length = _ENTRY.unpack_from(payload, at)
        at += _ENTRY.size
        end = at + path_length + content_length
        if end > len(payload):
            raise FormatError("an entry is longer than the block")
        path = payload[at : at + path_length].decode("utf-8", "surrogateescape")
        yield path, payload[at + path_length : end]
        at = end


def decompress(header: Header, stored: bytes) -> bytes:
    """Return the payload, never longer than its header says.

    Raises:
        FormatError: it is damaged.
    """
    if not is_readable(header.version):
        raise FormatError(f"it has version {header.version}, and this Retrograde reads 1 to {FORMAT_VERSION}")
    if header.raw_length > MAX_RAW_LENGTH:
        raise FormatError(f"it claims {header.raw_length} bytes, and at most {MAX_RAW_LENGTH} are allowed")
    if zlib.crc32(stored) != header.payload_crc32:
        raise FormatError("its checksum does not match")
    if header.codec == _CODEC_STORED:
        raw = stored
    elif header.codec == _CODEC_ZSTD:
        try:
            # The frame names its size itself, and the library would allocate whatever it says.
            size = zstandard.frame_content_size(stored)
            if size not in (-1, header.raw_length):
                raise FormatError(f"its zstd frame holds {size} bytes and its header says {header.raw_length}")
            limit = max(1, header.raw_length)
            raw = zstandard.ZstdDecompressor().decompress(stored, max_output_size=limit, allow_extra_data=False)
        except zstandard.ZstdError as error:
            raise FormatError(f"it does not decompress: {error}") from None
    else:
        raise FormatError(f"its codec {header.codec} is unknown")
    if len(raw) != header.raw_length:
        raise FormatError(f"it holds {len(raw)} bytes and its header says {header.raw_length}")
    return raw


class Problem(NamedTuple):
    """Something that could not be read.

    Attributes:
        at: offset in the stream where it was met, so that a second reading does not report it twice.
        text: one line that says what is missing.
    """

    at: int
    text: str


class Continuity:
    """Checks that blocks follow each other without a gap, over all files of a recording.

    Args:
        from_start: whether the first file is there. A flight recorder has forgotten its oldest ones.

    Attributes:
        next_index, next_seq: what the next block must say; None where it is not known.
        stamp: what every block of the recording carries; None until it is known.
        time: highest time so far.
    """

    def __init__(self, *, from_start: bool = True) -> None:
        self.next_index: int | None = 0 if from_start else None
        self.next_seq: int | None = 0 if from_start else None
        self.stamp: int | None = None
        self.time = 0

    def belongs(self, header: Header) -> bool:
        """Return whether the block is of this recording, not of one that the recorded program read or wrote."""
        return self.stamp is None or header.stamp == self.stamp

    def follows(self, header: Header) -> bool:
        """Return whether a header that was found behind damage may be the recording's own.

        Data that happens to hold another recording's blocks must not turn into events. The stamp tells them apart;
        where the capture gave none, their numbers and times do, mostly.
        """
        if not self.belongs(header) or self.contradiction(header):
            return False
        return bool(self.stamp) or not header.count or header.time_min + _TIME_SLACK >= self.time

    def gap(self, header: Header) -> str | None:
        """Return what is missing before ``header``, or None."""
        if self.next_index is None or self.next_seq is None or header.index <= self.next_index:
            return None
        first, last = self.next_index, header.index - 1
        blocks = f"block {first} is" if first == last else f"blocks {first} to {last} are"
        return f"{blocks} missing{self._events_before(header)}"

    def _events_before(self, header: Header) -> str:
        if self.next_seq is None or header.first_seq <= self.next_seq:
            return ""
        first, last = self.next_seq, header.first_seq - 1
        return f" with event {first}" if first == last else f" with events {first} to {last}"

    def contradiction(self, header: Header) -> str | None:
        """Return why the block cannot stand here: it repeats what was there before; None if all is well."""
        if self.next_index is not None and header.index < self.next_index:
            return f"its number was there before (expected is block {self.next_index})"
        if self.next_seq is not None and header.count and header.first_seq < self.next_seq:
            return f"its events were there before (expected is event {self.next_seq})"
        if header.next_seq >= 1 << 63:
            return "its events have impossible numbers"
        return None

    def accept(self, header: Header) -> str | None:
        """Take the block as the latest; return what its numbers show to be missing, where no block is."""
        missing = None
        if self.next_index == header.index and self._events_before(header):
            missing = f"{self._events_before(header).removeprefix(' with ')} missing before {header.describe()}"
        self.next_index = header.index + 1
        self.next_seq = max(self.next_seq or 0, header.next_seq)
        if header.count:
            self.time = max(self.time, header.time_max)
        return missing
