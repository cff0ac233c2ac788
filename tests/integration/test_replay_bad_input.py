"""What `replay` says of a recording that can't be replayed, or of a question that it can't answer: one sentence."""

from __future__ import annotations

import json
import platform
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from retrograde.errors import EXIT_CANNOT, EXIT_DONE, EXIT_USAGE
from tests.support import recording_writer as w
from tests.support.altered import Altered, Block
from tests.support.capturing import capture
from tests.support.commands import retrograde
from tests.support.gdb_runs import needs_gdb

pytest.importorskip("retrograde.replay._core", reason="the replayer's Python module is not built", exc_type=ImportError)


@pytest.fixture(scope="module")
def good(capture_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording that replays."""
    folder = tmp_path_factory.mktemp("bad-input") / "good"
    capture(capture_program, folder, "--backend", "ptrace", "--grade", "replay", "--", "/bin/echo", "words")
    return folder


@pytest.fixture
def altered(good: Path) -> Altered:
    """The same, to change it."""
    return Altered.of(good)


def _said(done: subprocess.CompletedProcess[str]) -> str:
    """Return what was said of a failure, which is one sentence and a hint."""
    assert "Traceback" not in done.stderr, done.stderr
    assert done.stdout == ""
    lines = done.stderr.strip().splitlines()
    assert 1 <= len(lines) <= 2, done.stderr
    assert lines[0].startswith("retrograde replay: ")
    return done.stderr


def _refused(recording: Path, *words: str, code: int = EXIT_CANNOT) -> str:
    """Return what is said of a recording, with `--check` and without the same."""
    said = set()
    for way in (["--check"], ["--port", "0"]):
        done = retrograde("replay", str(recording), *way, *words)
        assert done.returncode == code, done.stderr
        said.add(_said(done))
    (sentence,) = said
    return sentence


def test_an_altered_copy_replays(altered: Altered, tmp_path: Path) -> None:
    """What the tests below change is what they mean to change."""
    done = retrograde("replay", "--check", str(altered.write(tmp_path / "copy")))
    assert (done.returncode, done.stdout) == (EXIT_DONE, "words\n"), done.stderr


def test_observe_grade(capture_program: Path, tmp_path: Path) -> None:
    folder = tmp_path / "seen"
    capture(capture_program, folder, "--backend", "ptrace", "--grade", "observe", "--", "/bin/echo", "words")
    said = _refused(folder)
    assert "seen is an observe-grade recording" in said
    assert "retrograde record" in said


def test_lost_events(altered: Altered, tmp_path: Path) -> None:
    loss = {"from_ns": w.BOOTTIME, "to_ns": w.BOOTTIME + 10, "lost": 7, "by_syscall": {"0": 7}}
    altered.blocks.insert(-1, Block(w.LOSS, json.dumps(loss).encode()))
    assert "lossy has lost 7 events" in _refused(altered.write(tmp_path / "lossy"))


def test_another_architecture(altered: Altered, tmp_path: Path) -> None:
    other = "x86_64" if platform.machine() == "aarch64" else "arm64"
    altered.change_info(arch=other)
    said = _refused(altered.write(tmp_path / "foreign"))
    assert f"foreign was recorded on {other} and this machine is" in said


def test_an_unknown_architecture(altered: Altered, tmp_path: Path) -> None:
    altered.change_info(arch="riscv64")
    assert "riscv64" in _refused(altered.write(tmp_path / "foreign"))


def test_an_incompatible_cpu(altered: Altered, tmp_path: Path) -> None:
    altered.change_info(cpu={"features": ["fpu", "avx512_of_tomorrow", "amx_of_tomorrow"], "model": "A CPU"})
    said = _refused(altered.write(tmp_path / "newer"))
    assert "instructions that this one lacks: amx_of_tomorrow, avx512_of_tomorrow" in said
    assert "A CPU" in said


def test_a_missing_image(altered: Altered, tmp_path: Path) -> None:
    folder = altered.write(tmp_path / "bare")
    image = next((folder / "images").iterdir())
    image.unlink()
    said = _refused(folder)
    assert f"images/{image.name}" in said
    shutil.rmtree(folder / "images")
    assert "files that its programs mapped" in _refused(folder)


def test_a_newer_format(altered: Altered, tmp_path: Path) -> None:
    altered.version = 9
    said = _refused(altered.write(tmp_path / "future"))
    assert "future is a recording of format 9, and this Retrograde reads formats 1 to 2" in said


def test_the_first_format(tmp_path: Path) -> None:
    writer = w.RecordingWriter(tmp_path / "old", version=1)
    writer.events(w.simple_rows(3))
    writer.end()
    assert "old does not hold the start of a command" in _refused(tmp_path / "old")


def test_no_command(altered: Altered, tmp_path: Path) -> None:
    """As of a running process."""
    for block in altered.blocks:
        block.rows = [row for row in block.rows if row.kind not in (w.START, w.EXEC)]
    assert "joined does not hold the start of a command" in _refused(altered.write(tmp_path / "joined"))


def test_nothing_but_a_beginning(altered: Altered, tmp_path: Path) -> None:
    del altered.blocks[1:]
    assert "does not hold the start of a command" in _refused(altered.write(tmp_path / "empty"))


def test_cut_off(good: Path, tmp_path: Path) -> None:
    """There is no end to check; in gdb it runs as far as it goes, and that is said."""
    folder = tmp_path / "cut"
    shutil.copytree(good, folder)
    file = folder / "events-000000"
    file.write_bytes(file.read_bytes()[:-20])
    (folder / "info.json").unlink()
    (folder / "incomplete").touch()
    done = retrograde("replay", "--check", str(folder))
    assert done.returncode == EXIT_CANNOT, done.stderr
    assert "cut is not whole, and has no end to compare with: events-000000: is cut off inside block " in _said(done)
    needs_gdb()
    words = ["-nx", "-batch", "-ex", "continue", "-ex", "when"]
    done = retrograde("replay", str(folder), "--", *words)
    assert "cut off inside block" in done.stderr
    assert "Current event: " in done.stdout


def test_a_damaged_block(good: Path, tmp_path: Path) -> None:
    folder = tmp_path / "hurt"
    shutil.copytree(good, folder)
    file = folder / "events-000000"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0x55
    file.write_bytes(content)
    assert "hurt is damaged, and can't be replayed: events-000000: block " in _refused(folder)


def test_a_flight_recorders(altered: Altered, tmp_path: Path) -> None:
    folder = altered.write(tmp_path / "latest-part")
    (folder / "events-000000").rename(folder / "events-000003")
    assert "kept the latest part of its run alone" in _refused(folder)


def test_packed_replays(good: Path, tmp_path: Path) -> None:
    packed = tmp_path / "good.rgtr"
    assert retrograde("pack", str(good), "-o", str(packed)).returncode == EXIT_DONE
    done = retrograde("replay", "--check", str(packed))
    assert (done.returncode, done.stdout) == (EXIT_DONE, "words\n"), done.stderr
    assert "no divergence" in done.stderr


def test_a_bare_stream(good: Path, tmp_path: Path) -> None:
    stream = tmp_path / "stream"
    stream.write_bytes((good / "events-000000").read_bytes())
    assert "stream is a bare block stream" in _refused(stream)


def test_no_such_process(good: Path) -> None:
    done = retrograde("replay", str(good), "--port", "0", "--pid", "4194304")
    assert done.returncode == EXIT_USAGE
    assert "good has no process 4194304\nit has " in _said(done)


@pytest.mark.parametrize("event", ["1000000", "18446744073709551615", "99999999999999999999999999", "-1"])
def test_no_such_event(good: Path, event: str) -> None:
    done = retrograde("replay", str(good), "--port", "0", "--event", event)
    assert done.returncode == EXIT_USAGE, done.stderr
    assert f"there is no event {event}" in _said(done)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--check", "--", "-batch"], "arguments for gdb"),
        (["--port", "0", "--", "-batch"], "arguments for gdb"),
        (["--check", "--at-end"], "--at-end"),
        (["--check", "--event", "3"], "--event"),
        (["--check", "--pid", "1"], "--pid"),
        (["--check", "--port", "0"], "not allowed with"),
        (["--at-end", "--event", "3"], "not allowed with"),
        (["--port", "many"], "invalid int value"),
    ],
)
def test_what_does_not_fit(good: Path, words: list[str], named: str) -> None:
    done = retrograde("replay", str(good), *words)
    assert done.returncode == EXIT_USAGE, done.stderr
    assert named in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("port", ["-1", "65536", "99999999999999999999"])
def test_no_such_port(good: Path, port: str) -> None:
    done = retrograde("replay", str(good), "--port", port)
    assert done.returncode == EXIT_USAGE, done.stderr
    assert "is no port" in _said(done)


def test_a_port_that_is_taken(good: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        done = retrograde("replay", str(good), "--port", str(port))
    assert done.returncode == EXIT_CANNOT
    assert f"gdb can't be served on port {port}: " in _said(done)


def test_without_gdb(good: Path, tmp_path: Path) -> None:
    done = retrograde("replay", str(good), env={"PATH": str(tmp_path)})
    assert done.returncode == EXIT_CANNOT
    assert "gdb is not installed" in _said(done)


def test_no_recording(tmp_path: Path) -> None:
    done = retrograde("replay", str(tmp_path / "nothing"))
    assert done.returncode == EXIT_USAGE
    assert "nothing" in _said(done)
    (tmp_path / "folder").mkdir()
    done = retrograde("replay", "--check", str(tmp_path / "folder"))
    assert "folder" in _said(done)
    assert done.returncode != EXIT_DONE


@pytest.mark.parametrize(
    "members",
    [
        {"replay": "yes"},
        {"replay": {"cpu": "first"}},
        {"cpu": 5},
        {"cpu": {"features": None, "model": 7}},
        {"arch": 5},
        {"grade": ["replay"]},
        {"command": 1, "cwd": 7},
    ],
    ids=str,
)
def test_forged_information(altered: Altered, tmp_path: Path, members: dict[str, Any]) -> None:
    """Whoever forged a recording may have put anything there."""
    altered.change_info(**members)
    done = retrograde("replay", "--check", str(altered.write(tmp_path / "forged")))
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode in (EXIT_DONE, EXIT_CANNOT)
