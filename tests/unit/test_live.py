"""The words of `trace` and `top`, before anything is captured."""

from __future__ import annotations

import pytest

from retrograde import cli


@pytest.mark.parametrize("verb", ["trace", "top"])
def test_a_command_without_dashes_is_told_where_it_belongs(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([verb, "sh"]) == 2
    assert "'sh' is no filter\na command stands behind `--`, as in: -- sh" in capsys.readouterr().err


def test_a_wrong_filter_is_still_shown_with_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["trace", "evt.typ = open"]) == 2
    assert "  ^~~~~~~\ndid you mean evt.type?" in capsys.readouterr().err


def test_an_option_behind_the_filter_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["trace", "evt.type = open", "-n", "1"]) == 2
    assert "'-n' stands behind the filter" in capsys.readouterr().err
