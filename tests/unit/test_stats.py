"""Statistics: percentiles, groups, what the verbs print."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrograde import filters
from retrograde.cli import main
from retrograde.cli.top import watch
from retrograde.errors import UsageError
from retrograde.events import EventFlag, Kind
from retrograde.recording import Batch, Recording
from retrograde.state import Context, Process
from retrograde.state.tracker import Tracker
from retrograde.stats import Collector, collect
from retrograde.stats.histogram import RELATIVE_ERROR, buckets, middle, percentile
from retrograde.stats.lives import Lives, pid_of
from retrograde.stats.summary import duration, size
from retrograde.syscalls import load
from tests.support.recording_writer import (
    BOOTTIME,
    COMM,
    DATA,
    ENTER,
    FORK,
    IN,
    SWITCH,
    Memory,
    RecordingWriter,
    Row,
    events_payload,
)

TABLE = load("x86_64")
READ, WRITE, OPENAT, SOCKET, CONNECT, EXIT_GROUP = (
    TABLE.by_name[name].number for name in ("read", "write", "openat", "socket", "connect", "exit_group")
)


@given(st.integers(0, 1 << 62))
def test_a_bucket_stands_for_its_values(value: int) -> None:
    near = middle(int(buckets(np.array([value], np.uint64))[0]))
    assert abs(near - value) <= value * RELATIVE_ERROR * 1.001
    if value < 256:
        assert near == value


@given(st.lists(st.integers(0, 1 << 40), min_size=1, max_size=50), st.sampled_from([0.5, 0.9, 0.99, 1.0]))
def test_a_percentile_is_that_of_the_sorted_values(values: list[int], share: float) -> None:
    counts = Counter(buckets(np.array(values, np.uint64)).tolist())
    exact = sorted(values)[max(1, math.ceil(share * len(values))) - 1]
    assert abs(percentile(counts, share) - exact) <= exact * RELATIVE_ERROR * 1.001


_rows = st.builds(
    Row,
    nr=st.sampled_from([READ, WRITE, OPENAT, EXIT_GROUP, 400_000, -5]),
    result=st.sampled_from([0, 5, 4096, -2, -11, -(1 << 63)]),
    args=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    kind=st.sampled_from([1, 1, 1, 2, 3, 4, 5, 7, 8]),
    flags=st.sampled_from([0, 0, 1]),
    pid=st.integers(1, 3),
    duration=st.sampled_from([0, 1, 255, 1000, 1 << 50]),
)


@settings(deadline=None)
@given(
    st.lists(_rows, max_size=30),
    st.sampled_from(["syscall", "process"]),
    st.sampled_from([None, "evt.failed = true", "evt.type in (read, openat)", "evt.is_io = true or evt.latency > 300"]),
)
def test_columns_and_events_add_up_to_the_same(rows: list[Row], by: str, text: str | None) -> None:
    wanted = filters.parse(text) if text else None
    columns, events = Collector(TABLE, by, wanted), Collector(TABLE, by, wanted)
    assert not columns.needs_events
    for row in rows:
        row.exit = BOOTTIME
    columns.add_batch(Batch(events_payload(rows), 0))
    tracker = Tracker(Context(), TABLE)
    for event in Batch(events_payload(rows), 0).events():
        if event.kind == Kind.DATA:
            continue
        tracker.apply(event)
        if wanted is None or wanted.matches(event):
            events.add_event(event)
    first, second = columns.summary(duration_s=1).json(), events.summary(duration_s=1).json()
    if by == "process":
        # The tracker has no names here either, but it knows that of a thread that a fork without a name made.
        first, second = _without_names(first), _without_names(second)
    assert first == second


def test_a_pid_that_is_used_again_is_another_process_in_later_batches_too() -> None:
    lives = Lives()
    end = Row(kind=Kind.EXIT, nr=-1, pid=7, args=(1,))
    batches = [[Row(nr=READ, pid=7), end, Row(nr=READ, pid=7), Row(nr=READ, pid=8)], [Row(nr=READ, pid=7)]]
    first, second = (lives.of_batch(Batch(events_payload(rows), 0)).tolist() for rows in batches)
    assert [pid_of(key) for key in first] == [7, 7, 7, 8]
    assert first[0] == first[1] != first[2]
    assert second == [first[2]]


def test_processes_are_told_apart_without_keeping_them_alive() -> None:
    lives = Lives()
    first, second = Process(7, 0, Context()), Process(7, 0, Context())
    references = sys.getrefcount(first)
    keys = [lives.of_process(process) for process in (first, first, second, second)]
    assert [keys.index(key) for key in keys] == [0, 0, 2, 2]
    assert {pid_of(key) for key in keys} == {7}
    assert sys.getrefcount(first) == references


def _without_names(summary: dict) -> dict:
    groups = {name.rpartition("(")[2]: group for name, group in summary.pop("processes").items()}
    return summary | {"processes": groups}


def make_recording(folder: Path) -> Path:
    writer = RecordingWriter(folder, snapshot={"/proc/1000/comm": b"cat\n", "/proc/1000/stat": b""})
    address = b"\x02\x00\x01\xbb\x0a\x00\x00\x02" + bytes(8)  # 10.0.0.2:443
    writer.events(
        [
            Row(nr=OPENAT, result=3, args=(0xFFFFFF9C, 1), memory=[Memory(1, b"/etc/passwd\0", IN)], duration=2000),
            Row(nr=READ, result=100, args=(3, 1, 4096), duration=1000),
            Row(nr=READ, result=50, args=(3, 1, 4096), duration=3000),
            Row(nr=READ, result=-11, args=(3, 1, 4096), duration=100),
            Row(nr=OPENAT, result=-2, args=(0xFFFFFF9C, 1), memory=[Memory(1, b"/no/such\0", IN)], duration=200),
            Row(nr=SOCKET, result=4, args=(2, 1, 0)),
            Row(nr=CONNECT, result=0, args=(4, 1, 16), memory=[Memory(1, address, IN)]),
            Row(nr=WRITE, result=7, args=(4, 1, 7)),
            Row(kind=FORK, nr=-1, pid=1001, args=(1000, 1000), memory=[Memory(COMM, b"child")]),
            Row(kind=SWITCH, nr=-1),
            Row(nr=READ, pid=1001, kind=ENTER, duration=0),
            Row(nr=READ, kind=DATA),
        ]
    )
    writer.loss(5, by_syscall={str(READ): 5})
    writer.end()
    return folder


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return make_recording(tmp_path / "sample")


def test_by_syscall(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stats", str(recording), "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["events"] == 11
    assert summary["lost"] == 5
    assert isinstance(summary["duration_s"], float)
    assert summary["syscalls"]["read"] == {
        "count": 4,
        "errors": {"EAGAIN": 1},
        "unfinished": 1,
        "total_ns": 4100,
        "p50_ns": pytest.approx(1000, rel=RELATIVE_ERROR),
        "p90_ns": pytest.approx(3000, rel=RELATIVE_ERROR),
        "p99_ns": pytest.approx(3000, rel=RELATIVE_ERROR),
        "max_ns": 3000,
        "bytes": 150,
    }
    assert summary["syscalls"]["openat"]["errors"] == {"ENOENT": 1}
    assert summary["syscalls"]["openat"]["bytes"] == 0
    assert set(summary["syscalls"]) == {"read", "openat", "socket", "connect", "write"}


@pytest.mark.parametrize(
    ("by", "key", "expected"),
    [
        ("process", "processes", {"cat (1000)": 8, "child (1001)": 1}),
        ("file", "files", {"/etc/passwd": 4, "/no/such": 1}),
        ("peer", "peers", {"tcp 10.0.0.2:443": 2}),
    ],
)
def test_by_others(
    recording: Path, capsys: pytest.CaptureFixture[str], by: str, key: str, expected: dict[str, int]
) -> None:
    assert main(["stats", str(recording), "--by", by, "--json"]) == 0
    groups = json.loads(capsys.readouterr().out)[key]
    assert {name: group["count"] for name, group in groups.items()} == expected


@pytest.mark.parametrize(
    ("text", "events"),
    [("evt.failed = true", 2), ("fd.name = /etc/passwd", 4), ("evt.type = switch", 1), ("proc.name = child", 2)],
)
def test_a_filter_counts_what_it_holds_for(
    recording: Path, capsys: pytest.CaptureFixture[str], text: str, events: int
) -> None:
    assert main(["stats", str(recording), text, "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["events"] == events
    assert summary["lost"] == 5


@pytest.mark.parametrize("text", [None, "evt.failed = false", "proc.pid > 0"])
def test_a_fork_counts_once(tmp_path: Path, text: str | None) -> None:
    clone, compat_fork = TABLE.by_name["clone"].number, TABLE.numbers_of("fork")["i386"]
    writer = RecordingWriter(tmp_path / "forks")
    writer.events(
        [
            Row(nr=clone, result=1001, duration=500),
            Row(nr=clone, result=0, pid=1001, duration=90),
            Row(nr=compat_fork, flags=EventFlag.COMPAT, result=0, pid=1002),
            Row(nr=compat_fork, flags=EventFlag.COMPAT, result=1002),
            Row(nr=READ, result=0, args=(3, 1, 4096)),
        ]
    )
    writer.end()
    summary = collect(Recording(tmp_path / "forks"), wanted=filters.parse(text) if text else None).json()
    calls = summary["syscalls"]
    assert {name: group["count"] for name, group in calls.items()} == {"clone": 1, "fork (32-bit)": 1, "read": 1}
    assert calls["clone"]["max_ns"] == 500


def test_the_table_is_for_people(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stats", str(recording), "--sort", "count", "-n", "1"]) == 0
    output = capsys.readouterr()
    header, first, total = output.out.splitlines()
    assert header.split()[:2] == ["%", "time"]
    assert "read" in first
    assert "EAGAIN:1" in first
    assert "11 events, 5 lost" in total
    assert "lost by the capture" in output.err


def test_nothing_to_show_is_said(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stats", str(recording), "evt.type = kill"]) == 0
    output = capsys.readouterr()
    assert output.out == ""
    assert "0 events" in output.err


def test_a_recording_is_read_through_the_api(recording: Path) -> None:
    with Recording(recording) as opened:
        summary = collect(opened, wanted=filters.parse("evt.type = read"))
    assert list(summary.groups) == ["read"]
    assert summary.groups["read"].failed == 1


@pytest.mark.parametrize(
    ("ns", "text"),
    [(0, "0ns"), (999, "999ns"), (1250, "1.25us"), (999_600, "1000us"), (1_500_000, "1.5ms"), (2_000_000_000, "2s"),
     (12_345_000_000_000, "12,345s")],
)  # fmt: skip
def test_durations(ns: int, text: str) -> None:
    assert duration(ns) == text


def test_sizes() -> None:
    assert [size(number) for number in (0, 5, 1023, 1536, 1 << 30)] == ["", "5", "1023", "1.5K", "1.0G"]


# ---- top ----


@pytest.mark.parametrize("by", ["syscall", "file"])
def test_top_shows_a_table_at_the_end_of_a_stream(recording: Path, capsys: pytest.CaptureFixture[str], by: str) -> None:
    options = argparse.Namespace(by=by, sort="time", limit=None, json=True, interval=5.0, total=False)
    with Recording(recording) as opened:
        watch(opened.blocks(), opened.info, None, options)
    (line,) = capsys.readouterr().out.splitlines()
    summary = json.loads(line)
    assert summary["events"] == 11
    assert summary["lost"] == 5


def test_top_passes_a_failure_on(recording: Path) -> None:
    def broken() -> object:
        yield from ()
        raise UsageError("the capture said no")

    options = argparse.Namespace(by="syscall", sort="time", limit=None, json=True, interval=5.0, total=False)
    with pytest.raises(UsageError, match="said no"):
        watch(broken(), {}, None, options)
