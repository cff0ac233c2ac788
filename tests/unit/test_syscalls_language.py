"""The parser of the syscall table: what it reads, and what it says of what it cannot read."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrograde.syscalls.check import main, problems_of
from retrograde.syscalls.definitions import SET_KEYWORDS, STRUCT_KEYWORDS, evaluate, index_definitions
from retrograde.syscalls.language import lines_of, parse_line
from retrograde.syscalls.model import NUMBERS, Term
from retrograde.syscalls.plan import LengthTerm, PlanError, plan_of, plans_of
from retrograde.syscalls.problems import MistakeError, Problem, TableError
from retrograde.syscalls.table import Table, read_sources

CONSTANTS = """\
# Comments may stand anywhere.
mixed open_flags mask 3 { O_RDONLY = 0, O_WRONLY = 1, O_RDWR = 2 } {
    O_CREAT = 0o100, O_CLOEXEC = 0o2000000,   # and here
    O_DIRECTORY @x86_64 = 0o200000, O_DIRECTORY @arm64 = 0o40000 }
enum fcntl_cmd { F_DUPFD = 0, F_GETLK = 5, F_SETLK = 6 }
flags poll_events:u16 { POLLIN = 1, POLLPRI = 1 << 1, POLLOUT = 4, BOTH = POLLIN | POLLOUT } zero NONE
mixed futex_op mask 0x7f { FUTEX_WAIT = 0, FUTEX_WAKE = 1 } { FUTEX_PRIVATE_FLAG = 128 }
enum at_fd:i32 { AT_FDCWD = -100 }
enum errno { EPERM = 1, ENOENT = 2 }
"""
STRUCTS = """\
struct pollfd { fd: fd, events: poll_events, revents: poll_events }
struct timespec { tv_sec: i64, tv_nsec: i64 }
struct flock { l_type: i16, l_whence: i16, l_start: i64, l_len: i64, l_pid: pid }
struct epoll_event @packed @x86_64 { events: u32, data: u64 }
struct epoll_event @arm64 { events: u32, data: u64 }
struct nested { when: timespec[2], name: string[5], pad[3], last: u8 }
union value { number: i32, pointer: addr }
struct sized { size: u32, more: u64 }
"""
CALLS = """\
read(fd: fd, buf: out payload bytes[ret <= count], count: size) -> ssize  @wait @io(read)   # a comment
openat(dirfd: dirfd, pathname: in path, flags: open_flags, mode: mode) -> fd
recvfrom(fd: fd, buf: out bytes[ret <= n], n: size, flags: u32, addr: out sockaddr[*len], len: inout i32) -> ssize
poll(fds: inout pollfd[nfds], nfds: ulong, timeout: i32) -> int
fcntl(fd: fd, cmd: fcntl_cmd, arg: ulong) -> int
fcntl$F_SETLK(fd: fd, cmd: const F_SETLK, arg: in flock) -> int
fcntl$F_GETLK(fd: fd, cmd: const F_GETLK, arg: inout flock) -> int
futex(uaddr: addr, op: futex_op, val: u32, timeout: in timespec) -> int
futex$FUTEX_WAKE(uaddr: addr, op: const FUTEX_WAKE, val: u32) -> int
select(nfds: int, inp: inout fdset[nfds]) -> int
stat(pathname: in path, statbuf: out bytes[144]) -> int @arch(x86_64)
msgrcv(msqid: ipcid, msgp: out bytes[ret + 8 <= sizeof(sized) * 2], msgsz: size) -> ssize
sched_setattr(pid: pid, attr: in sized(*attr), flags: uint) -> int
bpf(cmd: int, attr: in bytes[size], size: uint) -> int @irregular(bpf: says (more) than a line can)
ptrace(request: long, pid: pid) -> long @unsupported(one tracer)
exit_group(status: int) -> int @noreturn
"""


def write_table(folder: Path, calls: str = CALLS, constants: str = CONSTANTS, structs: str = STRUCTS) -> Path:
    numbers = Path(__file__).parents[2] / "src/retrograde/syscalls/data/numbers.tsv"
    (folder / "calls").mkdir()
    (folder / "calls/file.sys").write_text(calls)
    (folder / "constants.sys").write_text(constants)
    (folder / "structs.sys").write_text(structs)
    (folder / "numbers.tsv").write_text(numbers.read_text())
    return folder


def table_of(folder: Path, arch: str = "x86_64", **texts: str) -> Table:
    table = Table(arch, read_sources(str(write_table(folder, **texts))))
    assert table.problems == []
    return table


def problems(folder: Path, **texts: str) -> list[Problem]:
    """Return the problems other than those of calls that have no line."""
    found = problems_of(read_sources(str(write_table(folder, **texts))))
    return [problem for problem in found if problem.file != "numbers.tsv"]


def test_a_line(tmp_path: Path) -> None:
    line = table_of(tmp_path).by_name["read"]
    assert str(line) == "read(fd: fd, buf: out payload bytes[ret <= count], count: size) -> ssize"
    assert (line.number, line.category, line.waits, line.io, line.replay) == (0, "file", True, "read", "emulate")
    buffer = line.params[1]
    assert (buffer.direction, buffer.payload, buffer.always) == ("out", True, False)
    assert buffer.type.length is not None
    assert buffer.type.length.terms == (Term("ret", -1, 1), Term("arg", 2, 1))


def test_lengths(tmp_path: Path) -> None:
    table = table_of(tmp_path)

    def terms(name: str, index: int) -> tuple[Term, ...]:
        length = table.by_name[name].params[index].type.length
        assert length is not None
        return length.terms

    assert terms("recvfrom", 4) == (Term("deref", 5, 1),)
    assert terms("msgrcv", 1) == (Term("ret", -1, 1, 8), Term("const", -1, 32))
    assert terms("sched_setattr", 1) == (Term("deref", 1, 1),)
    assert table.by_name["sched_setattr"].params[1].type.in_bytes


def test_attributes(tmp_path: Path) -> None:
    names = table_of(tmp_path).by_name
    assert names["bpf"].irregular == ("bpf", "says (more) than a line can")
    assert names["ptrace"].unsupported == "one tracer"
    assert names["exit_group"].noreturn
    assert not names["read"].noreturn


def test_a_line_of_one_architecture(tmp_path: Path) -> None:
    sources = read_sources(str(write_table(tmp_path)))
    assert "stat" in Table("x86_64", sources).by_name
    assert "stat" not in Table("arm64", sources).by_name


def test_variants_are_chosen_by_their_command(tmp_path: Path) -> None:
    table = table_of(tmp_path)
    fcntl, futex = table.by_name["fcntl"].number, table.by_name["futex"].number

    def chosen(nr: int, command: int) -> str | None:
        line = table.choose(nr, (0, command, 0, 0, 0, 0))
        assert line is not None
        return line.variant

    assert chosen(fcntl, 6) == "F_SETLK"
    assert chosen(fcntl, 6 | 7 << 32) == "F_SETLK"
    assert chosen(fcntl, 7) is None
    assert chosen(futex, 1) == chosen(futex, 129) == chosen(futex, 1 | 256) == "FUTEX_WAKE"
    assert chosen(futex, 128) is None
    assert table.choose(500, (0,) * 6) is None


def test_sets_of_constants(tmp_path: Path) -> None:
    folder = write_table(tmp_path)
    sets = Table("x86_64", read_sources(str(folder))).constants
    assert sets["open_flags"].format(0o2000102) == "O_RDWR|O_CREAT|O_CLOEXEC"
    assert sets["open_flags"].format(0o100) == "O_RDONLY|O_CREAT"
    assert sets["open_flags"].format(3 | 0o40000) == "0x3|0x4000"
    assert sets["poll_events"].format(0) == "NONE"
    assert sets["poll_events"].format(5) == "BOTH"
    assert sets["poll_events"].format(7) == "POLLPRI|BOTH"
    assert sets["poll_events"].format(0x12) == "POLLPRI|0x10"
    assert sets["poll_events"].width == 2
    assert sets["fcntl_cmd"].format(77) == "0x4d"
    assert sets["at_fd"].format(0xFFFF_FF9C) == sets["at_fd"].format((1 << 64) - 100) == "AT_FDCWD"
    arm = Table("arm64", read_sources(str(folder))).constants["open_flags"]
    assert arm.values["O_DIRECTORY"] == 0o40000


def test_structures_are_aligned_as_c_does(tmp_path: Path) -> None:
    sources = read_sources(str(write_table(tmp_path)))
    structs = Table("x86_64", sources).structs
    assert (structs["flock"].size, structs["flock"].field("l_start").offset) == (32, 8)
    assert (structs["pollfd"].size, structs["pollfd"].alignment) == (8, 4)
    assert (structs["epoll_event"].size, Table("arm64", sources).structs["epoll_event"].size) == (12, 16)
    nested = structs["nested"]
    assert [(field.name, field.offset, field.size, field.count) for field in nested.fields] == [
        ("when", 0, 32, 2),
        ("name", 32, 5, 5),
        ("last", 40, 1, None),
    ]
    assert nested.size == 48
    assert (structs["value"].size, structs["value"].field("pointer").offset) == (8, 0)
    with pytest.raises(KeyError):
        nested.field("nothing")


def test_plans(tmp_path: Path) -> None:
    table = table_of(tmp_path)
    plans, variants = plans_of(table)

    def plan(name: str) -> object:
        return plans[table.by_name[name].number]

    read = plans[0]
    assert [(op.kind, op.arg, op.flags) for op in read.ops] == [("BYTES", 1, ("OUT", "PAYLOAD"))]
    assert read.ops[0].lengths == (LengthTerm("RET", 0, 1), LengthTerm("ARG", 2, 1))
    recvfrom = plans[table.by_name["recvfrom"].number]
    assert (recvfrom.flags, recvfrom.deref_arg) == (("DEREF",), 5)
    assert [op.lengths[0].kind for op in recvfrom.ops] == ["RET", "DEREF32", "CONST"]
    assert plans[table.by_name["poll"].number].ops[0].lengths == (LengthTerm("ARG", 1, 8),)
    assert plans[table.by_name["select"].number].ops[0].lengths == (LengthTerm("BITMAP_I32", 0, 1),)
    assert plans[table.by_name["msgrcv"].number].ops[0].lengths == (
        LengthTerm("RET", 0, 1, 8),
        LengthTerm("CONST", 0, 32),
    )
    fcntl = plans[table.by_name["fcntl"].number]
    assert ("VARIANTS" in fcntl.flags, fcntl.selector, fcntl.selector_mask) == (True, 1, 0xFFFF_FFFF)
    assert plans[table.by_name["futex"].number].selector_mask == 0x7F
    assert [(v.line.full_name, v.command) for v in variants if v.line.name == "fcntl"] == [
        ("fcntl$F_GETLK", 5),
        ("fcntl$F_SETLK", 6),
    ]
    assert "IRREGULAR" in plans[table.by_name["bpf"].number].flags


def test_a_plan_has_one_deref(tmp_path: Path) -> None:
    line = "recvfrom(a: out bytes[*b], b: inout i32, c: out bytes[*d], d: inout i32) -> int\n"
    table = table_of(tmp_path, calls=line)
    with pytest.raises(PlanError, match="depend on different memory"):
        plan_of(table, table.by_name["recvfrom"])


# A wrong line, the word under the caret, and a part of the message.
MISTAKES = [
    ("read(fd: fb) -> int", "fb", "unknown type fb"),
    ("read(fd: fd, buf: out bytes[ret <= cont], count: size) -> ssize", "cont", "no argument is called cont"),
    ("read(fd: fd, buf: out bytes, count: size) -> ssize", "bytes", "bytes needs a length"),
    ("read(fd: fd, buf: out path[4], count: size) -> ssize", "4", "path has no length"),
    ("read(fd: fd, buf: path) -> ssize", "path", "needs a direction"),
    ("read(fd: fd, buf always: i32) -> ssize", "buf always: i32", "not a parameter"),
    ("read(fd: fd, buf: out bytes[count * n], count: size, n: int) -> ssize", "n", "one argument at most"),
    (
        "read(fd: fd, buf: out bytes[*count], count: size) -> ssize",
        " buf: out bytes[*count]",
        "does not point to a number",
    ),
    (
        "read(fd: fd, buf: out bytes[count], count: inout i32) -> ssize",
        " buf: out bytes[count]",
        "is memory, no length",
    ),
    ("read(fd: fd, fd: int) -> ssize", "fd", "two parameters are called fd"),
    ("read(fd: fd, cmd: const F_SETLK) -> ssize", "F_SETLK", "only a line with a `$` variant"),
    ("read(a: int, b: int, c: int, d: int, e: int, f: int, g: int) -> int", " g: int", "at most six"),
    ("read(fd: fd) -> path", "path", "a result is a number"),
    ("read(fd: fd) -> int @wat", "@wat", "unknown attribute"),
    ("read(fd: fd) -> int @wait @wait", "@wait", "stands here twice"),
    ("read(fd: fd) -> int @irregular(reason)", "@irregular(reason)", "owner and reason"),
    ("read(fd: fd) -> int @arch(mips)", "@arch(mips)", "takes one of"),
    ("read(fd: fd) -> int wait", "wait", "expected an attribute"),
    ("read(fd: fd)", "", "expected '->'"),
    ("read(fd: fd -> int", "(", "never closed"),
    ("read -> int", "-", "expected '('"),
    ("reed(fd: fd) -> int", "reed", "no number"),
    ("open(pathname: in path) -> fd @arch(arm64)", "open", "no number on arm64"),
    ("fcntl$F_X(fd: fd) -> int", "fcntl", "no line fcntl without"),
]


@pytest.mark.parametrize(("text", "word", "message"), MISTAKES)
def test_mistakes_have_a_place(tmp_path: Path, text: str, word: str, message: str) -> None:
    found = problems(tmp_path, calls=f"\n{text}\n")
    assert len(found) == 1, found
    problem = found[0]
    assert (problem.file, problem.line, problem.text) == ("calls/file.sys", 2, text)
    assert message in problem.message
    marked = problem.text[problem.column : problem.column + problem.length]
    assert marked.startswith(word) or word == ""
    shown = str(problem).split("\n")
    assert shown[0].startswith("calls/file.sys:2: ")
    assert shown[2].index("^") - 2 == problem.column


def test_a_hint_names_the_nearest_word(tmp_path: Path) -> None:
    (problem,) = problems(
        tmp_path, calls="openat(dirfd: dirfd, pathname: in path, flags: open_flag, mode: mode) -> fd\n"
    )
    assert problem.hint == "did you mean open_flags?"


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        calls="read(fd: fb) -> int\nwrite(fd: fd) -> int\nwrite(fd: fd) -> int\n",
        constants="flags a { A = 1, A = 2 }\nenum b { B = C }\nflogs c { D = 1 }\nmixed d { E = 1 } { F = 2 }\n",
        structs="struct s { a: u8, a: u8 }\nstruct t { t: t }\nstruct u { x: nothing }\nstruct s { b: u8 }\n",
    )
    messages = [problem.message for problem in found]
    for part in (
        "unknown type fb",
        "write stands in calls/file.sys:2 already",
        "A stands here twice",
        "C has no value here",
        "expected a definition: flags or enum or mixed",
        "a mixed set has a mask",
        "two fields are called a",
        "t holds itself",
        "unknown type nothing",
        "s is defined in structs.sys:1 already",
    ):
        assert any(part in message for message in messages), (part, messages)


def test_check_prints_problems_and_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(write_table(tmp_path, calls="read(fd: fb) -> int\n"))]) == 1
    assert f"{tmp_path}/calls/file.sys:1: unknown type fb" in capsys.readouterr().out


def test_a_broken_definition_is_named_when_it_is_used(tmp_path: Path) -> None:
    table = table_of(tmp_path, constants=CONSTANTS + "enum broken { X = }\n")
    with pytest.raises(TableError, match=r"constants\.sys:10: expected `NAME = value`"):
        table.constants["broken"]


def test_a_broken_line_is_named_when_its_call_is_met_and_left_out_once_it_is_known(tmp_path: Path) -> None:
    calls = (
        CALLS.replace("fcntl(fd: fd", "fcntl(fd: fb")
        + "futex$FUTEX_WAIT(uaddr: addr, op: const FUTEX_WAIT, v: u23) -> int\n"
    )
    table = Table("x86_64", read_sources(str(write_table(tmp_path, calls=calls))))
    fcntl = table.numbers["fcntl"]
    with pytest.raises(TableError, match=r"calls/file\.sys:5: unknown type fb"):
        table.calls[fcntl]
    with pytest.raises(TableError, match="unknown type fb"):
        table.choose(fcntl, (0,) * 6)
    assert [line.variant for line in table.variants["futex"]] == ["FUTEX_WAKE"]
    messages = [problem.message for problem in table.problems if problem.file != "numbers.tsv"]
    assert sorted(messages) == sorted(
        ["unknown type fb", "unknown type u23", *["there is no line fcntl without `$`"] * 2]
    )
    assert fcntl not in table.calls
    assert "fcntl" not in table.by_name
    assert "fcntl" not in table.variants
    assert table.choose(fcntl, (0,) * 6) is None
    assert [line.name for line in table.by_name.values()] == [line.name for line in table.calls.values()]


@pytest.mark.parametrize(
    ("text", "value"),
    [("1 << 3 | 1", 9), ("-1", -1), ("~0 & 0xff", 255), ("(1 + 2) * 3", 9), ("A - 0o10", 2), ("7 - 2 - 1", 4)],
)
def test_values(text: str, value: int) -> None:
    assert evaluate(text, {"A": 10}.get) == value


@pytest.mark.parametrize("text", ["", "1 +", "(1", "1)", "A", "1 << 99", "08", "1 1", "$"])
def test_what_is_no_value(text: str) -> None:
    with pytest.raises(MistakeError):
        evaluate(text, lambda _: None)


@given(st.integers(-(2**63), 2**63), st.integers(0, 2**32), st.integers(0, 63))
def test_values_are_pythons(a: int, b: int, c: int) -> None:
    assert evaluate(f"({a} + {b}) * 3 | {b} << {c}", lambda _: None) == (a + b) * 3 | b << c


@given(st.text(max_size=60))
def test_any_text_is_a_line_or_a_mistake_within_it(text: str) -> None:
    for _, _, content in lines_of(text):
        offset = 0
        try:
            parse_line(content)
        except MistakeError as mistake:
            offset = mistake.offset
        assert 0 <= offset <= len(content)


WORDS = st.sampled_from(
    [*"()[]{}<>=@:,*#$", " ", "\n", "read", "fd", "in", "out", "always", "bytes", "ret", "sizeof", "->", "8", "@wait"]
)


@given(st.lists(WORDS, max_size=30).map("".join))
def test_any_words_are_read_or_told_of(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    folder = tmp_path_factory.mktemp("table")
    lines = text.split("\n")
    for problem in problems(folder, calls=text, constants=text, structs=text):
        assert 1 <= problem.line <= len(lines)
        assert problem.column <= len(lines[problem.line - 1])


@given(st.lists(WORDS, max_size=30).map("".join))
def test_any_words_can_be_indexed(text: str) -> None:
    found: list[Problem] = []
    for definition in index_definitions("x", text, (*SET_KEYWORDS, *STRUCT_KEYWORDS), found):
        assert text[definition.body] == "{"


NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)


@given(
    names=st.lists(NAMES, min_size=1, max_size=6, unique=True),
    types=st.lists(st.sampled_from(sorted(NUMBERS)), min_size=6, max_size=6),
    directions=st.lists(st.sampled_from(["", "in ", "out ", "inout always "]), min_size=6, max_size=6),
)
def test_a_line_is_printed_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], types: list[str], directions: list[str]
) -> None:
    params = ", ".join(f"{name}: {directions[i]}{types[i]}" for i, name in enumerate(names))
    text = f"read({params}) -> ssize"
    assert str(table_of(tmp_path_factory.mktemp("table"), calls=text).by_name["read"]) == text
