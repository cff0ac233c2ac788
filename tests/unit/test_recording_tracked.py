"""Rows that a filter excludes never become events: what is left must be what a tracker that sees all would say."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from retrograde import filters
from retrograde.events import Event, Kind
from retrograde.printer.jsonlines import JsonLines
from retrograde.recording.batch import Batch
from retrograde.recording.merge import RowMerger
from retrograde.recording.tracked import TrackedEvents
from retrograde.state import Context, Tracker
from retrograde.syscalls import load
from tests.support.recording_writer import Memory, Row, events_payload

TABLE = load("x86_64")
NR = {name: call.number for name, call in TABLE.by_name.items()}
IN = 1
_PATHS = st.sampled_from([b"/etc/passwd\0", b"/tmp/x\0", b"name\0"])


@st.composite
def _row(draw: st.DrawFn) -> Row:
    names = ["openat", "close", "read", "fcntl", "dup2", "chdir", "prctl", "setuid", "exit", "fork", "exec"]
    name = draw(st.sampled_from(names))
    pid = draw(st.integers(1, 3))
    tid = draw(st.sampled_from([pid, pid, pid + 10]))
    result = draw(st.sampled_from([0, 3, 4, -2, -9]))
    number = draw(st.integers(3, 5))
    if name == "fork":
        return Row(kind=Kind.FORK, nr=-1, pid=pid, tid=pid, args=(draw(st.integers(1, 3)),) * 2, result=0)
    if name == "exit":
        return Row(kind=Kind.EXIT, nr=-1, pid=pid, tid=tid, args=(draw(st.integers(0, 1)),), result=0)
    if name == "exec":
        comm = Memory(19, draw(st.sampled_from([b"ls\0", b"sh\0"])), IN)
        return Row(kind=Kind.EXEC, nr=-1, pid=pid, tid=pid, memory=[comm], result=0)
    first = {"prctl": 15, "openat": 0xFFFFFF9C}.get(name, number)
    place = {"openat": 1, "prctl": 1, "chdir": 0}.get(name)
    memory = [Memory(place, draw(_PATHS), IN)] if place is not None else []
    second = draw(st.sampled_from([0, 2, 3, 4]))
    return Row(
        nr=NR[name], pid=pid, tid=tid, result=result, args=(first, second, 1), memory=memory,
        flags=draw(st.sampled_from([0, 0, 0, 1])), kind=draw(st.sampled_from([1, 1, 1, 2])),
    )  # fmt: skip


_FILTERS = [
    None, "proc.name = ls", "thread.ismain = false", "proc.cwd contains tmp", "fd.name contains etc",
    "proc.name = ls and fd.num = 3", "not proc.name = sh or evt.type = close", "evt.failed = true and user.uid = 0",
    "evt.args contains passwd", "proc.pname = sh", "evt.type = read", "evt.deltatime > 0 and proc.pid = 1",
]  # fmt: skip


@settings(deadline=None, max_examples=200)
@given(st.lists(_row(), max_size=25), st.sampled_from(_FILTERS), st.integers(1, 3))
def test_the_same_events_as_one_by_one(rows: list[Row], text: str | None, parts: int) -> None:
    wanted = filters.parse(text) if text is not None else None
    size = max(1, len(rows) // parts)
    batches = [Batch(events_payload(rows[at : at + size]), at) for at in range(0, len(rows), size)]
    show = JsonLines().line

    def plain() -> list[str]:
        tracker = Tracker(Context(), TABLE)
        lines = []
        for batch in batches:
            for event in batch.events():
                tracker.apply(event)
                if wanted is None or wanted.matches(event):
                    lines.append(show(event))
        return lines

    source = TrackedEvents(Tracker(Context(), TABLE), RowMerger(lambda seq, line: None), wanted)
    found = [show(event) for batch in batches for event in source.batch(batch)]
    assert found == plain()


def test_events_and_processes_show_themselves_in_a_line() -> None:
    row = Row(nr=NR["read"], pid=7, tid=7, result=5, args=(3, 1, 10))
    batch = Batch(events_payload([row]), 4)
    (event,) = TrackedEvents(Tracker(Context(), TABLE), RowMerger(lambda seq, line: None)).batch(batch)
    assert isinstance(event, Event)
    assert str(event).startswith("4 ")
    assert str(event).endswith(" <NA> (7) < read res=5 fd=3 buf=0x1 count=10")
    assert repr(event) == f"<Event {event}>"
    assert repr(event.process) == "Process(7, '')"
