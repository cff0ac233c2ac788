"""Damaged, cut, forged recordings: all whole blocks are read, what is missing is named, and no event is ever wrong."""

from __future__ import annotations

import json
import os
import shutil
import struct
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retrograde.errors import FormatError, NotFoundError, RetrogradeError
from retrograde.events import Event
from retrograde.recording import Recording
from tests.support.recording_writer import (
    DATA,
    END,
    EVENTS,
    INFO,
    SNAPSHOT,
    Memory,
    RecordingWriter,
    Row,
    block,
    events_payload,
    planes,
    simple_rows,
)

BLOCKS = 6
ROWS = 20


def write(folder: Path, **options: object) -> RecordingWriter:
    """Write INFO, SNAPSHOT, four EVENTS blocks of ROWS, a LOSS and END."""
    writer = RecordingWriter(folder, snapshot={"/proc/1000/comm": b"cat\n"}, **options)
    for number in range(4):
        writer.events(simple_rows(ROWS, start=ROWS * number))
        if number == 1:
            writer.loss(2)
    writer.end()
    return writer


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> RecordingWriter:
    return write(tmp_path_factory.mktemp("sound") / "cat-0")


@pytest.fixture(scope="module")
def truth(sound: RecordingWriter) -> dict[int, Event]:
    return {event.seq: event for event in read(sound.folder)[0]}


def read(path: Path) -> tuple[list[Event], list[str]]:
    with Recording(path) as recording:
        early = recording.problems
        events = list(recording.rows())
        assert recording.problems[: len(early)] == early
        return events, recording.problems


def copy_with(sound: RecordingWriter, folder: Path, data: bytes) -> Path:
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir()
    (folder / "events-000000").write_bytes(data)
    return folder


def test_sound_recording_has_no_problems(sound: RecordingWriter, truth: dict[int, Event]) -> None:
    events, problems = read(sound.folder)
    assert problems == []
    assert [event.seq for event in events] == list(range(4 * ROWS))
    assert truth[25].segments[0].data == b"0000000025"


def test_truncated_around_every_boundary(sound: RecordingWriter, truth: dict[int, Event], tmp_path: Path) -> None:
    data = sound.file.read_bytes()
    ends = sound.boundaries
    for boundary in ends:
        for cut in (boundary - 1, boundary, boundary + 1, boundary + 63, boundary + 64, boundary + 65):
            if cut >= len(data):
                continue
            events, problems = read(copy_with(sound, tmp_path / "cut", data[:cut]))
            whole = sum(1 for end in ends[1:] if end <= cut)
            expected = ROWS * sum(1 for number in (3, 4, 6, 7) if number <= whole)
            # blocks: INFO SNAPSHOT EVENTS EVENTS LOSS EVENTS EVENTS END
            assert len(events) == expected, cut
            assert all(truth[event.seq] == event for event in events)
            assert len(problems) == 1, (cut, problems)
            assert "cut off" in problems[0]


def test_truncated_anywhere_names_the_block(sound: RecordingWriter, tmp_path: Path) -> None:
    data = sound.file.read_bytes()
    for cut in range(0, len(data), 7):
        _, problems = read(copy_with(sound, tmp_path / "cut", data[:cut]))
        assert len(problems) == 1, (cut, problems)
    cut = sound.boundaries[3] + 70  # inside the second EVENTS block
    _, problems = read(copy_with(sound, tmp_path / "cut", data[:cut]))
    assert "inside block 3 (EVENTS, events 20 to 39): 6 of its" in problems[0]


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_flipped_bit(sound: RecordingWriter, truth: dict[int, Event], tmp_path: Path, data: st.DataObject) -> None:
    original = sound.file.read_bytes()
    bit = data.draw(st.integers(0, 8 * len(original) - 1))
    flipped = bytearray(original)
    flipped[bit // 8] ^= 1 << bit % 8
    folder = copy_with(sound, tmp_path / "flipped", bytes(flipped))
    if 8 <= bit // 8 < 12:
        with pytest.raises(FormatError, match="format"):
            Recording(folder)
        return
    events, problems = read(folder)
    assert all(truth[event.seq] == event for event in events)
    if bit // 8 >= 16:
        hit = next(number for number, end in enumerate(sound.boundaries[1:]) if bit // 8 < end)
        assert any(f"block {hit} " in line for line in problems), problems
        lost = ROWS if hit in (2, 3, 5, 6) else 0
        assert len(events) == 4 * ROWS - lost
    else:
        assert len(problems) == 1 or 12 <= bit // 8 < 16


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_mutilated(sound: RecordingWriter, truth: dict[int, Event], tmp_path: Path, data: st.DataObject) -> None:
    """Pieces are cut out, doubled, moved and overwritten: no wrong event, no crash."""
    stream = sound.file.read_bytes()
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(16, len(stream)))
        length = data.draw(st.integers(0, 400))
        action = data.draw(st.sampled_from(["cut", "double", "junk", "zero"]))
        piece = stream[at : at + length]
        middle = {"cut": b"", "double": piece * 2, "junk": data.draw(st.binary(max_size=200)), "zero": bytes(length)}
        stream = stream[:at] + middle[action] + stream[at + length :]
    events, _ = read(copy_with(sound, tmp_path / "mutilated", stream))
    numbers = [event.seq for event in events]
    assert numbers == sorted(set(numbers))
    assert all(truth[event.seq] == event for event in events)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(garbage=st.binary(max_size=600), headed=st.booleans())
def test_garbage(tmp_path: Path, garbage: bytes, headed: bool) -> None:
    folder = tmp_path / "garbage"
    folder.mkdir(exist_ok=True)
    start = b"\x89RGTR\r\n\x1a" + struct.pack("<II", 1, 0) if headed else b""
    (folder / "events-000000").write_bytes(start + garbage)
    try:
        events, problems = read(folder)
    except RetrogradeError:
        return
    assert events == []
    assert problems


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    payload=st.binary(max_size=400),
    kind=st.integers(0, 7),
    count=st.sampled_from([0, 1, 2, 0xFFFFFFFF]),
    compress=st.booleans(),
    data=st.data(),
)
def test_forged_payload(
    tmp_path: Path, payload: bytes, kind: int, count: int, compress: bool, data: st.DataObject
) -> None:
    """Whatever stands in a block whose checksums are right."""
    if data.draw(st.booleans()):
        payload = struct.pack("<IIQ", *(data.draw(st.integers(0, 3)) for _ in range(3))) + payload
    folder = tmp_path / "forged"
    folder.mkdir(exist_ok=True)
    stream = b"\x89RGTR\r\n\x1a" + struct.pack("<II", 1, 0)
    stream += block(kind, payload, index=0, count=count, compress=compress)
    (folder / "events-000000").write_bytes(stream)
    with Recording(folder) as recording:
        list(recording.rows())
        for each in recording.blocks():
            if each.type == SNAPSHOT:
                each.snapshot()
        assert isinstance(recording.info, dict)
        assert recording.lost >= 0


def one_bad_block(tmp_path: Path, kind: int, payload: bytes, **options: int) -> tuple[list[Event], str]:
    """Write two good EVENTS blocks with a bad block between them; return the events and the only problem."""
    writer = RecordingWriter(tmp_path / "bad")
    writer.events(simple_rows(ROWS))
    writer.raw(kind, payload, **options)
    writer.seq += options.get("count", 0)
    writer.events(simple_rows(ROWS, start=ROWS))
    writer.end()
    events, problems = read(writer.folder)
    assert len(events) == 2 * ROWS
    assert len(problems) == 1, problems
    return events, problems[0]


def rows_payload(**changes: bytes) -> bytes:
    """Return the payload of two reads with one segment each; ``changes`` replace the columns of that name."""
    rows = simple_rows(2)
    parts = {
        "counts": struct.pack("<IIQ", 2, 2, 20),
        "before": bytes(2 + 2 + 4),
        "segment_count": planes([1, 1], 2),
        "between": bytes(2 * (90 - 6)),
        "segment_arg": b"\1\1",
        "segment_flags": b"\2\2",
        "segment_length": planes([10, 10], 4),
        "after": bytes(2 * 16),
        "heap": bytes(20),
    }
    assert len(b"".join(parts.values())) == len(events_payload(rows))
    return b"".join((parts | changes).values())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"segment_count": planes([1, 2], 2)}, "3 segments and it holds 2"),
        ({"segment_length": planes([10, 11], 4)}, "21 bytes and its heap holds 20"),
        ({"segment_length": planes([0xFFFFFFFF, 21], 4)}, "4294967316 bytes and its heap"),
        ({"counts": struct.pack("<IIQ", 2, 2, 21)}, "counts ask for"),
        ({"counts": struct.pack("<IIQ", 0xFFFFFFFF, 2, 20)}, "counts ask for"),
        ({"counts": struct.pack("<IIQ", 2, 2, 0xFFFFFFFFFFFFFFFF)}, "counts ask for"),
        ({"heap": bytes(19)}, "counts ask for"),
    ],
)
def test_counts_that_contradict(tmp_path: Path, changes: dict[str, bytes], words: str) -> None:
    _, problem = one_bad_block(tmp_path, EVENTS, rows_payload(**changes), count=2)
    assert words in problem
    assert "block 2 (EVENTS, events 20 to 21) at byte" in problem


def test_header_count_differs(tmp_path: Path) -> None:
    _, problem = one_bad_block(tmp_path, EVENTS, rows_payload(), count=3)
    assert "promises 3 events and it holds 2" in problem


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"payload_crc32": 1}, "checksum does not match"),
        ({"raw_length": 5}, "zstd frame holds"),
        ({"raw_length": (64 << 20) + 1}, "at most 67108864 are allowed"),
        ({"raw_length": 0xFFFFFFFF}, "at most 67108864 are allowed"),
        ({"codec": 0}, "its header says"),
        ({"codec": 7}, "codec 7 is unknown"),
        ({"version": 3}, "version 3"),
        ({"version": 0}, "version 0"),
    ],
)
def test_headers_that_lie(tmp_path: Path, overrides: dict[str, int], words: str) -> None:
    _, problem = one_bad_block(tmp_path, EVENTS, rows_payload(), count=2, **overrides)
    assert words in problem
    assert "block 2" in problem


@pytest.mark.parametrize("text", [b"{", b"[]", b"\xff", b"[" * 100_000, b"nul"])
def test_broken_json(tmp_path: Path, text: bytes) -> None:
    _, problem = one_bad_block(tmp_path, INFO, text)
    assert "JSON" in problem


@pytest.mark.parametrize("payload", [b"\1", b"\5\0\0\0\0\0abc", struct.pack("<HI", 1, 0xFFFFFFFF) + b"a"])
def test_broken_snapshot(tmp_path: Path, payload: bytes) -> None:
    _, problem = one_bad_block(tmp_path, SNAPSHOT, payload)
    assert "block 2 (SNAPSHOT)" in problem


def zstd_frame_of_zeros(length: int) -> bytes:
    """Return a zstd frame that names no size and holds ``length`` zeros (RLE blocks of 128 KiB)."""
    frame = struct.pack("<IBB", 0xFD2FB528, 0, 0x38)
    whole, rest = divmod(length, 1 << 17)
    sizes = [1 << 17] * whole + [rest]
    for number, size in enumerate(sizes):
        frame += struct.pack("<I", (size << 3) | (1 << 1) | (number == len(sizes) - 1))[:3] + b"\0"
    return frame


def test_decompression_bomb_needs_no_memory(tmp_path: Path) -> None:
    import zlib

    bomb = zstd_frame_of_zeros(4 << 30)
    claimed = struct.pack("<IBQ", 0xFD2FB528, 0xE0, 1 << 60) + b"\1\0\0"  # a frame that claims 2^60 bytes
    for stored in (bomb, claimed):
        for raw_length in (100, 1 << 20, 0xFFFFFFFF):
            folder = tmp_path / f"bomb-{len(stored)}-{raw_length}"
            writer = RecordingWriter(folder)
            writer.append(
                block(
                    EVENTS,
                    b"",
                    index=1,
                    stamp=writer.stamp,
                    codec=1,
                    compress=False,
                    stored_length=len(stored),
                    raw_length=raw_length,
                    payload_crc32=zlib.crc32(stored),
                )
                + stored
            )
            tracemalloc.start()
            events, problems = read(folder)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert events == []
            assert "block 1" in problems[0]
            assert peak < 16 << 20


def test_gap_in_the_index(tmp_path: Path) -> None:
    writer = RecordingWriter(tmp_path / "gap")
    writer.events(simple_rows(ROWS))
    writer.index += 2
    writer.seq += 40
    writer.events(simple_rows(ROWS, start=60))
    writer.end()
    events, problems = read(writer.folder)
    assert len(events) == 2 * ROWS
    assert len(problems) == 1
    assert "blocks 2 to 3 are missing with events 20 to 59" in problems[0]


def test_gap_in_the_numbers_of_events(tmp_path: Path) -> None:
    writer = RecordingWriter(tmp_path / "gap")
    writer.events(simple_rows(ROWS))
    writer.seq += 5
    writer.events(simple_rows(ROWS, start=25))
    writer.end()
    events, problems = read(writer.folder)
    assert len(events) == 2 * ROWS
    assert len(problems) == 1
    assert "events 20 to 24 missing" in problems[0]


def test_block_that_was_there_before(tmp_path: Path) -> None:
    writer = RecordingWriter(tmp_path / "twice")
    writer.events(simple_rows(ROWS))
    writer.events(simple_rows(ROWS), index=1, first_seq=0)
    writer.end()
    events, problems = read(writer.folder)
    assert [event.seq for event in events] == list(range(ROWS))
    assert any("was there before" in line for line in problems)


def rotated(folder: Path) -> RecordingWriter:
    writer = RecordingWriter(folder)
    for number in range(4):
        if number:
            writer.rotate()
        writer.events(simple_rows(ROWS, start=ROWS * number))
    writer.end()
    return writer


def test_rotated(tmp_path: Path) -> None:
    writer = rotated(tmp_path / "rotated")
    events, problems = read(writer.folder)
    assert (len(events), problems) == (4 * ROWS, [])
    (writer.folder / "events-000000").unlink()  # the flight recorder forgets its oldest file
    events, problems = read(writer.folder)
    assert (len(events), problems) == (3 * ROWS, [])


def test_missing_middle_file(tmp_path: Path) -> None:
    writer = rotated(tmp_path / "rotated")
    (writer.folder / "events-000001").unlink()
    events, problems = read(writer.folder)
    assert [event.seq for event in events] == [*range(20), *range(40, 80)]
    assert "events-000001 is missing" in problems[0]
    assert "blocks 2 to 3 are missing with events 20 to 39" in problems[1]


def test_damaged_middle_file(tmp_path: Path) -> None:
    writer = rotated(tmp_path / "rotated")
    (writer.folder / "events-000001").write_bytes(b"nonsense" * 20)
    events, problems = read(writer.folder)
    assert [event.seq for event in events] == [*range(20), *range(40, 80)]
    assert any(line.startswith("events-000001: ") for line in problems)


def test_damaged_magic(sound: RecordingWriter, tmp_path: Path) -> None:
    data = b"\0" * 16 + sound.file.read_bytes()[16:]
    events, problems = read(copy_with(sound, tmp_path / "magic", data))
    assert len(events) == 4 * ROWS
    assert problems == ["events-000000: bytes 0 to 15 are damaged; no block is missing"]


def test_another_recording_in_the_damaged_payload(tmp_path: Path) -> None:
    """A program copied a recording; its blocks must not become events when the copying one is damaged."""
    inner = write(tmp_path / "inner", stamp=7)
    outer = RecordingWriter(tmp_path / "outer")
    outer.events(simple_rows(ROWS))
    copied = inner.file.read_bytes()
    row = Row(nr=0, result=len(copied), memory=[Memory(1, copied)], exit=simple_rows(30)[-1].exit)
    outer.events([row], compress=False)
    begin = outer.boundaries[-2]
    outer.events(simple_rows(ROWS, start=40))
    outer.end()
    data = bytearray(outer.file.read_bytes())
    data[begin + 9] ^= 0x40  # in the header: where the block ends is not known any more
    outer.file.write_bytes(data)
    events, problems = read(outer.folder)
    assert [event.seq for event in events] == [*range(ROWS), *range(ROWS + 1, 2 * ROWS + 1)]
    assert any("block 2 is missing with event 20" in line for line in problems)


def test_newer_version(sound: RecordingWriter, tmp_path: Path) -> None:
    data = sound.file.read_bytes()
    with pytest.raises(FormatError, match="format 3, and this Retrograde reads formats 1 to 2") as caught:
        Recording(copy_with(sound, tmp_path / "newer", data[:8] + struct.pack("<I", 3) + data[12:]))
    assert caught.value.exit_code == 1
    assert caught.value.hint


def test_what_is_no_recording(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(FormatError, match="holds no events-000000"):
        Recording(tmp_path / "empty")
    (tmp_path / "text").write_text("hello")
    with pytest.raises(FormatError, match="does not begin as one"):
        Recording(tmp_path / "text")
    (tmp_path / "nothing").write_bytes(b"")
    with pytest.raises(FormatError):
        Recording(tmp_path / "nothing")
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(FormatError, match="neither a folder nor"):
        Recording(tmp_path / "fifo")
    with pytest.raises(NotFoundError):
        Recording(tmp_path / "missing")


def test_a_recording_that_has_just_begun(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "incomplete").touch()
    with Recording(tmp_path / "new") as recording:
        assert list(recording.rows()) == []
        assert recording.info == {}
        assert not recording.complete
        assert recording.problems == ["the recording was cut off: it holds no block"]
    (tmp_path / "new" / "events-000000").touch()
    assert read(tmp_path / "new")[1] == ["events-000000: is cut off after 0 bytes and holds nothing"]


def test_links_do_not_lead_out(tmp_path: Path) -> None:
    writer = write(tmp_path / "real")
    hostile = tmp_path / "hostile"
    hostile.mkdir()
    (hostile / "events-000000").symlink_to(writer.file)
    (tmp_path / "secret").write_text(json.dumps({"secret": 1}))
    (hostile / "info.json").symlink_to(tmp_path / "secret")
    (hostile / "incomplete").symlink_to("/etc/passwd")
    events, problems = read(hostile)
    assert events == []
    assert problems[0].startswith("events-000000: cannot be read")
    with Recording(hostile) as recording:
        assert recording.end is None
    os.mkfifo(tmp_path / "pipe")
    (hostile / "events-000001").symlink_to(tmp_path / "pipe")
    os.mkfifo(hostile / "events-000002")
    assert read(hostile)[0] == []


def test_end_is_read_from_info_json(sound: RecordingWriter, tmp_path: Path) -> None:
    folder = copy_with(sound, tmp_path / "cut", sound.file.read_bytes()[: sound.boundaries[4]])
    shutil.copy(sound.folder / "info.json", folder)
    with Recording(folder) as recording:
        assert recording.end is not None
        assert recording.end["events"] == 80
        assert not recording.complete
        assert "40 of 80 events are there" in recording.problems[0]


def test_memory_of_rows_that_never_end(tmp_path: Path) -> None:
    writer = RecordingWriter(tmp_path / "endless")
    writer.events([Row(flags=4, memory=[Memory(1, b"a")]), *simple_rows(5), Row(kind=DATA, tid=77, pid=77)])
    writer.end()
    events, problems = read(writer.folder)
    assert len(events) == 6
    assert events[0].flags & 2
    assert any("event 0: further memory" in line for line in problems)
    assert any("event 6: memory of an event that is missing" in line for line in problems)


def test_empty_block_types(tmp_path: Path) -> None:
    """A type that a later writer may add is not an error, nor are blocks without events."""
    writer = RecordingWriter(tmp_path / "types")
    writer.raw(9, b"whatever")
    writer.events([])
    writer.events(simple_rows(3))
    writer.end()
    events, problems = read(writer.folder)
    assert len(events) == 3
    assert problems == []
    assert END == 5
