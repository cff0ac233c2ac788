"""How what only a replay needs is printed, filtered, counted and exported."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from retrograde.cli import main
from tests.support import golden
from tests.support.recording_writer import (
    CHECKSUM,
    MAPPED,
    MAPS,
    REGISTERS,
    START,
    SWITCH,
    TRAP,
    WRITTEN,
    Memory,
    RecordingWriter,
    Row,
)

IMAGE = "dfe6067d1214701e705acd55f4660315"
RECORDINGS = [golden.ROOT / "v2" / name for name in ("replayable-x86-64", "replayable-arm64")]


def output(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    assert main([*words]) == 0
    return capsys.readouterr().out.splitlines()


def infos(capsys: pytest.CaptureFixture[str], recording: Path, *words: str) -> list[str]:
    return output(capsys, "read", str(recording), *words, "-p", "%evt.type %evt.category %evt.info")


@pytest.mark.parametrize(("recording", "instruction"), [(RECORDINGS[0], "rdtsc"), (RECORDINGS[1], "cntvct")])
def test_each_has_a_short_line(recording: Path, instruction: str, capsys: pytest.CaptureFixture[str]) -> None:
    lines = output(capsys, "read", str(recording))
    shown = [line.partition(" < ")[2] for line in lines]
    assert shown[1] == "start pc=0x400010 sp=0x7ffc00001f00 mappings=2"
    assert shown[3] == f"mapped addr=0x7f0000000000-0x7f0000001000 perms=r-xp image={IMAGE} path=/lib/a file"
    assert shown[5] == f"trap insn={instruction} at=0x400020"
    assert shown[6] == "signaldeliver sig=10(SIGUSR1) code=0(SI_USER) pid=1000 uid=0 handler=0x400800"
    assert shown[7] == "switch next=1002 state=0(running) at=0x400030"
    assert shown[8] == "switch next=1001 state=1(sleeping) at=call"
    assert len(shown) == 11
    assert output(capsys, "read", str(recording), "--enter")[3:] == lines
    formatted = output(capsys, "read", str(recording), "-p", "%evt.type %evt.info")
    assert formatted == shown


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda path: path.name)
def test_strace_shows_none_of_them(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [line.split()[1].partition("(")[0] for line in output(capsys, "read", str(recording), "--strace")]
    assert words == ["execve", "mmap", "---", "read", "+++"]


def test_they_can_be_filtered(capsys: pytest.CaptureFixture[str]) -> None:
    recording = RECORDINGS[0]
    found = infos(capsys, recording, "evt.type in (start, trap) or evt.category = memory and syscall.type != mmap")
    assert [line.split()[:2] for line in found] == [["start", "process"], ["trap", "system"]]
    assert len(infos(capsys, recording, "evt.category = memory")) == 2
    assert len(infos(capsys, recording, "evt.type = mapped and evt.arg.perms = r-xp")) == 1
    assert infos(capsys, recording, "evt.type = trap and evt.failed = true") == []


def test_json_has_their_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    lines = output(capsys, "read", str(RECORDINGS[0]), "evt.type in (start, mapped, trap)", "--json")
    events = [json.loads(line) for line in lines]
    assert [event["evt.type"] for event in events] == ["start", "mapped", "trap"]
    assert events[0]["evt.args"] == {"pc": "0x400010", "sp": "0x7ffc00001f00", "mappings": "2"}
    assert events[2]["evt.args"] == {"insn": "rdtsc", "at": "0x400020"}
    assert not any("evt.rawres" in event for event in events)


def test_they_are_no_calls(capsys: pytest.CaptureFixture[str]) -> None:
    for by, key, calls in (("syscall", "syscalls", 3), ("process", "processes", 3), ("file", "files", 0)):
        summary = json.loads("\n".join(output(capsys, "stats", str(RECORDINGS[0]), "--by", by, "--json")))
        assert summary["events"] == 11
        assert sum(group["count"] for group in summary[key].values()) == calls


def test_their_memory_is_exported(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [json.loads(line) for line in output(capsys, "export", str(RECORDINGS[1]), "--json")]
    assert [row["kind"] for row in rows[:5]] == ["exec", "start", "data", "syscall", "mapped"]
    assert [segment["arg"] for segment in rows[1]["memory"]] == [21, 22, 23, 24, 25]
    assert [segment["arg"] for segment in rows[7]["memory"]] == [21, 26, 27, 25]
    assert rows[1]["syscall"] is None
    assert rows[6]["kind"] == "trap"


def test_what_is_lacking_or_odd_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    writer = RecordingWriter(tmp_path / "odd")
    lines = b"1000-2000 r--p 0 0:0 0 -\n\n2000-3000 rw-p 0 0:0 0 - \x1b[31m x\n"
    writer.events(
        [
            Row(nr=-1, kind=START, memory=[Memory(REGISTERS, bytes(159))]),
            Row(nr=-1, kind=MAPPED, args=(2**64 - 1, 2)),
            Row(nr=-1, kind=MAPPED, args=(0x1000, 0x2000), memory=[Memory(MAPS, lines[:30]), Memory(MAPS, lines[30:])]),
            Row(nr=-1, kind=MAPPED, args=(0, 1), memory=[Memory(MAPS, b"1-2 r-xp 0 0:0 0 x\x1b /a\tb\x9b\n")]),
            Row(nr=-1, kind=TRAP, args=(9, 2**64 - 1)),
            Row(nr=-1, kind=SWITCH, args=(7, 1)),
            Row(nr=-1, kind=WRITTEN, args=(0, 8 << 32 | 0x101, 1234, 4096, 9000, 8)),
            Row(nr=-1, kind=WRITTEN, args=(1, 77, 0, 0x7000, 0, 8)),
            Row(nr=-1, kind=CHECKSUM, args=(3, 4096)),
        ]
    )
    writer.end()
    assert infos(capsys, tmp_path / "odd") == [
        "start process mappings=0",
        "mapped memory addr=0xffffffffffffffff-0x1",
        "mapped memory addr=0x1000-0x3000 perms=r--p mappings=2",
        "mapped memory addr=0x0-0x1 perms=r-xp image=x\\x1b path=/a\\tb\\x9b",
        "trap system insn=9 at=0xffffffffffffffff",
        "switch sched next=7 state=1(sleeping)",
        "written file file=08:101/1234 offset=4096 length=8 size=9000",
        "written file process=77 addr=0x7000 length=8",
        "checksum memory pages=3",
    ]
