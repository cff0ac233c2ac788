"""What `record` says at its end."""

from __future__ import annotations

from retrograde.record.report import Outcome


def _outcome(events: int, kept: int) -> Outcome:
    return Outcome("ls-0", events, 0, 1.5, 4096, 0, "ebpf", kept, ())


def test_the_summary_counts_what_was_captured() -> None:
    assert _outcome(1024, 1024).summary() == "ls-0: 1,024 events in 1.50 s, 0 lost, 4.0 KiB, 4.0 bytes an event"


def test_the_summary_of_a_flight_recorder_says_what_it_kept() -> None:
    text = _outcome(100_000, 1024).summary()
    assert text == "ls-0: the latest 1,024 of 100,000 events in 1.50 s, 0 lost, 4.0 KiB, 4.0 bytes an event"


def test_an_empty_recording_has_no_size_an_event() -> None:
    assert _outcome(0, 0).summary() == "ls-0: 0 events in 1.50 s, 0 lost, 4.0 KiB"
