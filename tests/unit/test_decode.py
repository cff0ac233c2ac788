"""Names for raw numbers in other tools' logs."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrograde.cli import main
from retrograde.decode import Decoder, annotate, user_pattern
from retrograde.errors import SyntaxUsageError

HOOK = "[  207.532130] [my_sysdig:] call syscall 0x122bbec0, 2: 0x3f, 3:0x8d66090"


@pytest.mark.parametrize(
    ("arch", "line", "text"),
    [
        ("arm64", HOOK, "read"),
        ("x86_64", HOOK, "uname"),
        ("arm64", "dd-1 [001] .... 12.3: sys_enter: NR 63 (3, 7ffe0000, 40, 0, 0, 0)",
         "read(fd=0x3, buf=0x7ffe0000, count=0x40)"),
        ("x86_64", "dd-1 [001] .... 12.3: sys_enter: NR 0 (3, 7ffe0000, 10, 0, 0, 0)",
         "read(fd=0x3, buf=0x7ffe0000, count=0x10)"),
        ("arm64", "dd-1 [001] .... 12.3: sys_exit: NR 63 = 64", "read"),
        ("arm64", "type=SYSCALL msg=audit(1.2:3): arch=c000003e syscall=2 success=no a0=7fff a1=0 a2=1b6 a3=a items=1",
         "open(pathname=0x7fff, flags=0x0, mode=0x1b6)"),
        ("x86_64", "audit: type=1326 audit(1.1:5): sig=31 arch=c00000b7 syscall=63 compat=0 ip=0xff", "read"),
        ("arm64", "audit: type=1326 audit(1.1:5): sig=31 arch=40000003 syscall=5 compat=1 ip=0xf", "open (i386)"),
        ("x86_64", "type=SECCOMP msg=audit(1.1:5): arch=aarch64 syscall=56 compat=0", "openat"),
        ("arm64", "audit: syscall=63", "read"),
        ("x86_64", "my filter denied syscall 257", "openat"),
        ("arm64", "syscall nr 4000 refused", "unknown arm64 system call 4000"),
        ("x86_64", "audit: type=1326 arch=40000003 syscall=4000", "unknown i386 system call 4000"),
    ],
)  # fmt: skip
def test_a_line_gets_the_name(arch: str, line: str, text: str) -> None:
    matches = Decoder(arch).matches(line)
    assert [match.text for match in matches] == [text]
    assert annotate(line, matches) == f"{line}  # {text}"


@pytest.mark.parametrize(
    "line",
    ["", "nothing here", "kernel: usb 1-1: new device 63", "the syscall table has 63, perhaps", "sys_enter: none"],
)
def test_other_lines_stay_as_they_are(line: str) -> None:
    assert Decoder("arm64").matches(line) == []
    assert annotate(line, []) == line


def test_the_variant_gives_the_arguments_their_names() -> None:
    (match,) = Decoder("x86_64").matches("x: sys_enter: NR 72 (3, 6, 7ffe0000, 0, 0, 0)")
    assert match.name == "fcntl"
    assert [name for name, _ in match.arguments][:2] == ["fd", "cmd"]


def test_a_pattern_of_the_users_own_comes_first() -> None:
    pattern = user_pattern(r"call<(?P<nr>\w+)>(?: with (?P<args>.*))?")
    decoder = Decoder("arm64", (pattern,))
    assert decoder.matches("call<0x3f> with 3, 0x10, 20")[0].text == "read(fd=0x3, buf=0x10, count=0x14)"
    assert decoder.matches("call<63>, syscall 64")[0].text == "read"
    assert decoder.matches("syscall 64")[0].text == "write"
    assert decoder.matches("call<zz>") == []


@pytest.mark.parametrize("text", ["(", "no group", "(?P<nr>"])
def test_a_wrong_pattern_is_shown(text: str) -> None:
    with pytest.raises(SyntaxUsageError):
        user_pattern(text)
    assert main(["decode", "--pattern", text]) == 2


@given(
    st.one_of(st.text(max_size=200), st.from_regex(r"(sys_enter: NR|syscall=|syscall) ?-?(0x)?[0-9a-f]{1,20}.{0,40}"))
)
def test_no_line_is_too_strange(line: str) -> None:
    decoder = Decoder("x86_64", (user_pattern(r"(?P<nr>\S+) (?P<args>.*)"),))
    assert annotate(line, decoder.matches(line)).startswith(line)


# ---- the verb ----


def test_the_verb_reads_files_and_keeps_their_bytes(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"caf\xe9 syscall 63\n" + HOOK.encode() + b"\nlast line without end")
    assert main(["decode", "--arch", "arm64", str(log)]) == 0
    sys.stdout.flush()
    out = capfdbinary.readouterr().out
    assert out == b"caf\xe9 syscall 63  # read\n" + HOOK.encode() + b"  # read\nlast line without end\n"


def test_the_verb_reads_stdin_and_writes_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = f"no call\n{HOOK}\nsys_enter: NR 63 (3, 4, 5, 0, 0, 0)\n"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert main(["decode", "--arch", "aarch64", "--json"]) == 0
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first["line"] == HOOK
    assert first["calls"][0]["name"] == "read"
    assert second["calls"][0]["args"] == {"fd": 3, "buf": 4, "count": 5}


def test_a_file_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decode", "/nowhere/at/all"]) == 1
    assert "/nowhere/at/all: No such file" in capsys.readouterr().err
