"""Checksums of memory, at record and replay."""

from __future__ import annotations

import platform
import re
from pathlib import Path

import pytest

from retrograde.errors import EXIT_DIVERGED, EXIT_DONE, EXIT_USAGE
from tests.support.altered import Altered
from tests.support.capturing import capture
from tests.support.commands import compiled, retrograde
from tests.support.replay_programs import build, missing_compiler, programs

ARCH = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
PROGRAMS = (
    "dynamic_loading",
    "fork_tree",
    "generated_code",
    "heap_growth",
    "segv_on_alternate_stack",
    "shared_memory_file",
    "signal_alternate_stack",
    "threads_condition",
    "threads_many",
    "timer_in_library",
)
# They may be over before the first checksum.
SHORT = {"generated_code", "segv_on_alternate_stack", "shared_memory_file"}
UNREAD = 8192

pytest.importorskip("retrograde.replay._core", reason="the replayer's Python module is not built", exc_type=ImportError)


@pytest.fixture(params=["ebpf", "ptrace"])
def backend(request: pytest.FixtureRequest) -> str:
    """Each back end: eBPF's needs root."""
    if request.param == "ebpf":
        request.getfixturevalue("as_root")
    return str(request.param)


def _record(capture_program: Path, folder: Path, backend: str, program: Path, *options: str) -> Path:
    capture(capture_program, folder, "--backend", backend, "--grade", "replay", *options, "--", str(program))
    return folder


@pytest.mark.parametrize("name", PROGRAMS)
def test_memory_is_as_it_was(
    name: str, backend: str, capture_program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if (compiler := missing_compiler(ARCH)) is not None:
        pytest.skip(f"not installed: {compiler}")
    (program,) = (program for program in programs(ARCH) if program.name == name)
    build(ARCH, [program])
    monkeypatch.chdir(tmp_path)
    recording = _record(
        capture_program, tmp_path / "recording", backend, program.executable(ARCH), "--checksum-interval", "1ms"
    )
    done = retrograde("replay", "--check", "--checksums", "--quiet", str(recording))
    assert done.returncode == EXIT_DONE, done.stderr
    compared = re.search(r"([\d,]+) times the memory, in [\d.]+ s, no divergence", done.stderr)
    assert compared is not None, done.stderr
    assert int(compared[1].replace(",", "")) > 0 or name in SHORT


@pytest.fixture
def other_byte(backend: str, capture_program: Path, tmp_path: Path) -> Path:
    """A recording in which the program gets another byte than it got, and does not look at it."""
    program = compiled("unread", tmp_path)
    good = _record(capture_program, tmp_path / "good", backend, program, "--checksum-interval", "1ms")
    altered = Altered.of(good)
    (read,) = (piece for row in altered.rows if row.kind == 1 for piece in row.memory if len(piece.data) == UNREAD)
    read.data = read.data[:5000] + bytes([read.data[5000] ^ 1]) + read.data[5001:]
    return altered.write(tmp_path / "altered")


def test_a_byte_that_no_event_shows(other_byte: Path) -> None:
    done = retrograde("replay", "--check", str(other_byte))
    assert done.returncode == EXIT_DONE, done.stderr
    done = retrograde("replay", "--check", "--checksums", str(other_byte))
    assert done.returncode == EXIT_DIVERGED, done.stderr
    assert re.search(r"its memory is not as it was: of \d+ pages, 1 have another", done.stderr)


def test_without_checksums_there_is_nothing_to_compare(capture_program: Path, tmp_path: Path) -> None:
    recording = _record(capture_program, tmp_path / "without", "ptrace", Path("/bin/true"))
    done = retrograde("replay", "--check", "--checksums", str(recording))
    assert done.returncode == EXIT_USAGE
    assert "has no checksums of its programs' memory" in done.stderr
    assert "retrograde record --checksums -- COMMAND" in done.stderr
    assert retrograde("replay", "--checksums", str(recording)).returncode == EXIT_USAGE


def test_the_interval_and_what_it_goes_with(tmp_path: Path) -> None:
    refused = retrograde("record", "--checksums", "--last", "1M", "-o", str(tmp_path / "r"), "--", "true")
    assert refused.returncode == EXIT_USAGE
    assert "--checksums are for replays" in refused.stderr
    refused = retrograde("record", "--checksum-interval", "often", "-o", str(tmp_path / "r"), "--", "true")
    assert refused.returncode == EXIT_USAGE
    assert "--checksum-interval often: needed is a time" in refused.stderr
