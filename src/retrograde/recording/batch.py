"""The events of one block as columns.

A column of the payload is stored as byte planes and becomes a numpy array when it is first asked for, so that a reader
that counts errors never touches the arguments.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrograde.errors import FormatError
from retrograde.events import Event, Segment, SegmentArg

_COUNTS = struct.Struct("<IIQ")

_EVENT_COLUMNS: tuple[tuple[str, str], ...] = (
    ("kind", "u1"),
    ("flags", "u1"),
    ("cpu", "<u2"),
    ("segment_count", "<u2"),
    ("nr", "<i4"),
    ("pid", "<u4"),
    ("tid", "<u4"),
    ("exit", "<u8"),
    ("duration", "<u8"),
    ("result", "<i8"),
    *((f"arg{number}", "<u8") for number in range(6)),
)
_SEGMENT_COLUMNS: tuple[tuple[str, str], ...] = (
    ("segment_arg", "u1"),
    ("segment_flags", "u1"),
    ("segment_length", "<u4"),
    ("segment_full_length", "<u8"),
    ("segment_address", "<u8"),
)
EVENT_WIDTH = sum(np.dtype(kind).itemsize for _, kind in _EVENT_COLUMNS)
SEGMENT_WIDTH = sum(np.dtype(kind).itemsize for _, kind in _SEGMENT_COLUMNS)


class Batch:
    """The events of one EVENTS block.

    Args:
        payload: the block's payload, decompressed.
        first_seq: number of the first event.

    Attributes:
        first_seq: number of the first event in the recording.
        count: events (n).
        segment_total: segments (s).

    Raises:
        FormatError: the payload contradicts itself.
    """

    def __init__(self, payload: bytes, first_seq: int) -> None:
        if len(payload) < _COUNTS.size:
            raise FormatError(f"{len(payload)} bytes are no events: at least {_COUNTS.size} are needed")
        self.first_seq = first_seq
        self.count, self.segment_total, self.heap_length = _COUNTS.unpack_from(payload)
        wanted = _COUNTS.size + self.count * EVENT_WIDTH + self.segment_total * SEGMENT_WIDTH + self.heap_length
        if wanted != len(payload):
            raise FormatError(f"its counts ask for {wanted} bytes and it has {len(payload)}")
        self._payload = payload
        self._places: dict[str, tuple[int, str, int]] = {}
        at = _COUNTS.size
        for columns, rows in ((_EVENT_COLUMNS, self.count), (_SEGMENT_COLUMNS, self.segment_total)):
            for name, kind in columns:
                self._places[name] = (at, kind, rows)
                at += rows * np.dtype(kind).itemsize
        self._heap_at = at
        segments = int(self.segment_count.sum(dtype=np.uint64))
        if segments != self.segment_total:
            raise FormatError(f"its events have {segments} segments and it holds {self.segment_total}")
        length = int(self.segment_length.sum(dtype=np.uint64))
        if length != self.heap_length:
            raise FormatError(f"its segments have {length} bytes and its heap holds {self.heap_length}")

    def _column(self, name: str) -> NDArray[Any]:
        at, kind, rows = self._places[name]
        dtype = np.dtype(kind)
        if dtype.itemsize == 1:
            return np.frombuffer(self._payload, dtype, rows, at)
        planes = np.frombuffer(self._payload, np.uint8, rows * dtype.itemsize, at).reshape(dtype.itemsize, rows)
        # Wide columns mostly hold small numbers: only planes that are not zero need to be moved.
        out = np.zeros((rows, dtype.itemsize), np.uint8)
        nothing = bytes(rows)
        for number in range(dtype.itemsize):
            if not self._payload.startswith(nothing, at + number * rows):
                out[:, number] = planes[number]
        return out.reshape(-1).view(dtype)

    def __len__(self) -> int:
        return int(self.count)

    @cached_property
    def kind(self) -> NDArray[np.uint8]:
        """Kind of each event, a :class:`retrograde.events.Kind`."""
        return self._column("kind")

    @cached_property
    def flags(self) -> NDArray[np.uint8]:
        """:class:`retrograde.events.EventFlag` bits."""
        return self._column("flags")

    @cached_property
    def cpu(self) -> NDArray[np.uint16]:
        """CPU of each event."""
        return self._column("cpu")

    @cached_property
    def segment_count(self) -> NDArray[np.uint16]:
        """Segments of each event."""
        return self._column("segment_count")

    @cached_property
    def nr(self) -> NDArray[np.int32]:
        """Number of the system call or the signal, -1 for other kinds."""
        return self._column("nr")

    @cached_property
    def pid(self) -> NDArray[np.uint32]:
        """Process of each event."""
        return self._column("pid")

    @cached_property
    def tid(self) -> NDArray[np.uint32]:
        """Thread of each event."""
        return self._column("tid")

    @cached_property
    def exit(self) -> NDArray[np.uint64]:
        """Time of the exit, ns of CLOCK_BOOTTIME."""
        return np.cumsum(self._column("exit"), dtype=np.uint64)

    @cached_property
    def duration(self) -> NDArray[np.uint64]:
        """Exit minus enter, ns."""
        return self._column("duration")

    @cached_property
    def enter(self) -> NDArray[np.uint64]:
        """Time of the start, ns of CLOCK_BOOTTIME."""
        return self.exit - self.duration

    @cached_property
    def result(self) -> NDArray[np.int64]:
        """What the call returned."""
        return self._column("result")

    @cached_property
    def args(self) -> tuple[NDArray[np.uint64], ...]:
        """The six arguments, a column each."""
        return tuple(self._column(f"arg{number}") for number in range(6))

    @cached_property
    def segment_arg(self) -> NDArray[np.uint8]:
        """Argument of each segment, or a :class:`retrograde.events.SegmentArg`."""
        return self._column("segment_arg")

    @cached_property
    def segment_flags(self) -> NDArray[np.uint8]:
        """:class:`retrograde.events.SegmentFlag` bits."""
        return self._column("segment_flags")

    @cached_property
    def segment_length(self) -> NDArray[np.uint32]:
        """Bytes of each segment in the heap."""
        return self._column("segment_length")

    @cached_property
    def segment_full_length(self) -> NDArray[np.uint64]:
        """Bytes there were of each segment."""
        return self._column("segment_full_length")

    @cached_property
    def segment_address(self) -> NDArray[np.uint64]:
        """Where each segment lay in the process."""
        return self._column("segment_address")

    @cached_property
    def segment_offset(self) -> NDArray[np.int64]:
        """Start of each segment in the heap, and the heap's length at last: ``segment_total`` + 1 values."""
        offsets = np.zeros(self.segment_total + 1, np.int64)
        np.cumsum(self.segment_length, dtype=np.int64, out=offsets[1:])
        return offsets

    @cached_property
    def _piece_starts(self) -> NDArray[np.int64]:
        """Start of each segment in the payload, and the payload's length at last."""
        return self.segment_offset + self._heap_at

    @cached_property
    def segment_start(self) -> NDArray[np.int64]:
        """First segment of each event, and ``segment_total`` at last: ``count`` + 1 values."""
        starts = np.zeros(self.count + 1, np.int64)
        np.cumsum(self.segment_count, dtype=np.int64, out=starts[1:])
        return starts

    @cached_property
    def heap(self) -> bytes:
        """The bytes of all segments, in order."""
        return self._payload[self._heap_at :]

    def segments(self, index: int) -> list[Segment]:
        """Return the memory of the event at ``index``."""
        start, end = int(self.segment_start[index]), int(self.segment_start[index + 1])
        offsets = self.segment_offset
        return [
            Segment(
                int(self.segment_arg[at]),
                int(self.segment_flags[at]),
                int(self.segment_address[at]),
                int(self.segment_full_length[at]),
                self.heap[int(offsets[at]) : int(offsets[at + 1])],
            )
            for at in range(start, end)
        ]

    @cached_property
    def _segment_lists(self) -> tuple[list[int], ...]:
        columns = (
            self.segment_start, self.segment_arg, self.segment_flags, self.segment_address, self.segment_full_length,
            self._piece_starts,
        )  # fmt: skip
        return tuple(column.tolist() for column in columns)

    def memory(self, index: int) -> list[tuple[int, int, int, int, bytes]]:
        """Return the memory of the event at ``index`` as tuples: arg, flags, address, full length, bytes.

        For many events of a batch, one after the other; :meth:`segments` is for a few.
        """
        starts, arg, flags, address, full, offsets = self._segment_lists
        start, end = starts[index], starts[index + 1]
        if start == end:
            return []
        payload = self._payload
        return [
            (arg[at], flags[at], address[at], full[at], payload[offsets[at] : offsets[at + 1]])
            for at in range(start, end)
        ]

    def pieces(self, most: int | None = None) -> list[bytes]:
        """Return the bytes of each segment.

        Args:
            most: so many of an argument's memory, and of a program's; None for all. The rest is always whole.
        """
        starts, ends = self._piece_starts[:-1], self._piece_starts[1:]
        if most is not None:
            cut = (self.segment_arg < 6) | (self.segment_arg == int(SegmentArg.MEMORY))
            ends = np.where(cut, np.minimum(ends, starts + most), ends)
        payload = self._payload
        return [payload[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]

    def event(self, index: int) -> Event:
        """Return the event at ``index``, counted from 0 in this batch."""
        if not -self.count <= index < self.count:
            raise IndexError(f"event {index} of {self.count}")
        index %= self.count
        time = int(self.exit[index])
        a, b, c, d, e, f = (int(column[index]) for column in self.args)
        return Event(
            self.first_seq + index,
            int(self.kind[index]),
            int(self.flags[index]),
            int(self.cpu[index]),
            int(self.pid[index]),
            int(self.tid[index]),
            int(self.nr[index]),
            time - int(self.duration[index]),
            time,
            int(self.result[index]),
            (a, b, c, d, e, f),
            self.segments(index) if self.segment_count[index] else [],
        )

    def _all_segments(self) -> list[Segment]:
        return [
            Segment(arg, flags, address, full_length, data)
            for arg, flags, address, full_length, data in zip(
                self.segment_arg.tolist(),
                self.segment_flags.tolist(),
                self.segment_address.tolist(),
                self.segment_full_length.tolist(),
                self.pieces(),
                strict=True,
            )
        ]

    def events(self) -> Iterator[Event]:
        """Yield all events, rows of kind DATA among them."""
        segments = self._all_segments()
        starts = self.segment_start.tolist()
        exits = self.exit.tolist()
        rows = zip(
            self.kind.tolist(),
            self.flags.tolist(),
            self.cpu.tolist(),
            self.pid.tolist(),
            self.tid.tolist(),
            self.nr.tolist(),
            self.duration.tolist(),
            exits,
            self.result.tolist(),
            zip(*(column.tolist() for column in self.args), strict=True),
            starts[:-1],
            starts[1:],
            strict=True,
        )
        seq = self.first_seq
        for kind, flags, cpu, pid, tid, nr, duration, time, result, args, start, end in rows:
            memory = segments[start:end] if end > start else []
            yield Event(seq, kind, flags, cpu, pid, tid, nr, time - duration, time, result, args, memory)
            seq += 1
