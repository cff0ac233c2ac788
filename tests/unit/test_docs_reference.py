"""The generated pages of docs/reference say what the code says now."""

from __future__ import annotations

import difflib
import re

import pytest

from retrograde import cli
from tools import reference


@pytest.mark.parametrize("name", reference.GENERATED)
def test_the_page_is_up_to_date(name: str) -> None:
    committed = (reference.PAGES / name).read_text()
    made = reference.GENERATED[name]()
    changes = "\n".join(difflib.unified_diff(committed.splitlines(), made.splitlines(), name, "made now", lineterm=""))
    assert not changes, f"`make reference` writes docs/reference/{name} anew:\n{changes}"


def test_every_verb_and_each_of_its_options_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    page = reference.command_line()
    for verb in cli.VERBS:
        assert f"\n## {verb}\n" in page
        section = page.partition(f"\n## {verb}\n")[2].partition("\n## ")[0]
        with pytest.raises(SystemExit):
            cli.main([verb, "--help"])
        printed = re.findall(r"^  (?:-\w(?: \S+)?, )?(--[a-z-]+)", capsys.readouterr().out, re.MULTILINE)
        assert "--help" in printed
        for option in printed:
            assert option == "--help" or f"`{option}" in section, f"{verb} has {option}, and the page does not"


def test_the_options_of_the_capture_program_are_there() -> None:
    page = reference.command_line()
    for option in ("--output", "--grade", "--pid", "--cgroup", "--last", "--btf"):
        assert f"\n      {option} " in page
