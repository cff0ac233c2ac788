"""Reading sound recordings: columns, events, merging, following, streams, tables."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from retrograde.recording import BlockType, Recording, StreamReader
from tests.support.recording_writer import (
    BOOTTIME,
    COMM,
    DATA,
    EXEC,
    IN,
    NESTED,
    OUT,
    REALTIME,
    Memory,
    RecordingWriter,
    Row,
    simple_rows,
)

GOLDEN = Path(__file__).parent.parent / "golden"


def test_columns_agree_with_events(tmp_path: Path) -> None:
    writer = RecordingWriter(tmp_path / "r")
    extreme = {"result": -(2**63), "cpu": 65535, "pid": 2**32 - 1, "duration": 2**64 - 1}
    rows = [
        *simple_rows(50),
        Row(nr=-1, kind=EXEC, args=(2**64 - 1, 1, 2, 3, 4, 5), **extreme),
        Row(nr=-5, result=-2, exit=3),
    ]
    writer.events(rows)
    writer.end()
    with Recording(writer.folder) as recording:
        (batch,) = recording.batches()
        assert len(batch) == 52
        for index, (event, row) in enumerate(zip(batch.events(), rows, strict=True)):
            assert event == batch.event(index)
            assert (event.seq, event.kind, event.nr, event.result) == (index, row.kind, row.nr, row.result)
            assert event.args == tuple(row.args) + (0,) * (6 - len(row.args))
            assert (event.exit, event.exit - event.enter, event.cpu) == (row.exit, row.duration, row.cpu)
            assert [s.data for s in event.segments] == [m.data for m in row.memory]
        with pytest.raises(IndexError):
            batch.event(52)


def test_what_is_known(tmp_path: Path) -> None:
    writer = RecordingWriter(tmp_path / "r", {"arch": "aarch64"})
    writer.events(simple_rows(5))
    writer.loss(7)
    writer.end(reason="interrupted")
    with Recording(writer.folder) as recording:
        assert recording.arch == "arm64"
        assert recording.info["command"] == ["cat", "/etc/hostname"]
        assert recording.end is not None
        assert recording.end["reason"] == "interrupted"
        assert recording.complete
        assert recording.lost == 7
        assert recording.losses[0]["by_syscall"] == {"0": 7}
        types = [block.type for block in recording.blocks()]
        assert types == [BlockType.INFO, BlockType.EVENTS, BlockType.LOSS, BlockType.END]


def long_event(size: int, piece: int) -> list[Row]:
    """Return the rows of a read of ``size`` bytes, cut as the capture cuts, with another thread between."""
    data = bytes(number % 251 for number in range(size))
    rows = []
    for start in range(0, size, piece):
        memory = Memory(1, data[start : start + piece], address=4096 + start)
        last = start + piece >= size
        rows.append(Row(kind=DATA if start else 1, flags=0 if last else 4, memory=[memory], result=size))
        rows.append(Row(nr=39, pid=2000, result=2000))
    return rows


def test_memory_of_several_rows(tmp_path: Path) -> None:
    writer = RecordingWriter(tmp_path / "r")
    rows = long_event(10_000, 1024)
    writer.events(rows[:7])
    writer.events(rows[7:])
    writer.end()
    with Recording(writer.folder) as recording:
        events = list(recording.rows())
        assert recording.problems == []
    assert [event.nr for event in events] == [0] + [39] * 10
    assert len(events[0].segments) == 1
    assert events[0].segments[0].data == bytes(number % 251 for number in range(10_000))
    assert events[0].segments[0].full_length == 10_000
    assert not events[0].flags & 4
    assert [event.seq for event in events] == sorted(event.seq for event in events)


def test_iovec_of_several_rows_keeps_its_pieces(tmp_path: Path) -> None:
    writer = RecordingWriter(tmp_path / "r")
    writer.events(
        [
            Row(nr=19, flags=4, memory=[Memory(1, b"x" * 16, IN, 100), Memory(1, b"ab", OUT | NESTED, 5000)]),
            Row(nr=19, kind=DATA, memory=[Memory(1, b"cd", OUT | NESTED, 9000), Memory(1, b"ef", OUT | NESTED, 7000)]),
        ]
    )
    writer.end()
    with Recording(writer.folder) as recording:
        (event,) = recording.rows()
    assert [segment.data for segment in event.segments] == [b"x" * 16, b"ab", b"cd", b"ef"]


def test_following(tmp_path: Path) -> None:
    writer = RecordingWriter(tmp_path / "r")
    seen: list[int] = []

    def follow() -> None:
        with Recording(writer.folder, follow=True) as recording:
            for batch in recording.batches():
                seen.append(batch.first_seq)

    thread = threading.Thread(target=follow)
    thread.start()
    writer.events(simple_rows(3))
    deadline = time.monotonic() + 20
    while not seen and time.monotonic() < deadline:
        time.sleep(0.01)
    assert seen == [0]  # before the end is there
    writer.events(simple_rows(3, start=3))
    writer.rotate()
    writer.events(simple_rows(3, start=6))
    writer.end()
    thread.join(20)
    assert not thread.is_alive()
    assert seen == [0, 3, 6]


def test_stream_gives_a_block_as_soon_as_it_is_whole(tmp_path: Path) -> None:
    writer = RecordingWriter(tmp_path / "r")
    writer.events(simple_rows(3))
    writer.end()
    data = writer.file.read_bytes()
    readable, writable = os.pipe()
    with os.fdopen(readable, "rb") as pipe:
        blocks = iter(StreamReader(pipe))
        for begin, end in zip([0, *writer.boundaries[1:]], writer.boundaries[1:], strict=False):
            os.write(writable, data[begin:end])
            assert next(blocks).header.index == writer.boundaries.index(end) - 1
        os.close(writable)
        assert list(blocks) == []


def test_stream_that_is_cut(tmp_path: Path) -> None:
    writer = RecordingWriter(tmp_path / "r")
    writer.events(simple_rows(3))
    cut = tmp_path / "cut"
    cut.write_bytes(writer.file.read_bytes()[:-5])
    with cut.open("rb", buffering=0) as file:
        reader = StreamReader(file)
        assert [block.type for block in reader] == [BlockType.INFO]
    assert "cut off inside block 1" in reader.problems[0]
    with Recording(cut) as recording:  # a bare stream opens too
        assert recording.kind == "stream"
        assert recording.info["hostname"] == "board"


def test_table(tmp_path: Path) -> None:
    writer = RecordingWriter(tmp_path / "r", snapshot={"/proc/1000/comm": b"sh\n"})
    joined = OUT | NESTED
    writer.events(
        [
            Row(nr=0, result=3, args=(3, 4096, 10), memory=[Memory(1, b"abc")]),
            Row(nr=-1, kind=EXEC, memory=[Memory(COMM, b"cat\0", IN)]),
            Row(nr=0, result=-11, args=(2**64 - 1,)),
            Row(nr=19, result=4, memory=[Memory(1, b"v" * 32, IN), *(Memory(1, d, joined) for d in (b"ab", b"cd"))]),
            Row(nr=99999, pid=7, result=-2, exit=BOOTTIME + 5_000_000_000),
            Row(nr=3, flags=1, pid=7),
        ]
    )  # fmt: skip
    writer.events(simple_rows(3, start=6))
    writer.end()
    with Recording(writer.folder) as recording:
        table = recording.to_arrow()
        streamed = recording.to_arrow(streaming=True).read_all()
        assert len(recording.to_pandas()) == 9
        assert recording.to_polars().shape[0] == 9
    assert streamed.equals(table)
    rows = table.to_pylist()
    assert [row["syscall"] for row in rows[:5]] == ["read", None, "read", "readv", None]
    assert rows[5]["syscall"] == "read"  # i386's number 3
    assert [row["process"] for row in rows[:5]] == ["sh", "cat", "cat", "cat", None]
    assert [row["errno"] for row in rows[:5]] == [None, None, "EAGAIN", None, "ENOENT"]
    assert [row["data"] for row in rows[:4]] == [b"abc", None, None, b"abcd"]
    assert rows[2]["arg0"] == 2**64 - 1
    assert rows[3]["memory"][2]["data"] == b"cd"
    assert rows[1]["kind"] == "exec"
    assert rows[4]["time"].value == REALTIME + 5_000_000_000
    assert rows[0]["latency_ns"] == 1000


def test_events_know_their_call_and_process(tmp_path: Path) -> None:
    stat = b"1000 (cat) S 1 1000 1000 0 -1 0 " + b"0 " * 40
    writer = RecordingWriter(tmp_path / "r", snapshot={"/proc/1000/comm": b"cat\n", "/proc/1000/stat": stat})
    writer.events([Row(nr=0, result=3, args=(3, 4096, 10), memory=[Memory(1, b"abc")]), Row(nr=1, result=-9)])
    writer.end()
    with Recording(writer.folder) as recording:
        events = list(recording.events())
        assert [event.syscall.name for event in events if event.syscall] == ["read", "write"]
        assert [process.name for process in recording.processes] == ["cat"]


def test_long_recordings_need_no_more_memory(tmp_path: Path) -> None:
    """Growth of the resident memory of a reader over 8 blocks and over 200: of 1 MiB each."""
    program = (
        "import resource, sys\n"
        "from retrograde.recording import Recording\n"
        "def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "with Recording(sys.argv[1]) as r:\n"
        "    total = sum(len(b.heap) + int(b.result.sum()) for b in r.batches())\n"
        "    n = sum(1 for _ in r.rows())\n"
        "    assert not r.problems, r.problems\n"
        "print(n, peak())\n"
    )
    peaks = {}
    block = [Row(result=1 << 16, memory=[Memory(1, os.urandom(1 << 16))], exit=BOOTTIME + n) for n in range(16)]
    for blocks in (8, 200):
        writer = RecordingWriter(tmp_path / f"r{blocks}")
        for _ in range(blocks):
            writer.events(block, compress=False)
        writer.end()
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        out = subprocess.run(
            [sys.executable, "-c", program, writer.folder], env=environment, check=True, capture_output=True, text=True
        )
        count, peaks[blocks] = map(int, out.stdout.split())
        assert count == 16 * blocks
    assert peaks[200] - peaks[8] < 16 << 10, peaks  # KiB


@pytest.mark.parametrize("folder", sorted(GOLDEN.glob("v*/*/")), ids=lambda path: f"{path.parent.name}-{path.name}")
def test_golden(folder: Path) -> None:
    """Recordings of every version of the format must stay readable."""
    expected = json.loads((folder.parent / f"{folder.name}.json").read_text())
    with Recording(folder) as recording:
        rows = [
            [e.seq, e.kind, e.flags, e.cpu, e.pid, e.tid, e.nr, e.enter, e.exit, e.result, list(e.args),
             [[s.arg, s.flags, s.address, s.full_length, s.data.hex()] for s in e.segments]]
            for e in recording.rows()
        ]  # fmt: skip
        assert rows == expected["events"]
        assert recording.info == expected["info"]
        assert recording.end == expected["end"]
        assert recording.losses == expected["losses"]
        assert recording.problems == expected["problems"]


def test_there_are_golden_recordings() -> None:
    for version in (1, 2):
        assert list(GOLDEN.glob(f"v{version}/*/events-000000"))


@pytest.mark.parametrize("version", [1, 2])
def test_either_version_is_read(tmp_path: Path, version: int) -> None:
    writer = RecordingWriter(tmp_path / "r", version=version)
    writer.events(simple_rows(3))
    writer.end()
    with Recording(writer.folder) as recording:
        assert {block.header.version for block in recording.blocks()} == {version}
        assert recording.info["format"] == version
        assert len(list(recording.rows())) == 3
        assert recording.verify() == []
