"""What `retrograde read` shows of recordings."""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path

import pytest

from retrograde.cli import main
from retrograde.events import EventFlag
from retrograde.syscalls import load
from tests.support.recording_writer import (
    ARGV,
    BOOTTIME,
    COMM,
    DATA,
    ENTER,
    EXEC,
    EXIT,
    FAULT,
    FILENAME,
    FORK,
    IN,
    NESTED,
    OUT,
    REALTIME,
    SIGNAL,
    Memory,
    RecordingWriter,
    Row,
)

TABLE = load("x86_64")
NR = {name: call.number for name, call in TABLE.by_name.items()}
CWD = 0xFFFFFF9C
SNAPSHOT = {
    "/proc/1000/stat": b"1000 (my cat) R 1 1000 1000 0 -1",
    "/proc/1000/comm": b"my cat\n",
    "/proc/1000/cwd": b"/work",
    "/proc/1000/fd/0": b"/dev/pts/0",
    "/proc/1000/fd/3": b"socket:[77]",
    "/proc/1000/net/tcp": b"sl local rem st\n 0: 0100007F:1F90 0200007F:0050 01 0:0 0:0 0 0 0 77 1\n",
}


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


def record(folder: Path, *batches: list[Row], complete: bool = True, lost: int = 0) -> str:
    writer = RecordingWriter(folder / "rec", snapshot=SNAPSHOT)
    for rows in batches:
        writer.events(rows)
    if lost:
        writer.loss(lost)
    if complete:
        writer.end()
    return str(folder / "rec")


def read(capsysbinary: pytest.CaptureFixture[bytes], *words: str, expect: int = 0) -> list[str]:
    assert main(["read", *words]) == expect
    return capsysbinary.readouterr().out.decode().splitlines()


def infos(lines: list[str]) -> list[str]:
    """What stands behind the direction."""
    return [line.split(" < ", 1)[-1].split(" > ", 1)[-1] for line in lines]


def opened(name: bytes, number: int, **options: int) -> Row:
    memory = [Memory(1, name + b"\0", flags=IN)]
    return Row(NR["openat"], number, (CWD, 0x7F00, 0x80000, 0), memory, **options)


def test_a_line_has_number_time_cpu_thread_and_every_argument(tmp_path, capsysbinary):
    name = record(tmp_path, [Row(NR["read"], 2, (0, 0x7F00, 99), [Memory(1, b"a\n")], exit=BOOTTIME + 5, cpu=1)])
    assert read(capsysbinary, name) == [
        "0 22:13:20.000000005 1 my cat (1000) < read res=2 fd=0(<f>/dev/pts/0) buf=a. count=99"
    ]


def test_an_opened_file_is_named_until_it_is_closed(tmp_path, capsysbinary):
    rows = [
        opened(b"sub/./x", 5),
        Row(NR["close"], 0, (5,)),
        Row(NR["close"], -9, (5,)),
    ]
    assert infos(read(capsysbinary, record(tmp_path, rows))) == [
        "openat fd=5(<f>/work/sub/x) dirfd=-100(AT_FDCWD) pathname=sub/./x flags=0x80000(O_RDONLY|O_CLOEXEC) mode=0",
        "close res=0 fd=5(<f>/work/sub/x)",
        "close res=-9(EBADF) fd=5",
    ]


def test_a_name_that_is_no_utf8_is_escaped_and_cannot_break_the_line(tmp_path, capsysbinary):
    lines = read(capsysbinary, record(tmp_path, [opened(b"/a\xff\nb\x1b", 5)]))
    assert infos(lines)[0].startswith(
        "openat fd=5(<f>/a\\xff\\nb\\x1b) dirfd=-100(AT_FDCWD) pathname=/a\\xff\\nb\\x1b "
    )


def test_json_holds_such_a_name_too(tmp_path, capsysbinary):
    name = record(tmp_path, [opened(b"/a\xff", 5)])
    found = json.loads(read(capsysbinary, name, "--json")[0])
    assert found["fd.name"] == "/a\\xff"
    assert found["evt.args"]["fd"] == "5(<f>/a\\xff)"


def test_memory_that_could_not_be_read_is_a_fault_and_never_empty(tmp_path, capsysbinary):
    rows = [
        Row(NR["openat"], 5, (CWD, 0x7F00, 0, 0), [Memory(1, b"", flags=IN | FAULT)], flags=2),
        Row(NR["read"], -14, (0, 0xBAD, 1)),
        Row(NR["read"], -14, (0, 0, 1)),
    ]
    lines = infos(read(capsysbinary, record(tmp_path, rows)))
    assert "pathname=0x7f00(<fault>) " in lines[0]
    assert lines[1:] == [
        "read res=-14(EFAULT) fd=0(<f>/dev/pts/0) buf=0xbad count=1",
        "read res=-14(EFAULT) fd=0(<f>/dev/pts/0) buf=NULL count=1",
    ]


def test_a_cut_payload_is_marked(tmp_path, capsysbinary):
    rows = [
        Row(NR["read"], 5000, (0, 0x7F00, 9999), [Memory(1, b"abc", full_length=5000)]),
        Row(NR["read"], 100, (0, 0x7F00, 9999), [Memory(1, b"x" * 100)]),
    ]
    lines = infos(read(capsysbinary, record(tmp_path, rows)))
    assert " buf=abc… " in lines[0]
    assert f" buf={'x' * 80}… " in lines[1]


def test_an_unknown_number_and_a_32_bit_call_are_named_as_such(tmp_path, capsysbinary):
    rows = [Row(999, -38, (1, 0x10)), Row(5, 3, (0x8048000,), flags=1), Row(-7, 0), Row(70000, 0)]
    lines = infos(read(capsysbinary, record(tmp_path, rows)))
    zeros = "arg2=0x0 arg3=0x0 arg4=0x0 arg5=0x0"
    assert lines[0] == f"unknown(999) res=-38(ENOSYS) arg0=0x1 arg1=0x10 {zeros}"
    assert lines[1] == f"open res=3 abi=i386 arg0=0x8048000 arg1=0x0 {zeros}"
    assert lines[2].startswith("unknown(-7) res=0 ")
    assert lines[3].startswith("unknown(70000) res=0 ")


def test_a_process_that_was_never_heard_of_has_no_name(tmp_path, capsysbinary):
    lines = read(capsysbinary, record(tmp_path, [Row(NR["getpid"], 4321, pid=4321)]))
    assert lines == ["0 22:13:20.000000000 0 <NA> (4321) < getpid res=4321"]


def test_fork_exec_and_exit(tmp_path, capsysbinary):
    rows = [
        Row(-1, 0, (1000, 1000, 0, 0), [Memory(COMM, b"my cat\0")], kind=FORK, pid=1001),
        Row(NR["fork"], 1001),
        Row(
            -1, 0, (1001, 0, 0, 0),
            [Memory(FILENAME, b"./ls\0"), Memory(ARGV, b"ls\0-l\0"), Memory(COMM, b"ls\0")], kind=EXEC, pid=1001,
        ),
        Row(NR["execve"], 0, (0x1, 0x2, 0), pid=1001),
        Row(NR["exit_group"], 0, (3,), kind=ENTER, pid=1001),
        Row(-1, 3 << 8, (1,), kind=EXIT, pid=1001),
        Row(17, 0, (1, 1001, 0), kind=SIGNAL),
        Row(NR["getpid"], 1001, pid=1001),
    ]  # fmt: skip
    lines = read(capsysbinary, record(tmp_path, rows))
    assert [line.split(" 0 ", 1)[1] for line in lines] == [
        "my cat (1001) < clone res=0 ptid=1000 ppid=1000(my cat) uid=0(root) gid=0(root)",
        "my cat (1000) < fork res=1001(my cat)",
        "ls (1001) < procexec filename=./ls args=ls -l cwd=/work uid=0(root) gid=0(root)",
        "ls (1001) < execve res=0 pathname=./ls argv=[ls, -l] envp=NULL",
        "ls (1001) > exit_group status=3",
        "ls (1001) < procexit status=768(exited 3) ended=process",
        "my cat (1000) < signaldeliver sig=17(SIGCHLD) code=1(CLD_EXITED) pid=1001 uid=0 handler=SIG_DFL",
        "<NA> (1001) < getpid res=1001(<NA>)".replace("(<NA>)", ""),
    ]


def test_sockets_show_both_ends_the_client_first(tmp_path, capsysbinary):
    address = struct.pack("<H", 2) + struct.pack(">H", 80) + bytes([10, 0, 0, 1]) + bytes(8)
    rows = [
        Row(NR["read"], -11, (3, 0x7F00, 1)),
        Row(NR["socket"], 4, (2, 1, 0)),
        Row(NR["connect"], -115, (4, 0x7F00, 16), [Memory(1, address, flags=IN)]),
    ]
    lines = infos(read(capsysbinary, record(tmp_path, rows)))
    assert lines[0].startswith("read res=-11(EAGAIN) fd=3(<4t>127.0.0.1:8080->127.0.0.2:80) ")
    assert lines[2].startswith("connect res=-115(EINPROGRESS) sockfd=4(<4t>->10.0.0.1:80) addr=10.0.0.1:80 addrlen=16")


def test_strace_lines(tmp_path, capsysbinary):
    rows = [
        opened(b'/a"b', 5, duration=1500),
        opened(b"/none", -2),
        Row(NR["read"], 3, (5, 0x7F00, 9), [Memory(1, b"\x001\n")]),
        Row(11, 0, (1, 0, 0, 0xBAD), kind=SIGNAL),
        Row(NR["exit_group"], 0, (0,), kind=ENTER),
        Row(-1, 139, (1,), kind=EXIT),
    ]
    assert read(capsysbinary, record(tmp_path, rows), "--strace", "--latency") == [
        '1000 openat(AT_FDCWD, "/a\\"b", O_RDONLY|O_CLOEXEC, 0) = 5</a"b> <0.000001500>',
        '1000 openat(AT_FDCWD, "/none", O_RDONLY|O_CLOEXEC, 0) = -1 ENOENT (No such file or directory) <0.000001000>',
        '1000 read(5</a"b>, "\\0001\\n", 9) = 3 <0.000001000>',
        "1000 --- SIGSEGV {si_signo=SIGSEGV, si_code=1(SEGV_MAPERR), si_addr=0xbad} ---",
        "1000 exit_group(0) = ?",
        "1000 +++ killed by SIGSEGV core dumped +++",
    ]


@pytest.mark.parametrize("colour", ["never", "always"])
def test_strace_shows_a_32_bit_fork_once(tmp_path, capsysbinary, colour):
    fork, getpid = (TABLE.numbers_of(name)["i386"] for name in ("fork", "getpid"))
    rows = [
        Row(fork, 0, pid=1001, flags=EventFlag.COMPAT),
        Row(fork, 1001, flags=EventFlag.COMPAT),
        Row(fork, 0, kind=ENTER, flags=EventFlag.COMPAT),
        Row(getpid, 0, flags=EventFlag.COMPAT),
    ]
    lines = read(capsysbinary, record(tmp_path, rows), "--strace", "--color", colour)
    assert [re.sub(r"\x1b\[[0-9;]*m|\(.*\)", "", line) for line in lines] == [
        "1000 /* 32-bit */ fork = 1001",
        "1000 /* 32-bit */ fork = ?",
        "1000 /* 32-bit */ getpid = 0",
    ]


def test_formats(tmp_path, capsysbinary):
    name = record(tmp_path, [Row(NR["getpid"], 1000), opened(b"/x", 5)])
    assert read(capsysbinary, name, "-p", "%evt.num %fd.name 100%%") == ["1 /x 100%"]
    assert read(capsysbinary, name, "-p", "*%5evt.num|%3evt.type|%fd.name") == ["0    |get|<NA>", "1    |ope|/x"]
    assert [json.loads(line) for line in read(capsysbinary, name, "--json", "-p", "%evt.num %fd.name")] == [
        {"evt.num": 0},
        {"evt.num": 1, "fd.name": "/x"},
    ]


def test_the_default_format_is_the_default_line(tmp_path, capsysbinary):
    from retrograde.printer.defaults import DEFAULT_FORMAT

    name = record(tmp_path, [opened(b"/x", 5), Row(NR["close"], 0, (5,)), Row(NR["read"], -9, (77, 0, 1))])
    assert read(capsysbinary, name, "-p", DEFAULT_FORMAT) == read(capsysbinary, name)


@pytest.mark.parametrize(
    ("letter", "shown"),
    [
        ("h", ["22:13:20.000000000", "22:13:21.500000000"]),
        ("a", [f"{REALTIME // 10**9}.000000000", f"{REALTIME // 10**9 + 1}.500000000"]),
        ("r", ["0.000000000", "1.500000000"]),
        ("d", ["0.000001000", "0.000002000"]),
        ("D", ["0.000000000", "1.500000000"]),
    ],
)
@pytest.mark.parametrize("way", [(), ("evt.type = getpid",)])
def test_times(tmp_path, capsysbinary, letter, shown, way):
    rows = [Row(NR["getpid"], 1), Row(NR["getpid"], 1, exit=BOOTTIME + 1_500_000_000, duration=2000)]
    lines = read(capsysbinary, record(tmp_path, rows), *way, "-t", letter)
    assert [line.split()[1] for line in lines] == shown


def test_enter_lines_stand_where_calls_began_even_blocks_before(tmp_path, capsysbinary):
    slow = Row(NR["read"], 1, (0, 0x7F00, 1), [Memory(1, b"k")], exit=BOOTTIME + 900, duration=850, tid=1002)
    batches = [
        [Row(NR["getpid"], 7, exit=BOOTTIME + 10, duration=5), Row(NR["getpid"], 7, exit=BOOTTIME + 100, duration=5)],
        [Row(NR["getpid"], 7, exit=BOOTTIME + 800, duration=5), slow],
    ]
    lines = read(capsysbinary, record(tmp_path, *batches), "--enter", "-t", "r")
    assert [(line.split()[0], line.split(") ", 1)[1]) for line in lines if "read" in line or "> getpid" in line][
        :3
    ] == [
        ("0", "> getpid"),
        ("3", "> read fd=0(<f>/dev/pts/0) buf=0x7f00 count=1"),
        ("1", "> getpid"),
    ]
    assert lines[-1].endswith("< read res=1 fd=0(<f>/dev/pts/0) buf=k count=1")


def test_an_event_continued_in_the_next_block_is_one_line_in_its_place(tmp_path, capsysbinary):
    address = struct.pack("<H", 2) + struct.pack(">H", 53) + bytes([10, 0, 0, 1]) + bytes(8)
    first = Row(NR["recvfrom"], 3, (3, 0x7F00, 9, 0, 0x7E00, 0x7D00), [Memory(1, b"abc")], flags=4)
    rest = Row(NR["recvfrom"], 0, (), [Memory(4, address)], kind=DATA)
    lines = infos(read(capsysbinary, record(tmp_path, [first, Row(NR["getpid"], 1, tid=1009)], [rest])))
    assert len(lines) == 2
    assert "buf=abc " in lines[0]
    assert " src_addr=10.0.0.1:53 " in lines[0]
    assert lines[1].startswith("getpid")


def test_filter_alone_means_the_latest_recording(tmp_path, capsysbinary, monkeypatch):
    monkeypatch.setenv("RETROGRADE_DIR", str(tmp_path))
    record(tmp_path, [Row(NR["getpid"], 1), opened(b"/none", -2)])
    assert [line.split()[0] for line in read(capsysbinary, "evt.failed = true")] == ["1"]


def test_filtered_lines_are_the_same_as_unfiltered_ones(tmp_path, capsysbinary):
    rows = [opened(b"/x", 5), Row(NR["read"], 0, (5, 0, 1)), Row(NR["close"], 0, (5,)), Row(NR["read"], -9, (5, 0, 1))]
    name = record(tmp_path, rows)
    everything = read(capsysbinary, name)
    assert read(capsysbinary, name, "evt.type = read") == [everything[1], everything[3]]
    assert read(capsysbinary, name, "-n", "2") == everything[:2]
    assert read(capsysbinary, name, "--latency", "evt.type = read")[0] == everything[1] + " latency=1000ns"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("-p", "%proc.nam"), "  %proc.nam\n   ^~~~~~~~\ndid you mean proc.name?"),
        (("-p", "100%"), "  100%\n     ^\n"),
        (("--json", "--strace"), "--json and --strace exclude each other"),
        (("evt.typ = read",), "did you mean evt.type"),
    ],
)
def test_wrong_words_get_a_caret_and_exit_2(tmp_path, capsysbinary, words, message):
    name = record(tmp_path, [Row(NR["getpid"], 1)])
    assert main(["read", name, *words]) == 2
    assert message in capsysbinary.readouterr().err.decode()


def test_what_is_missing_is_said_once_on_stderr(tmp_path, capsysbinary):
    name = record(tmp_path, [Row(NR["getpid"], 1)], complete=False, lost=7)
    assert main(["read", name]) == 0
    out, err = capsysbinary.readouterr()
    assert len(out.splitlines()) == 1
    assert err.decode().count("7 events were lost by the capture") == 1
    assert "(read 7)" in err.decode()
    assert "cut off" in err.decode()


def test_colours_only_when_asked_for(tmp_path, capsysbinary):
    name = record(tmp_path, [opened(b"/none", -2)])
    assert "\033" not in read(capsysbinary, name)[0]
    coloured = read(capsysbinary, name, "--color", "always")[0]
    assert "\033[31mfd=-2(ENOENT)\033[0m" in coloured


def test_passed_descriptors_keep_their_name(tmp_path, capsysbinary):
    control = struct.pack("<QiiI", 20, 1, 1, 0) + bytes(4)
    received = struct.pack("<QiiI", 20, 1, 1, 9) + bytes(4)
    header = struct.pack("<QIIQQQQII", 0, 0, 0, 0x100, 1, 0x200, 24, 0, 0)
    vector = struct.pack("<QQ", 0x300, 4)

    def message(name: str, result: int, body: bytes, flags: int) -> Row:
        memory = [
            Memory(1, header, flags=flags, address=0x50),
            Memory(1, vector, flags=IN | NESTED, address=0x100),
            Memory(1, b"x", flags=flags | NESTED, address=0x300),
            Memory(1, body, flags=flags | NESTED, address=0x200),
        ]
        return Row(NR[name], result, (3, 0x50, 0), memory)

    rows = [message("sendmsg", 1, control, IN), message("recvmsg", 1, received, OUT), Row(NR["read"], 0, (9, 0, 1))]
    lines = infos(read(capsysbinary, record(tmp_path, rows)))
    assert "msg_iov=x, msg_control=[SCM_RIGHTS 0(<f>/dev/pts/0)]" in lines[0]
    assert "msg_control=[SCM_RIGHTS 9(<f>/dev/pts/0)]" in lines[1]
    assert lines[2].startswith("read res=0 fd=9(<f>/dev/pts/0)")
