"""The filter language: grammar, messages, values, and columns that never contradict events."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrograde import filters
from retrograde.errors import SyntaxUsageError
from retrograde.events import Event, Kind
from retrograde.filters.columns import compare
from retrograde.filters.syntax import And, Comparison, Constant, Node, Not, Or, parse_tree
from retrograde.recording import Batch
from retrograde.state import Address, Context, Descriptor, Process
from retrograde.state.tracker import Tracker
from retrograde.syscalls import load
from tests.support.recording_writer import Row, events_payload

TABLE = load("x86_64")
CONTEXT = Context(realtime_offset=0)


def make_event(name: str = "openat", **members: object) -> Event:
    """Return a call of `nginx`, pid 7, that returned 3 after 1 ms."""
    syscall = TABLE.by_name[name]
    process = Process(7, 1, CONTEXT, name="nginx", exe="nginx", args=["-g", "daemon off;"])
    process.parent = Process(1, 0, CONTEXT, name="systemd")
    event = Event(5, Kind.SYSCALL, 0, 1, 7, 7, syscall.number, 1_000_000, 2_000_000, 3, (0,) * 6, [], syscall, process)
    for member, value in members.items():
        setattr(event, member, value)
    return event


def socket_event() -> Event:
    return make_event(
        "read",
        descriptor=Descriptor(
            3, "4", "10.0.0.1:40000->10.0.0.2:443", family="ipv4", protocol="tcp", local=Address("10.0.0.1", 40000),
            remote=Address("10.0.0.2", 443), server=False,
        ),
    )  # fmt: skip


def file_event(path: str) -> Event:
    return make_event("read", descriptor=Descriptor(3, "f", path))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("evt.type = openat", True),
        ("evt.type == openat", True),
        ("evt.type=openat", True),
        ("evt.type != openat", False),
        ("evt.type in (open, openat)", True),
        ("evt.type in (open,read)", False),
        ("not evt.type in (open, read)", True),
        ("evt.type = open or evt.type = openat and proc.pid = 8", False),
        ("(evt.type = open or evt.type = openat) and proc.pid = 7", True),
        ("evt.type = openat or evt.type = open and proc.pid = 8", True),
        ("not not evt.failed = false", True),
        ("evt.dir=<", True),
        ("evt.dir = '>'", False),
        ("evt.latency >= 1ms", True),
        ("evt.latency > 1ms", False),
        ("evt.latency > 0.999ms", True),
        ("evt.latency = 1000us and evt.latency = 1000000", True),
        ("evt.latency < 1s and evt.latency < 1m", True),
        ("evt.rawres = 0x3", True),
        ("evt.rawres > -1", True),
        ("proc.name startswith ngi and proc.name endswith nx", True),
        ("proc.name contains GIN", False),
        ("proc.name icontains GIN", True),
        ("proc.name glob n*x", True),
        ("proc.name glob n*", True),
        ("proc.name glob g*", False),
        ("proc.name regex '^n.i'", True),
        ("proc.name regex '^g'", False),
        ('proc.args contains "daemon off"', True),
        ("proc.aname = systemd", True),
        ("proc.aname[1] = systemd and proc.aname[2] = x", False),
        ("proc.aname intersects (init, systemd)", True),
        ("proc.aname != systemd", False),
        ("proc.aname != init", True),
        ("fd.name exists", False),
        ("fd.name != x", False),
        ("not fd.name = x", True),
        ("evt.res = SUCCESS", True),
        ("evt.category = file", True),
        ("evt.failed = 0", True),
    ],
)  # fmt: skip
def test_a_filter_holds_for_an_event(text: str, expected: bool) -> None:
    assert filters.parse(text).matches(make_event()) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("fd.port = 443", True),
        ("fd.port = 80", False),
        ("fd.port in (80, 443)", True),
        ("fd.port > 10000", True),
        ("fd.port != 443", False),
        ("fd.ip = 10.0.0.2 and fd.sip = 10.0.0.2 and fd.cport = 40000", True),
        ("fd.type = ipv4 and fd.l4proto = tcp", True),
        ("fd.directory exists", False),
    ],
)
def test_sockets(text: str, expected: bool) -> None:
    assert filters.parse(text).matches(socket_event()) is expected


@pytest.mark.parametrize(
    ("path", "expected"), [("/etc/passwd", True), ("/etc", True), ("/etcetera", False), ("/proc/1/stat", True)]
)
def test_pmatch_takes_whole_components(path: str, expected: bool) -> None:
    assert filters.parse("fd.name pmatch (/etc, /proc/)").matches(file_event(path)) is expected


def test_pmatch_of_the_root_takes_everything() -> None:
    assert filters.parse("fd.name pmatch (/)").matches(file_event("/var/log/x"))


def test_a_failed_call_has_its_error_as_result() -> None:
    event = make_event(result=-2)
    assert filters.parse("evt.failed = true and evt.res = ENOENT and evt.rawres = -2").matches(event)


def test_times_are_local_times_of_day_or_dates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    event = make_event(exit=1_700_000_000_514_682_170)  # 2023-11-14 22:13:20 UTC
    for text in ("evt.time >= 22:13:20", "evt.time = 22:13:20.514682170", "evt.time < '2023-11-14 22:13:21'",
                 "evt.time > 2023-11-14T22:13:20.5Z", "evt.rawtime = 1700000000514682170"):  # fmt: skip
        assert filters.parse(text).matches(event), text
    assert not filters.parse("evt.time > 22:14").matches(event)


@pytest.mark.parametrize(
    ("text", "word", "hint"),
    [
        ("evt.type = opnat", "opnat", "did you mean openat?"),
        ("evt.type in (read, raed)", "raed", "did you mean read?"),
        ("evt.tpye = open", "evt.tpye", "did you mean evt.type?"),
        ("pid = 4", "pid", "did you mean proc.pid?"),
        ("fd.name conatins x", "conatins", "did you mean contains?"),
        ("evt.res = enoent", "enoent", "did you mean ENOENT?"),
        ("evt.res = EWOULDBLOCK", "EWOULDBLOCK", "did you mean EAGAIN?"),
        ("evt.res = ENOTSUP", "ENOTSUP", "did you mean EOPNOTSUPP?"),
        ("evt.type = open AND evt.cpu = 1", "AND", "did you mean and?"),
        ("evt.latency > 10parsecs", "10parsecs", None),
        ("evt.cpu = many", "many", None),
        ("evt.cpu = 99999999999999999999999", "99999999999999999999999", None),
        ("evt.failed = maybe", "maybe", None),
        ("proc.name < 5", "<", "its operators are"),
        ("evt.cpu contains 5", "contains", "its operators are"),
        ("proc.name regex '('", "'('", None),
        ("(evt.cpu = 1", "(", None),
        ("evt.cpu = 1)", ")", None),
        ("evt.cpu = 'x", "'", None),
        ("evt.type in open", "open", "for example: in (a, b)"),
        ("evt.type in (open read)", "read)", "quoted"),
        ("evt.failed", "evt.failed", "for example"),
        ("evt.cpu = 1 and", "", None),
    ],
)
def test_an_error_shows_the_word_and_the_nearest_right_one(text: str, word: str, hint: str | None) -> None:
    with pytest.raises(SyntaxUsageError) as caught:
        filters.parse(text)
    error = caught.value
    assert error.exit_code == 2
    assert text[error.position : error.position + max(1, len(word))].startswith(word.rstrip(")") or "")
    lines = str(error).splitlines()
    assert lines[1] == f"  {text}"
    assert lines[2].index("^") == error.position + 2
    if hint is not None:
        assert error.hint is not None
        assert hint in error.hint


def test_deep_nesting_is_refused_not_a_crash() -> None:
    for text in ("(" * 5000 + "evt.cpu = 1" + ")" * 5000, "not " * 5000 + "evt.cpu = 1"):
        with pytest.raises(SyntaxUsageError, match="nested deeper"):
            filters.parse(text)
    assert filters.parse("(" * 90 + "evt.cpu = 1" + ")" * 90).matches(make_event())


# ---- properties ----

words = st.one_of(
    st.text(min_size=0, max_size=12),
    st.sampled_from(["open", "10ms", "-2", "a b", "it's", 'say "x"', "back\\slash", "<", "and", "(", "é", "1,2"]),
)
_names = st.sampled_from(["evt.type", "proc.name", "fd.port", "evt.arg.flags", "proc.aname[2]", "no.such.field"])
_checks = st.one_of(
    st.builds(
        lambda name, operator, value: Comparison(name, operator, (Constant(value),)),
        _names,
        st.sampled_from(["=", "!=", "<", "<=", ">", ">=", "contains", "glob", "regex", "startswith"]),
        words,
    ),
    st.builds(
        lambda name, operator, values: Comparison(name, operator, tuple(map(Constant, values))),
        _names,
        st.sampled_from(["in", "intersects", "pmatch"]),
        st.lists(words, min_size=1, max_size=4),
    ),
    st.builds(lambda name: Comparison(name, "exists"), _names),
)
_trees: st.SearchStrategy[Node] = st.recursive(
    _checks,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(lambda terms: And(tuple(terms)), st.lists(inner, min_size=2, max_size=3)),
        st.builds(lambda terms: Or(tuple(terms)), st.lists(inner, min_size=2, max_size=3)),
    ),
    max_leaves=8,
)


@given(_trees)
def test_a_tree_survives_its_text(tree: Node) -> None:
    assert parse_tree(str(tree)) == tree


_pieces = st.sampled_from(
    ["evt.type", "proc.name", "fd.port", "evt.latency", "evt.time", "and", "or", "not", "(", ")", ",", "=", "!=", "<",
     "in", "regex", "glob", "exists", "contains", "'", '"', "\\", "open", "10ms", "1e9", "0x", "[", "]", " ", "\n",
     "\0", "-", "é", "12:00", "2024-02-31T00:00:00", "a{99999999999}", "(?P<"]
)  # fmt: skip


@settings(max_examples=400)
@given(
    st.one_of(
        st.text(max_size=60), st.lists(_pieces, max_size=14).map(" ".join), st.lists(_pieces, max_size=14).map("".join)
    )
)
def test_the_parser_raises_nothing_but_its_own_error(text: str) -> None:
    try:
        wanted = filters.parse(text)
    except SyntaxUsageError as error:
        problem = error
    else:
        assert filters.parse(str(wanted)) == wanted
        wanted.matches(make_event())
        return
    assert str(problem)
    assert 0 <= problem.position <= len(text)


_columns = [
    "evt.type = read", "evt.type in (read, write, clone)", "evt.type != read", "syscall.type = fcntl",
    "syscall.type exists", "evt.type in (switch, trap)", "evt.category = memory",
    "evt.category = file", "evt.category != net", "evt.dir = <", "evt.is_io = true", "evt.is_io_read = true",
    "evt.is_io_write = false", "evt.is_wait = true", "evt.failed = true", "evt.failed != true", "evt.rawres > 0",
    "evt.rawres in (-2, 5)", "evt.rawres = -99999999999999999", "evt.res = ENOENT", "evt.res != SUCCESS",
    "evt.res exists",
    "evt.buflen >= 5", "evt.buflen exists", "proc.pid = 1", "proc.pid != -1", "thread.tid in (1, 3)", "evt.cpu >= 1",
    "evt.latency > 100", "evt.latency exists", "evt.num < 3", "evt.count = 1", "thread.ismain = true",
    "evt.rawarg.fd = 3", "evt.rawarg.cmd = 6", "evt.rawarg.count exists", "evt.rawarg.res < 0", "evt.rawarg.arg != 3",
    "proc.name = nginx", "fd.name exists", "proc.name exists",
]  # fmt: skip
_filters = st.recursive(
    st.sampled_from(_columns),
    lambda inner: st.one_of(
        inner.map(lambda text: f"not ({text})"),
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(
            lambda parts: f"({parts[0]}) {parts[1]} ({parts[2]})"
        ),
    ),
    max_leaves=5,
)
_numbers = [TABLE.by_name[name].number for name in ("read", "write", "fcntl", "openat", "socket", "sendto", "ioctl")]
_rows = st.builds(
    Row,
    nr=st.sampled_from([*_numbers, -1, 400_000, 1023]),
    result=st.sampled_from([0, 5, -2, -11, -4095, -4096, -512, 1 << 40, -(1 << 63)]),
    args=st.tuples(*[st.sampled_from([0, 3, 6, 1 << 63])] * 6),
    kind=st.integers(1, 12),
    flags=st.sampled_from([0, 0, 0, 1, 2]),
    cpu=st.integers(0, 3),
    pid=st.integers(1, 3),
    tid=st.integers(1, 3),
    duration=st.sampled_from([0, 100, 1 << 40]),
)


@settings(max_examples=300, deadline=None)
@given(_filters, st.lists(_rows, min_size=1, max_size=12))
def test_columns_never_contradict_events(text: str, rows: list[Row]) -> None:
    wanted = filters.parse(text)
    batch = Batch(events_payload(rows), 0)
    mask = wanted.mask(batch, TABLE)
    holds, fails = wanted.decide(batch, TABLE)
    tracker = Tracker(Context(), TABLE)
    for row, event in enumerate(batch.events()):
        if event.kind == Kind.DATA:
            assert mask is None or mask[row]
            assert not holds[row]
            assert not fails[row]
            continue
        tracker.apply(event)
        matches = wanted.matches(event)
        if mask is not None and not mask[row]:
            assert not matches, event
        assert not (holds[row] and not matches), event
        assert not (fails[row] and matches), event


def test_columns_decide_everything_that_they_can() -> None:
    rows = [Row(nr=0, result=-11, duration=5), Row(nr=1, result=4), Row(nr=0, result=9)]
    batch = Batch(events_payload(rows), 0)
    wanted = filters.parse("evt.type = read and not evt.failed = true")
    assert wanted.mask(batch, TABLE).tolist() == [False, False, True]
    holds, fails = wanted.decide(batch, TABLE)
    assert (holds | fails).all()
    assert filters.parse("proc.name = x").mask(batch, TABLE) is None
    partly = filters.parse("proc.name = x and evt.type = write")
    assert partly.mask(batch, TABLE).tolist() == [False, True, False]


@given(st.lists(st.integers(0, (1 << 64) - 1), max_size=5), st.integers(-(1 << 65), 1 << 65))
def test_numbers_of_any_size_compare_exactly(values: list[int], constant: int) -> None:
    column = np.array(values, np.uint64)
    for sign, operator in (
        ("=", int.__eq__),
        ("!=", int.__ne__),
        ("<", int.__lt__),
        ("<=", int.__le__),
        (">", int.__gt__),
    ):
        assert compare(column, sign, constant).tolist() == [operator(value, constant) for value in values]


# ---- what goes into the kernel ----


@pytest.mark.parametrize(
    ("text", "calls", "pids", "comms"),
    [
        ("evt.type = read", {"read"}, None, None),
        ("evt.type in (read, write) and proc.pid = 4", {"read", "write"}, {4}, None),
        ("evt.type = read or evt.type = write", {"read", "write"}, None, None),
        ("evt.type = read or evt.cpu = 1", None, None, None),
        ("evt.type = read and evt.type = write", set(), None, None),
        ("not (evt.type != read or proc.name = x)", {"read"}, None, None),
        ("proc.name = nginx", None, None, {"nginx"}),
        ("proc.name in (nginx, redis) and evt.failed = true", None, None, {"nginx", "redis"}),
        ("proc.pid = 4 or proc.pid = 5", None, {4, 5}, None),
        ("not proc.pid = 4", None, None, None),
        ("evt.type = switch", set(), None, None),
        ("proc.name = a-name-that-is-longer", None, None, None),
    ],
)
def test_kernel_selection(text: str, calls: set[str] | None, pids: set[int] | None, comms: set[str] | None) -> None:
    assert filters.parse(text).kernel_selection() == {"syscalls": calls, "pids": pids, "comms": comms}


def test_kernel_selection_of_all_calls_but_one() -> None:
    calls = filters.parse("evt.type != futex").kernel_selection()["syscalls"]
    assert calls is not None
    assert "futex" not in calls
    assert {"read", "write", "openat"} <= calls


def test_a_filter_on_names_of_descriptors_needs_the_calls_that_open_them() -> None:
    calls = filters.parse("evt.type = read and fd.name contains log").kernel_selection()["syscalls"]
    assert calls is not None
    assert {"read", "openat", "close", "dup2", "socket", "accept4"} <= calls
    assert "write" not in calls


@given(_filters, st.sampled_from(["read", "write", "fcntl", "socket"]), st.integers(1, 3))
def test_the_kernel_keeps_what_the_filter_wants(text: str, name: str, pid: int) -> None:
    wanted = filters.parse(text)
    event = make_event(name, pid=pid, tid=pid)
    event = replace(event, process=Process(pid, 0, CONTEXT, name="nginx"))
    if wanted.matches(event):
        selection = wanted.kernel_selection()
        assert selection["syscalls"] is None or name in selection["syscalls"]
        assert selection["pids"] is None or pid in selection["pids"]
        assert selection["comms"] is None or "nginx" in selection["comms"]
