"""The printer on whatever a damaged or hostile recording may hold, and single events against whole batches."""

from __future__ import annotations

import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retrograde.fields import lookup
from retrograde.printer.arguments import arguments, event_type, format_info, result_name
from retrograde.printer.dialect import c_string
from retrograde.printer.jsonlines import _encoder
from retrograde.printer.lines import LinePrinter, LineStyle
from retrograde.printer.payload import payload
from retrograde.printer.times import seconds_text
from retrograde.recording.batch import Batch
from retrograde.state import Context, Tracker
from retrograde.syscalls import load
from tests.support.recording_writer import FAULT, IN, NESTED, OUT, Memory, Row, events_payload

NUMBERS = st.one_of(st.integers(0, 2**64 - 1), st.integers(0, 600), st.sampled_from([0x1000, 2**32 - 1, 2**63]))
WORDS = st.lists(st.sampled_from([b"0-1000", b"r-xp", b"0", b"-", b"a\n", b"\x1b[2J", b"\xff"]), max_size=9)
MEMORY = st.builds(
    Memory,
    arg=st.integers(0, 28),
    data=st.one_of(
        st.binary(max_size=150), st.binary(min_size=300, max_size=300), st.builds(bytes.join, st.just(b" "), WORDS)
    ),
    flags=st.sampled_from([IN, OUT, IN | OUT, IN | NESTED, OUT | NESTED, IN | FAULT]),
    address=st.sampled_from([0, 0x1000, 0x1010]),
    full_length=st.one_of(st.none(), st.integers(0, 2**64 - 1)),
)


def rows(arch: str) -> st.SearchStrategy[Row]:
    return st.builds(
        Row,
        nr=st.one_of(st.sampled_from(sorted(load(arch).calls)), st.integers(-(2**31), 2**31 - 1)),
        result=st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(-600, 20)),
        args=st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS, NUMBERS, NUMBERS),
        memory=st.lists(MEMORY, max_size=4),
        kind=st.one_of(st.just(1), st.integers(0, 12)),
        flags=st.sampled_from([0, 0, 0, 1, 2, 4]),
        pid=st.integers(0, 3),
        tid=st.integers(0, 3),
        exit=st.one_of(st.integers(0, 2**62), st.integers(0, 2**64 - 1)),
        duration=st.one_of(st.integers(0, 2**40), st.integers(0, 2**64 - 1)),
    )


@pytest.mark.parametrize("arch", ["x86_64", "arm64"])
@pytest.mark.parametrize("look", ["sysdig", "strace"])
def test_any_event_is_printed_on_one_line_and_both_ways_agree(arch, look):
    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.lists(rows(arch), min_size=1, max_size=12), st.sampled_from("hard"), st.integers(-(2**70), 2**70))
    def check(chosen: list[Row], time: str, offset: int) -> None:
        batch = Batch(events_payload(chosen), 100)
        fast, slow = (
            LinePrinter(Tracker(Context(arch, offset), load(arch)), LineStyle(look, time, latency=True))
            for _ in range(2)
        )
        lines = fast.feed(batch) + fast.flush()
        assert all("\n" not in line and "\r" not in line for line in lines)
        if any(row.flags & 4 for row in chosen):
            return
        slow.tracker.context.start_ns = int(batch.exit[0])
        expected = [line for event in slow.merger.feed(batch) for line in slow._tracked(event)]
        assert lines == expected

    check()


@settings(max_examples=200, deadline=None)
@given(rows("x86_64"))
def test_any_event_has_arguments_a_type_and_maybe_a_payload(row):
    event = Batch(events_payload([row]), 0).event(0)
    Tracker(Context(), load("x86_64")).apply(event)
    assert isinstance(event_type(event), str)
    assert format_info(event) == " ".join(f"{name}={text}" for name, text in arguments(event))
    assert payload(event) is None or isinstance(payload(event), bytes)
    assert (result_name(event) is None) == (event.kind != 1)


def test_every_call_of_both_tables_has_a_formatter():
    for arch in ("x86_64", "arm64"):
        table = load(arch)
        printer = LinePrinter(Tracker(Context(arch), table))
        for nr, call in table.calls.items():
            process = printer.tracker.process_of(1, 1)
            text = printer._formatters[nr](-1, 1, 2, 3, 4, 5, 6, [], process)
            assert text.startswith(f"{call.name} ")
            assert "=-1(EPERM)" in text


def test_octal_escapes_take_three_digits_before_a_digit():
    assert c_string(b'\0001\0a"\\\n') == '\\0001\\0a\\"\\\\\\n'


def test_negative_seconds():
    assert seconds_text(-1_500_000_000) == "-1.500000000"


@pytest.mark.parametrize(
    ("name", "kept"),
    [("proc.name", True), ("proc.aname[1]", True), ("fd.name", True), ("user.name", True), ("group.name", True),
     ("container.id", True), ("evt.type", True), ("evt.res", True), ("evt.datetime", False), ("evt.info", False),
     ("evt.args", False), ("evt.arg.pathname", False), ("evt.buffer", False), ("proc.env", False)],
)  # fmt: skip
def test_json_keeps_texts_only_of_fields_that_repeat(name, kept):
    encode = _encoder(lookup(name))
    text = "".join(["t", "ext"])
    references = sys.getrefcount(text)
    assert encode(text) == '"text"'
    assert (sys.getrefcount(text) > references) == kept
