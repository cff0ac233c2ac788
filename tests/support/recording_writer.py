"""Writes recordings from the documentation of the format (docs/reference/recording-format.md), for tests.

It shares no code with the reader nor with the capture program: what all three agree on is what the page says.
"""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zstandard

EVENTS, SNAPSHOT, INFO, LOSS, END = 1, 2, 3, 4, 5
SYSCALL, ENTER, FORK, EXEC, EXIT, SIGNAL, SWITCH, DATA, START, MAPPED, TRAP, WRITTEN, CHECKSUM = range(1, 14)
IN, OUT, AT_ENTER, FAULT, NESTED = 1, 2, 4, 8, 16
FILENAME, ARGV, ENVP, COMM, CWD = 16, 17, 18, 19, 20
REGISTERS, FPREGISTERS, TLS, MAPS, MEMORY, HANDLER_REGISTERS, HANDLER_FPREGISTERS = range(21, 28)
VERSION = 2
BOOTTIME = 1_000_000_000_000
REALTIME = 1_700_000_000_000_000_000


@dataclass
class Memory:
    """A segment."""

    arg: int
    data: bytes = b""
    flags: int = OUT
    address: int = 0x7F0000000000
    full_length: int | None = None


@dataclass
class Row:
    """A row of an EVENTS block."""

    nr: int = 0
    result: int = 0
    args: tuple[int, ...] = ()
    memory: list[Memory] = field(default_factory=list)
    kind: int = SYSCALL
    flags: int = 0
    cpu: int = 0
    pid: int = 1000
    tid: int | None = None
    exit: int = BOOTTIME
    duration: int = 1000


def planes(values: list[int], width: int) -> bytes:
    """Store a column of width bytes as planes: all lowest bytes first."""
    rows = [(value % (1 << (8 * width))).to_bytes(width, "little") for value in values]
    return b"".join(bytes(row[plane] for row in rows) for plane in range(width))


def events_payload(rows: list[Row]) -> bytes:
    """Return the payload of an EVENTS block."""
    segments = [segment for row in rows for segment in row.memory]
    heap = b"".join(segment.data for segment in segments)
    before = [0, *(row.exit for row in rows)]
    parts = [
        struct.pack("<IIQ", len(rows), len(segments), len(heap)),
        planes([row.kind for row in rows], 1),
        planes([row.flags for row in rows], 1),
        planes([row.cpu for row in rows], 2),
        planes([len(row.memory) for row in rows], 2),
        planes([row.nr for row in rows], 4),
        planes([row.pid for row in rows], 4),
        planes([row.pid if row.tid is None else row.tid for row in rows], 4),
        planes([row.exit - earlier for row, earlier in zip(rows, before, strict=False)], 8),
        planes([row.duration for row in rows], 8),
        planes([row.result for row in rows], 8),
    ]
    parts += [planes([row.args[number] if number < len(row.args) else 0 for row in rows], 8) for number in range(6)]
    lengths = [len(segment.data) for segment in segments]
    fulls = [len(s.data) if s.full_length is None else s.full_length for s in segments]
    parts += [
        planes([segment.arg for segment in segments], 1),
        planes([segment.flags for segment in segments], 1),
        planes(lengths, 4),
        planes(fulls, 8),
        planes([segment.address for segment in segments], 8),
        heap,
    ]
    return b"".join(parts)


def snapshot_payload(files: dict[str, bytes]) -> bytes:
    """Return the payload of a SNAPSHOT block."""
    return b"".join(
        struct.pack("<HI", len(path.encode()), len(content)) + path.encode() + content
        for path, content in files.items()
    )


def block(
    kind: int,
    payload: bytes,
    *,
    index: int,
    first_seq: int = 0,
    count: int = 0,
    times: tuple[int, int] = (0, 0),
    compress: bool = True,
    **overrides: int,
) -> bytes:
    """Return a block. ``overrides`` puts wrong values in fields of its header, under a checksum that is right."""
    stored = zstandard.ZstdCompressor(level=1).compress(payload) if compress else payload
    fields = {
        "type": kind,
        "codec": int(compress),
        "version": VERSION,
        "stored_length": len(stored),
        "raw_length": len(payload),
        "first_seq": first_seq,
        "count": count,
        "payload_crc32": zlib.crc32(stored),
        "time_min": times[0],
        "time_max": times[1],
        "index": index,
        "stamp": 0,
    } | overrides
    head = b"RgBk" + struct.pack("<BBHIIQIIQQQI", *fields.values())
    return head + struct.pack("<I", zlib.crc32(head)) + stored


class RecordingWriter:
    """Writes a recording's folder.

    Args:
        folder: is made; must not exist.
        info: members that replace or join those of the INFO block.
        stamp: the recording's stamp.
        snapshot: what /proc showed.
        version: of the format, 1 or 2.
    """

    def __init__(
        self,
        folder: Path,
        info: dict[str, Any] | None = None,
        *,
        stamp: int = 0x5EEDCAFE,
        snapshot: dict[str, bytes] | None = None,
        version: int = VERSION,
    ) -> None:
        self.folder = folder
        self.version = version
        self.info = {
            "format": version,
            "grade": "replay",
            "backend": "ebpf",
            "arch": "x86_64",
            "kernel": "6.18.0",
            "hostname": "board",
            "command": ["cat", "/etc/hostname"],
            "cwd": "/root",
            "boottime_ns": BOOTTIME,
            "realtime_ns": REALTIME,
            "cpus": 2,
            "snaplen": 256,
            "buffer_size": 8 << 20,
            "filter": {},
            "version": "0.1.0",
        }
        if version >= 2:
            self.info |= {"page_size": 4096, "cpu": {"model": "A CPU", "features": ["fpu"], "xcr0": 7}, "replay": None}
        self.info |= info or {}
        self.stamp = stamp
        self.files = snapshot
        self.index = 0
        self.seq = 0
        self.lost = 0
        self.part = -1
        self.boundaries: list[int] = []  # of the newest file: where its blocks begin and end
        folder.mkdir(mode=0o700)
        (folder / "incomplete").touch(mode=0o600)
        self.rotate()

    @property
    def file(self) -> Path:
        """The newest file."""
        return self.folder / f"events-{self.part:06}"

    def rotate(self) -> None:
        """Begin the next file."""
        self.part += 1
        self.file.write_bytes(b"\x89RGTR\r\n\x1a" + struct.pack("<II", self.version, self.stamp))
        self.file.chmod(0o600)
        self.boundaries = [16]
        self.raw(INFO, json.dumps(self.info).encode())
        if self.files is not None:
            self.raw(SNAPSHOT, snapshot_payload(self.files))

    def append(self, data: bytes) -> None:
        """Append bytes as they are."""
        with self.file.open("ab") as file:
            file.write(data)
            self.boundaries.append(file.tell())

    def raw(self, kind: int, payload: bytes, **options: Any) -> None:
        """Write a block of any payload."""
        known = {"index": self.index, "first_seq": self.seq, "stamp": self.stamp, "version": self.version}
        options = known | options
        self.append(block(kind, payload, **options))
        self.index = options["index"] + 1

    def events(self, rows: list[Row], **options: Any) -> None:
        """Write an EVENTS block."""
        exits = [row.exit for row in rows] or [0]
        self.raw(EVENTS, events_payload(rows), count=len(rows), times=(min(exits), max(exits)), **options)
        self.seq += len(rows)

    def loss(self, lost: int, *, by_syscall: dict[str, int] | None = None) -> None:
        """Write a LOSS block."""
        self.lost += lost
        content = {"from_ns": BOOTTIME, "to_ns": BOOTTIME + 10, "lost": lost, "by_syscall": by_syscall or {"0": lost}}
        self.raw(LOSS, json.dumps(content).encode())

    def image(self, name: str, content: bytes) -> None:
        """Write the content of a mapped file.

        Args:
            name: 32 hexadecimal digits, the XXH3-128 hash of the content.
            content: of the file.
        """
        images = self.folder / "images"
        images.mkdir(mode=0o700, exist_ok=True)
        (images / name).write_bytes(content)
        (images / name).chmod(0o600)

    def end(self, **members: Any) -> None:
        """Write the END block and close."""
        content = {
            "reason": "target-exited",
            "error": None,
            "events": self.seq,
            "lost": self.lost,
            "duration_ns": 1_500_000_000,
            "pid": 1000,
            "exit_status": 0,
            "raw_bytes": 1,
            "stored_bytes": 1,
        }
        if self.version >= 2:
            content["unfaithful"] = []
        content |= members
        text = json.dumps(content)
        self.raw(END, text.encode())
        (self.folder / "info.json").write_text(text)
        (self.folder / "incomplete").unlink()


def simple_rows(count: int, *, start: int = 0, size: int = 10) -> list[Row]:
    """Return reads of ``size`` bytes that differ in every column; x86-64 number 0."""
    return [
        Row(
            nr=0,
            result=size,
            args=(3, 0x7F0000000000 + number, size),
            memory=[Memory(1, f"{number:0{size}}".encode()[:size], address=0x7F0000000000 + number)],
            cpu=number % 2,
            pid=1000 + number % 3,
            exit=BOOTTIME + 2000 * (start + number),
            duration=500 + number,
        )
        for number in range(start, start + count)
    ]
