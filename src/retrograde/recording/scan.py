"""Going over a recording's headers: what it holds, without reading its events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from retrograde.recording.blocks import (
    HEADER_SIZE,
    Block,
    BlockType,
    Continuity,
    Header,
    Problem,
    is_readable,
)
from retrograde.recording.parser import BlockParser
from retrograde.recording.sources import Source

_CHUNK = 1 << 16
_SKIPPED_TYPES = (BlockType.EVENTS, BlockType.SNAPSHOT)


@dataclass(slots=True)
class Scan:
    """What the headers and the small blocks of a recording say.

    Attributes:
        info: the first INFO block's members, and those of later ones that it lacks.
        end: the END block, None where there is none.
        losses: the LOSS blocks.
        events: rows in the blocks that are there.
        blocks: blocks that are there, by the name of their type.
        raw_bytes, stored_bytes: of their payloads.
        time_min, time_max: ns of CLOCK_BOOTTIME; None without events.
        truncated: whether the last file ends inside a block.
    """

    info: dict[str, Any] = field(default_factory=dict)
    end: dict[str, Any] | None = None
    losses: list[dict[str, Any]] = field(default_factory=list)
    events: int = 0
    blocks: Counter[str] = field(default_factory=Counter)
    raw_bytes: int = 0
    stored_bytes: int = 0
    time_min: int | None = None
    time_max: int | None = None
    truncated: bool = False

    def add(self, header: Header) -> None:
        """Count a block."""
        name = BlockType(header.type).name if header.type in list(BlockType) else "unknown"
        self.blocks[name] += 1
        self.raw_bytes += header.raw_length
        self.stored_bytes += header.stored_length + HEADER_SIZE
        self.events += header.count
        if header.count:
            self.time_min = header.time_min if self.time_min is None else min(self.time_min, header.time_min)
            self.time_max = header.time_max if self.time_max is None else max(self.time_max, header.time_max)

    def learn(self, block: Block) -> None:
        """Take what an INFO, LOSS or END block says."""
        if block.type == BlockType.INFO:
            self.info = {**block.json(), **self.info}
        elif block.type == BlockType.LOSS:
            self.losses.append(block.json())
        elif block.type == BlockType.END:
            self.end = block.json()


def scan_source(source: Source, continuity: Continuity, scan: Scan, report: Callable[[Problem], None]) -> None:
    """Add what one file holds to ``scan``; payloads of events and snapshots are not read.

    Raises:
        FormatError: it is no block stream, or one of a newer format.
    """
    at = 0
    while True:
        header = _plain_header(source, continuity, at)
        if header is not None:
            continuity.accept(header)
            scan.add(header)
            at += HEADER_SIZE + header.stored_length
            continue
        # Anything out of the ordinary is the parser's business, up to the next sound block.
        parser = BlockParser(continuity, at=at, lenient=True)
        block = _next_block(source, parser, report)
        if block is None:
            scan.truncated = parser.truncated
            return
        scan.add(block.header)
        scan.learn(block)
        at = parser.position


def _plain_header(source: Source, continuity: Continuity, at: int) -> Header | None:
    """Return the header at ``at`` if its block is whole, follows the one before and need not be read."""
    data = source.read(at, HEADER_SIZE)
    if at == 0 or len(data) < HEADER_SIZE:
        return None
    header = Header.parse(data)
    if (
        header is None
        or header.type not in _SKIPPED_TYPES
        or not is_readable(header.version)
        or header.index != continuity.next_index
        or header.first_seq != continuity.next_seq
        or not continuity.belongs(header)
        or at + HEADER_SIZE + header.stored_length > source.size()
        or continuity.contradiction(header)
    ):
        return None
    return header


def _next_block(source: Source, parser: BlockParser, report: Callable[[Problem], None]) -> Block | None:
    at = parser.position
    while True:
        item = parser.next()
        if isinstance(item, Block):
            return item
        if item is not None:
            report(item)
            continue
        data = source.read(at, _CHUNK)
        at += len(data)
        if data:
            parser.feed(data)
        elif parser.finished:
            return None
        else:
            parser.finish()


def check_start(source: Source) -> None:
    """Check that a stream begins as one, or at least holds a block behind damage.

    Raises:
        FormatError: it is no block stream, or one of a newer format.
    """
    _next_block(source, BlockParser(Continuity()), lambda _problem: None)
