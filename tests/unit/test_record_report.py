"""What `record` says at its end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from retrograde.record.report import Outcome
from retrograde.recording.replayable import unfaithful
from tests.support.recording_writer import RecordingWriter


def _outcome(events: int, kept: int, *unsupported: str, unfaithful: tuple[str, ...] = ()) -> Outcome:
    return Outcome("ls-0", events, 0, 1.5, 4096, 0, "ebpf", kept, unsupported, unfaithful)


def test_the_summary_counts_what_was_captured() -> None:
    assert _outcome(1024, 1024).summary() == "ls-0: 1,024 events in 1.50 s, 0 lost, 4.0 KiB, 4.0 bytes an event"


def test_the_summary_of_a_flight_recorder_says_what_it_kept() -> None:
    text = _outcome(100_000, 1024).summary()
    assert text == "ls-0: the latest 1,024 of 100,000 events in 1.50 s, 0 lost, 4.0 KiB, 4.0 bytes an event"


def test_an_empty_recording_has_no_size_an_event() -> None:
    assert _outcome(0, 0).summary() == "ls-0: 0 events in 1.50 s, 0 lost, 4.0 KiB"


def test_the_files_that_were_mapped_are_told_apart() -> None:
    text = replace(_outcome(1024, 1024), image_bytes=3 << 20).summary()
    assert text.endswith("4.0 KiB, 4.0 bytes an event; the files it mapped 3.0 MiB")


def test_what_can_be_replayed_is_offered_for_it_and_a_failure_at_its_end() -> None:
    here = replace(_outcome(1, 1), replayable=True)
    assert here.next_commands()[-1] == "  retrograde replay ls-0"
    assert replace(here, exit_status=11).next_commands()[-1] == "  retrograde replay ls-0 --at-end"
    assert not any("replay" in command for command in _outcome(1, 1).next_commands())


def test_what_a_replay_may_not_repeat_is_named_a_line_each_and_many_are_counted() -> None:
    few = _outcome(1, 1, "io_uring: x", "rseq: y", unfaithful=("a mapping (near event 5)", "a clock"))
    assert few.caveats() == [
        "a replay cannot have the effects of io_uring: x",
        "a replay may not repeat: a mapping (near event 5)",
        "a replay may not repeat: a clock",
    ]
    many = _outcome(1, 1, unfaithful=tuple(f"mapping {number}" for number in range(2000)))
    assert many.caveats()[4:] == ["a replay may not repeat: mapping 4", "and 1,995 more"]


def test_the_outcome_counts_images_and_takes_what_is_unfaithful_from_the_end(tmp_path: Path) -> None:
    writer = RecordingWriter(tmp_path / "r", {"replay": {"cpu": 0}})
    writer.image("0" * 32, bytes(100_000))
    writer.end(unfaithful=[{"what": "a mapping", "seq": 3}], exit_status=0)
    outcome = Outcome.of(writer.folder)
    assert outcome.unfaithful == ("a mapping (near event 3)",)
    assert outcome.image_bytes == 100_000
    assert 0 < outcome.bytes < 100_000


@pytest.mark.parametrize("listed", [None, 5, {}, "a", [1, None, {}, {"what": 5}, {"seq": 5}, [{"what": "x"}]]])
def test_an_end_that_lists_nonsense_lists_nothing(listed: object) -> None:
    assert unfaithful({"unfaithful": listed}) == []
    assert unfaithful(None) == []


def test_what_is_unfaithful_is_told_once_and_does_not_obey_the_recording() -> None:
    listed = [{"what": "\x1b[2J", "seq": "1"}, {"what": "a", "seq": 1}, {"what": "a", "seq": 2}, {"what": "b" * 9999}]
    assert unfaithful({"unfaithful": listed}) == [".[2J", "a (near event 1)", "b" * 200]
