"""The events as Arrow record batches, a block at a time, without an object per event."""

from __future__ import annotations

import errno as host_errno
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from retrograde.events import EventFlag, Kind, SegmentArg, SegmentFlag
from retrograde.recording.batch import Batch
from retrograde.recording.blocks import BlockType

if TYPE_CHECKING:
    from retrograde.recording.reader import Recording

_NAME = pa.dictionary(pa.int16(), pa.string())
_SEGMENT = pa.struct(
    [
        ("arg", pa.uint8()),
        ("flags", pa.uint8()),
        ("address", pa.uint64()),
        ("full_length", pa.uint64()),
        ("data", pa.binary()),
    ]
)
SCHEMA = pa.schema(
    [
        ("seq", pa.int64()),
        ("time", pa.timestamp("ns", "UTC")),
        ("kind", _NAME),
        ("syscall", _NAME),
        ("process", pa.string()),
        ("pid", pa.int32()),
        ("tid", pa.int32()),
        ("cpu", pa.int32()),
        ("nr", pa.int32()),
        ("enter_ns", pa.int64()),
        ("exit_ns", pa.int64()),
        ("latency_ns", pa.int64()),
        ("result", pa.int64()),
        ("errno", _NAME),
        *((f"arg{number}", pa.uint64()) for number in range(6)),
        ("flags", pa.uint8()),
        ("data", pa.binary()),
        ("memory", pa.list_(_SEGMENT)),
    ]
)
_NUMBERS = 1024  # above the highest system call of any architecture
_NO_ARG = 255


class _Names:
    """A fixed dictionary of names, found by number."""

    def __init__(self, names: dict[int, str]) -> None:
        values = sorted(set(names.values()))
        place = {name: number for number, name in enumerate(values)}
        self._dictionary = pa.array(values, pa.string())
        self._index = np.full(_NUMBERS * 8, -1, np.int16)
        for number, name in names.items():
            if 0 <= number < len(self._index):
                self._index[number] = place[name]

    def array(self, numbers: NDArray[Any]) -> Any:
        """Return the names of ``numbers``, null where there is none."""
        known = (numbers >= 0) & (numbers < len(self._index))
        index = self._index[np.where(known, numbers, 0).astype(np.int64)]
        index = np.where(known, index, -1).astype(np.int16)
        return pa.DictionaryArray.from_arrays(pa.array(index, mask=index < 0), self._dictionary)


class _ProcessNames:
    """The command names of processes by pid, as forks and execs change them."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}

    def load_snapshot(self, snapshot: dict[str, bytes]) -> None:
        for path, content in snapshot.items():
            parts = path.split("/")
            if len(parts) == 4 and parts[3] == "comm" and parts[2].isascii() and parts[2].isdecimal():
                self._names.setdefault(int(parts[2]), _text(content.rstrip(b"\n")))

    def array(self, batch: Batch) -> Any:
        """Return each event's process name."""
        pids, codes = np.unique(batch.pid, return_inverse=True)
        names: list[str | None] = [self._names.get(pid) for pid in pids.tolist()]
        for row in np.flatnonzero((batch.kind == Kind.FORK) | (batch.kind == Kind.EXEC)).tolist():
            event = batch.event(row)
            comm = event.memory(SegmentArg.COMM)
            name = _text(comm.rstrip(b"\0\n")) if comm else self._names.get(event.args[1])
            if name is None or (event.kind == Kind.FORK and event.tid != event.pid):
                continue  # a new thread leaves the process its name
            self._names[event.pid] = name
            codes[row:][batch.pid[row:] == event.pid] = len(names)
            names.append(name)
        return pa.array(names, pa.string()).take(pa.array(codes))


def _text(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")


class _Converter:
    def __init__(self, recording: Recording) -> None:
        from retrograde.syscalls import load

        table = load(recording.arch)
        names = {number: call.name for number, call in table.calls.items()}
        for number in range(_NUMBERS):
            compat = table.compat_name(number)
            if compat is not None:
                names[_NUMBERS + number] = compat
        self._syscalls = _Names(names)
        self._errnos = _Names(dict(getattr(table, "errno", None) or host_errno.errorcode))
        self._kinds = _Names({int(kind): kind.name.lower() for kind in Kind})
        self._payload_arg = np.full(_NUMBERS, _NO_ARG, np.uint8)
        self._nested = np.zeros(_NUMBERS, np.bool_)
        for number, call in table.calls.items():
            for place, parameter in enumerate(call.params):
                if 0 <= number < _NUMBERS and parameter.payload and parameter.type.kind in ("bytes", "iovec"):
                    self._payload_arg[number] = place
                    self._nested[number] = parameter.type.kind == "iovec"
        self.processes = _ProcessNames()
        info = recording.info
        boottime, realtime = info.get("boottime_ns"), info.get("realtime_ns")
        offset = realtime - boottime if isinstance(boottime, int) and isinstance(realtime, int) else 0
        # A forged pair of clocks must not overflow.
        self._offset = np.int64((offset + (1 << 63)) % (1 << 64) - (1 << 63))

    def convert(self, batch: Batch) -> pa.RecordBatch:
        calls = (batch.kind == Kind.SYSCALL) | (batch.kind == Kind.ENTER) | (batch.kind == Kind.DATA)
        compat = (batch.flags & EventFlag.COMPAT) != 0
        inside = (batch.nr >= 0) & (batch.nr < _NUMBERS)
        numbers = np.where(calls & inside, batch.nr + np.where(compat, _NUMBERS, 0), -1)
        failed = (batch.kind == Kind.SYSCALL) & (batch.result >= -4095) & (batch.result < 0)
        exits = batch.exit.view(np.int64)
        with np.errstate(over="ignore"):
            times = exits + self._offset
        columns = [
            pa.array(np.arange(batch.first_seq, batch.first_seq + batch.count, dtype=np.int64)),
            pa.array(times).cast(SCHEMA.field("time").type),
            self._kinds.array(batch.kind),
            self._syscalls.array(numbers),
            self.processes.array(batch),
            pa.array(batch.pid.view(np.int32)),
            pa.array(batch.tid.view(np.int32)),
            pa.array(batch.cpu.astype(np.int32)),
            pa.array(batch.nr),
            pa.array(batch.enter.view(np.int64)),
            pa.array(exits),
            pa.array(batch.duration.view(np.int64)),
            pa.array(batch.result),
            self._errnos.array(np.where(failed, -batch.result, -1)),
            *(pa.array(column) for column in batch.args),
            pa.array(batch.flags),
            self._data(batch, np.where(compat, -1, numbers)),
            _memory(batch),
        ]
        return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)

    def _data(self, batch: Batch, numbers: NDArray[Any]) -> Any:
        """Return the bulk data of each call: what it read or wrote, of scattered buffers all together."""
        if not batch.segment_total:
            return pa.nulls(batch.count, pa.binary())
        known = np.where(numbers >= 0, numbers, 0)
        wanted = np.where(numbers >= 0, self._payload_arg[known], _NO_ARG)
        owner = np.repeat(np.arange(batch.count), batch.segment_count)
        nested = (batch.segment_flags & SegmentFlag.NESTED) != 0
        match = (
            (batch.segment_arg == wanted[owner])
            & ((batch.segment_flags & SegmentFlag.FAULT) == 0)
            & (nested == self._nested[known][owner])
        )
        segments = np.flatnonzero(match)
        rows, first, counts = np.unique(owner[segments], return_index=True, return_counts=True)
        begin, end = segments[first], segments[first + counts - 1] + 1 if len(rows) else segments
        together = end - begin == counts
        rows, begin, end = rows[together], begin[together], end[together]
        if not len(rows):
            return pa.nulls(batch.count, pa.binary())
        # Starts and ends in turn make an array over the heap in which every second element is one of ours.
        offsets = np.empty(2 * len(rows), np.int32)
        offsets[0::2] = batch.segment_offset[begin]
        offsets[1::2] = batch.segment_offset[end]
        pieces = _binary(offsets, batch.heap)
        index = np.full(batch.count, -1, np.int32)
        index[rows] = np.arange(0, 2 * len(rows), 2, dtype=np.int32)
        return pieces.take(pa.array(index, mask=index < 0))


def _binary(offsets: NDArray[np.int32], heap: bytes) -> Any:
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(heap)]
    return pa.Array.from_buffers(pa.binary(), len(offsets) - 1, buffers)


def _memory(batch: Batch) -> Any:
    """Return all memory of each event as a list of segments."""
    data = _binary(batch.segment_offset.astype(np.int32), batch.heap)
    columns = [batch.segment_arg, batch.segment_flags, batch.segment_address, batch.segment_full_length]
    segments = pa.StructArray.from_arrays([*(pa.array(column) for column in columns), data], fields=list(_SEGMENT))
    return pa.ListArray.from_arrays(pa.array(batch.segment_start.astype(np.int32)), segments)


def record_batches(recording: Recording) -> pa.RecordBatchReader:
    """Return the events of a recording as a stream of record batches; rows of kind `data` stand for themselves."""
    converter = _Converter(recording)

    def convert() -> Iterator[pa.RecordBatch]:
        for block in recording.blocks():
            if block.type == BlockType.SNAPSHOT:
                converter.processes.load_snapshot(block.snapshot())
            elif block.type == BlockType.EVENTS:
                yield converter.convert(block.batch())

    return pa.RecordBatchReader.from_batches(SCHEMA, convert())
