"""The command line itself: what a wrong word brings, and output that cannot be written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from retrograde.cli import VERBS, main
from tests.support.recording_writer import RecordingWriter, simple_rows


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["raed"], ["retrograde raed", "           ^~~~", "did you mean `retrograde read`?"]),
        (["xyzzy"], ["retrograde xyzzy", "           ^~~~~", "`retrograde --help` lists them"]),
        (["read", "--stracee"], ["retrograde read --stracee", "                ^~~~~~~~~", "did you mean --strace?"]),
        (
            ["record", "--bakend=x"],
            ["retrograde record --bakend", "                  ^~~~~~~~", "did you mean --backend?"],
        ),
        (
            ["export", "--json", "--outptu=x"],
            ["retrograde export --outptu", "                  ^~~~~~~~", "did you mean --output?"],
        ),
        (["trace", "--syscalls", "read,opnat"], ["read,opnat", "     ^~~~~", "did you mean openat?"]),
        (["record", "--syscalls", "opnat", "true"], ["opnat", "^~~~~", "did you mean openat?"]),
        (["syscalls", "opnat"], ["opnat", "^~~~~", "did you mean openat?"]),
        (["fields", "evt.tpye"], ["evt.tpye", "^~~~~~~~", "did you mean evt.type?"]),
        (["trace", "evt.tpye = open"], ["evt.tpye = open", "^~~~~~~~", "did you mean evt.type?"]),
        (["top", "evt.cpu contians 1"], ["evt.cpu contians 1", "        ^~~~~~~~", "did you mean contains?"]),
        (["trace", "evt.type = opnat"], ["evt.type = opnat", "           ^~~~~", "did you mean openat?"]),
    ],
)
def test_a_wrong_word_has_a_caret_and_the_nearest_right_one(
    capsys: pytest.CaptureFixture[str], words: list[str], shown: list[str]
) -> None:
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    text, caret, hint = shown
    assert err.splitlines()[-3:-1] == [f"  {text}", f"  {caret}"]
    assert hint in err.splitlines()[-1]


@pytest.fixture
def recording(tmp_path: Path) -> str:
    writer = RecordingWriter(tmp_path / "r")
    writer.events(simple_rows(30))
    writer.end()
    return str(writer.folder)


@pytest.mark.parametrize("words", [["read"], ["info"], ["export", "--json"]])
def test_a_full_disk_behind_stdout_is_said_without_a_traceback(recording: str, words: list[str]) -> None:
    command = [sys.executable, "-m", "retrograde", words[0], recording, *words[1:]]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.stderr == f"retrograde {words[0]}: the output cannot be written: No space left on device\n"
    assert done.returncode == 1


@pytest.mark.parametrize(
    "words",
    [["export", "--json", "-o"], ["export", "--parquet"], ["pack", "-o"]],
    ids=lambda words: " ".join(words[:2]),
)
def test_a_file_that_cannot_be_written_is_named(
    recording: str, words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a folder of /proc not even root makes a file."""
    output = "/proc/self/fdinfo/output"
    assert main([words[0], recording, *words[1:], output]) == 3
    assert f"{output}" in capsys.readouterr().err


def test_modules_of_a_verb_load_alone_and_leave_its_environment_as_it_was(recording: str) -> None:
    code = (
        "import gc, os, sys\n"
        "before = dict(os.environ)\n"
        "from retrograde.cli import main\n"
        "assert main(sys.argv[1:]) == 0\n"
        "assert dict(os.environ) == before\n"
        "assert gc.isenabled()\n"
        "needless = {'retrograde.filters', 'retrograde.fields', 'pyarrow', 'rich', 'socket', 'difflib'}\n"
        "print(sorted(needless & set(sys.modules)), file=sys.stderr)\n"
    )
    for variable in ({}, {"OPENBLAS_NUM_THREADS": "3"}):
        command = [sys.executable, "-c", code, "read", recording]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **variable})
        assert done.stderr == "[]\n"


@pytest.mark.parametrize("words", [["read", "--help"], ["--help"], ["--help", "read"], ["--version", "read"]])
def test_help_is_of_what_stands_before_it(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exited:
        main(words)
    assert exited.value.code == 0
    shown = capsys.readouterr().out
    assert ("usage: retrograde read" in shown) == (words[0] == "read")
    assert all(text in shown for text in VERBS.values()) == (words[0] == "--help")
