"""`retrograde syscalls`."""

from __future__ import annotations

import json

import pytest

from retrograde.cli import main


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(["syscalls", *words])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "--arch", "x86_64")
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert len(lines) >= 371
    assert lines[0] == "   0   read(fd: fd, buf: out payload bytes[ret <= count], count: size) -> ssize"
    assert any(line.startswith(" 101 ! ptrace(") for line in lines)


def test_one_call(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "openat", "--arch", "arm64")
    assert code == 0
    for part in (
        "openat(dirfd: dirfd, pathname: in path,",
        "x86-64 257, arm64 56, i386 295",
        "O_DIRECTORY",
        "0x4000\n",
        "errno",
    ):
        assert part in out
    _, out, _ = run(capsys, "openat", "--arch", "x86_64")
    assert "O_DIRECTORY" in out
    assert "0x10000\n" in out


def test_a_call_with_commands_and_structures(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "fcntl", "--arch", "x86_64")
    assert "by command" in out
    assert "F_SETLK" in out
    assert "struct flock (32 bytes, aligned to 8)" in out
    _, out, _ = run(capsys, "fcntl$F_SETLK")
    assert out.startswith("fcntl$F_SETLK(")


def test_numbers_sets_and_structures_have_a_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "63", "--arch", "arm64")[1].startswith("read(")
    assert "ENOENT" in run(capsys, "errno")[1]
    assert run(capsys, "timespec")[1].startswith("struct timespec (16 bytes")


def test_a_call_that_only_the_other_architecture_has(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "stat")[0] == 0
    code, out, err = run(capsys, "open", "--arch", "arm64")
    assert (code, out) == (2, "")
    assert "x86_64 (2)" in err


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("opnat", "did you mean openat?"),
        ("fcntl$F_SETLX", "did you mean fcntl$F_SETL"),
        ("9999", "has no system call 9999"),
        ("_llseek", "i386 (140)"),
        ("zzzzzz", "`retrograde syscalls` lists the calls"),
        ("", "there is no system call"),
    ],
)
def test_unknown_names(capsys: pytest.CaptureFixture[str], name: str, hint: str) -> None:
    code, out, err = run(capsys, name, "--arch", "x86_64")
    assert (code, out) == (2, "")
    assert hint in err


def test_coverage(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--coverage", "--json")
    counts = json.loads(out)
    assert code == 0
    assert set(counts) == {"x86_64", "arm64"}
    for count in counts.values():
        assert count["total"] == count["regular"] + count["irregular"] + count["unsupported"]
        assert len(count["irregular_calls"]) == count["irregular"]
    _, out, _ = run(capsys, "--coverage", "--arch", "arm64")
    assert out.split()[:4] == ["total", "regular", "irregular", "unsupported"]
    assert "x86_64" not in out


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    read = json.loads(run(capsys, "read", "--json", "--arch", "x86_64")[1])
    assert read["params"][1]["direction"] == "out"
    assert read["numbers"]["arm64"] == 63
    everything = json.loads(run(capsys, "--json", "--arch", "x86_64")[1])
    assert [call["number"] for call in everything] == sorted(call["number"] for call in everything)
    assert json.loads(run(capsys, "timespec", "--json")[1])["size"] == 16
    assert json.loads(run(capsys, "errno", "--json")[1])["values"]["EPERM"] == 1


def test_the_reference_page_has_every_call(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--markdown")
    assert code == 0
    headings = {line.removeprefix("### ") for line in out.splitlines() if line.startswith("### ")}
    assert {"read", "openat", "stat", "open_flags", "timespec"} <= headings
    assert "total" in out


@pytest.mark.parametrize("words", [("read", "--coverage"), ("--coverage", "--markdown"), ("--markdown", "--json")])
def test_what_does_not_go_together(capsys: pytest.CaptureFixture[str], words: tuple[str, ...]) -> None:
    assert run(capsys, *words)[0] == 2
