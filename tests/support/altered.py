"""Copies of real recordings with something changed, under right checksums: what is behind them meets the change.

Like the writer of recordings, it knows docs/reference/recording-format.md and shares no code with the reader.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zstandard

from tests.support import recording_writer as w

_HEADER = struct.Struct("<4sBBHIIQIIQQQII")
_EVENT_COLUMNS = (1, 1, 2, 2, 4, 4, 4, 8, 8, 8, 8, 8, 8, 8, 8, 8)
_SEGMENT_COLUMNS = (1, 1, 4, 8, 8)


@dataclass
class Block:
    """A block: rows where it holds events, else a payload.

    Attributes:
        overwritten: bytes of the payload that are written over at last: offset (modulo its length) and value.
    """

    kind: int
    payload: bytes = b""
    rows: list[w.Row] = field(default_factory=list)
    overwritten: list[tuple[int, int]] = field(default_factory=list)

    def bytes(self) -> bytes:
        """Return the payload."""
        payload = bytearray(w.events_payload(self.rows) if self.kind == w.EVENTS else self.payload)
        for offset, value in self.overwritten:
            if payload:
                payload[offset % len(payload)] = value
        return bytes(payload)


@dataclass
class Altered:
    """What a recording holds, to be changed and written.

    Attributes:
        blocks: all of them.
        images: the folder of its images.
        version: of the format.
    """

    blocks: list[Block]
    images: Path
    version: int = w.VERSION

    @classmethod
    def of(cls, folder: Path) -> Altered:
        """Read a sound recording."""
        blocks = [block for file in sorted(folder.glob("events-*")) for block in _blocks(file.read_bytes())]
        return cls(blocks, folder / "images")

    @property
    def rows(self) -> list[w.Row]:
        """All events; to change them, change the rows themselves."""
        return [row for block in self.blocks for row in block.rows]

    def change_info(self, **members: Any) -> None:
        """Replace members of the INFO block; a value that is a dictionary replaces members of the one that is there."""
        for block in self.blocks:
            if block.kind == w.INFO:
                info = json.loads(block.payload)
                for name, value in members.items():
                    info[name] = info[name] | value if isinstance(value, dict) else value
                block.payload = json.dumps(info).encode()

    def write(self, folder: Path) -> Path:
        """Write it to a folder that is not there yet; the images are links to those that it has."""
        folder.mkdir(mode=0o700)
        stream = [b"\x89RGTR\r\n\x1a" + struct.pack("<II", self.version, 0x5EEDCAFE)]
        seq = 0
        for index, block in enumerate(self.blocks):
            options = {"index": index, "first_seq": seq, "stamp": 0x5EEDCAFE, "version": self.version}
            if block.kind == w.EVENTS:
                exits = [row.exit for row in block.rows] or [0]
                times = (min(exits) % (1 << 64), max(exits) % (1 << 64))
                stream.append(w.block(w.EVENTS, block.bytes(), count=len(block.rows), times=times, **options))
                seq += len(block.rows)
            else:
                stream.append(w.block(block.kind, block.bytes(), **options))
            if block.kind == w.END:
                (folder / "info.json").write_bytes(block.payload)
        (folder / "events-000000").write_bytes(b"".join(stream))
        if not (folder / "info.json").exists():
            (folder / "incomplete").touch()
        shutil.copytree(self.images, folder / "images", copy_function=os.link)
        return folder


def _blocks(data: bytes) -> list[Block]:
    found = []
    at = 16
    while at < len(data):
        magic, kind, codec, _, stored, raw, _, count, *_ = _HEADER.unpack_from(data, at)
        payload = data[at + 64 : at + 64 + stored]
        assert magic == b"RgBk"
        assert zlib.crc32(payload) == _HEADER.unpack_from(data, at)[8]
        if codec:
            payload = zstandard.ZstdDecompressor().decompress(payload, max_output_size=raw)
        rows = _rows(payload) if kind == w.EVENTS else []
        assert kind != w.EVENTS or len(rows) == count
        found.append(Block(kind, b"" if rows else payload, rows))
        at += 64 + stored
    return found


def _columns(data: bytes, at: int, count: int, widths: tuple[int, ...]) -> tuple[list[list[int]], int]:
    columns = []
    for width in widths:
        planes = [data[at + count * plane : at + count * (plane + 1)] for plane in range(width)]
        columns.append([int.from_bytes(bytes(plane[row] for plane in planes), "little") for row in range(count)])
        at += width * count
    return columns, at


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) else value


def _rows(payload: bytes) -> list[w.Row]:
    count, segments, _ = struct.unpack_from("<IIQ", payload)
    events, at = _columns(payload, 16, count, _EVENT_COLUMNS)
    (seg_arg, seg_flags, lengths, fulls, addresses), at = _columns(payload, at, segments, _SEGMENT_COLUMNS)
    memory = []
    for index in range(segments):
        data = payload[at : at + lengths[index]]
        memory.append(w.Memory(seg_arg[index], data, seg_flags[index], addresses[index], fulls[index]))
        at += lengths[index]
    kinds, flags, cpus, segment_counts, nrs, pids, tids, exits, durations, results, *args = events
    rows, time, used = [], 0, 0
    for index in range(count):
        time = (time + exits[index]) % (1 << 64)
        rows.append(
            w.Row(
                nr=_signed(nrs[index], 32),
                result=_signed(results[index], 64),
                args=tuple(column[index] for column in args),
                memory=memory[used : used + segment_counts[index]],
                kind=kinds[index],
                flags=flags[index],
                cpu=cpus[index],
                pid=pids[index],
                tid=tids[index],
                exit=time,
                duration=durations[index],
            )
        )
        used += segment_counts[index]
    return rows
