"""The documentation's commands are ones that exist, and its links lead somewhere."""

from __future__ import annotations

import argparse
import contextlib
import io
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from retrograde import cli
from retrograde.cli.live import split_words
from retrograde.cli.printing import check_output_arguments
from retrograde.cli.reading import chosen
from retrograde.errors import RetrogradeError, SyntaxUsageError
from retrograde.events import Event, Segment
from retrograde.filters import parse
from retrograde.recording import Batch, Recording
from retrograde.replay.backtrace import Frame
from retrograde.replay.memory import Memory
from retrograde.replay.modules import Place
from retrograde.replay.registers import Registers
from retrograde.replay.replay import Replay, Thread, Write
from retrograde.state import Descriptor, Process
from retrograde.syscalls import ARCHITECTURES, load

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
# Pages that a target of the Makefile writes: they may not be there yet.
MADE = {"docs/reference/syscalls.md": "syscalls --markdown", "docs/experiments/overhead.md": "bench.overhead"}
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(page for page in DOCS.rglob("*.md") if page != DOCS / "reference" / "syscalls.md"),
]

# What may stand before a command, and what ends one.
_COMMAND = re.compile(r"^(?:[$#] )?(?:.*\| )?(?:sudo )?(?:\.venv/bin/)?retrograde (?P<words>[a-z]+(?: .*)?)$")
_ENDS = {"|", ";", "&&", ">", "2>", "||"}


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def _commands(page: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the line's number and the words behind `retrograde` of every command in a code block."""
    for number, line in enumerate(page.read_text().splitlines(), start=1):
        match = _COMMAND.match(line[4:]) if line.startswith("    ") else None
        if match is None or "[OPTION...]" in line:
            continue
        lexer = shlex.shlex(match["words"], posix=True, punctuation_chars="|;&>")
        lexer.whitespace_split = True
        lexer.commenters = "#"
        words = []
        for word in lexer:
            if word in _ENDS:
                break
            words.append(word)
        yield number, words


ALL = [pytest.param(words, id=f"{_name(page)}:{number}") for page in PAGES for number, words in _commands(page)]


def test_commands_are_found() -> None:
    verbs = {words.values[0][0] for words in ALL}  # type: ignore[index]
    assert len(ALL) > 60
    assert verbs <= set(cli.VERBS)
    assert {"record", "trace", "read", "stats", "export", "decode"} <= verbs


@pytest.mark.parametrize("words", ALL)
def test_a_command_is_right(words: list[str]) -> None:
    """Its options and arguments are accepted, and its filter and format parse; nothing is run."""
    talk = io.StringIO()
    try:
        with contextlib.redirect_stderr(talk):
            arguments = cli.build_parser(words[0]).parse_args(words)
    except SystemExit:
        pytest.fail(talk.getvalue())
    assert arguments.verb == words[0]
    if words[0] in ("trace", "top"):
        text, _command = split_words(arguments.words)
        if text:
            parse(text)
    elif hasattr(arguments, "filter"):
        _check_filter(arguments)
    if hasattr(arguments, "format"):
        check_output_arguments(arguments)


def _check_filter(arguments: argparse.Namespace) -> None:
    """Parse the filter; a single word is the name of a recording or a filter."""
    if arguments.recording == "evt.typ = open":  # the tutorial shows what becomes of it
        with pytest.raises(SyntaxUsageError, match=r"did you mean evt\.type"):
            parse(arguments.recording)
    elif arguments.filter is not None:
        parse(arguments.filter)
    elif arguments.recording is not None and " " in arguments.recording:
        assert chosen(arguments)[1] is not None


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"`[^`\n]*`", "", "\n".join(line for line in page.read_text().splitlines() if line[:4] != "    "))
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        aim = (page.parent / path).resolve() if path else page
        if not aim.exists():
            command = MADE.get(str(aim.relative_to(ROOT)))
            assert command is not None, f"{_name(page)}: {target} leads nowhere"
            assert command in makefile
            continue
        if anchor:
            assert anchor in _anchors(aim), f"{_name(page)}: {target}: there is no such heading"


def _anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as forges make them."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_page_can_be_reached() -> None:
    reached: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or not page.exists():
            continue
        reached.add(page)
        targets = re.findall(r"\]\(([^)\s#]+\.md)[^)]*\)", page.read_text())
        waiting += [(page.parent / target).resolve() for target in targets if ":" not in target]
    for page in PAGES:
        assert page in reached, f"no link from the README leads to {_name(page)}"


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_python_in_the_pages_compiles(page: Path) -> None:
    blocks = re.findall(r"(?:^    .*\n|^\n)+", page.read_text(), re.MULTILINE)
    for block in blocks:
        if re.match(r'\n*    (?:"""|import |from )', block):
            code = re.sub(r"^    ", "", block, flags=re.MULTILINE).partition("\n$ ")[0]
            compile(code, _name(page), "exec")


CLASSES = {
    "Recording": Recording,
    "Replay": Replay,
    "Registers": Registers,
    "Memory": Memory,
    "Thread": Thread,
    "Frame": Frame,
    "Write": Write,
    "Place": Place,
    "Event": Event,
    "Segment": Segment,
    "Process": Process,
    "Descriptor": Descriptor,
    "Batch": Batch,
}


@pytest.mark.parametrize("title", CLASSES)
def test_the_api_that_the_reference_lists_is_there(title: str) -> None:
    page = (DOCS / "reference" / "python-api.md").read_text()
    section = page.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`[^|]*) \|", section, re.MULTILINE)
    names = [name for row in rows for name in re.findall(r"`(\w+)", row)]
    assert len(names) > 2
    known = set(dir(CLASSES[title])) | set(getattr(CLASSES[title], "__annotations__", {}))
    # Set by __init__ and described in the class's docstring.
    documented = set(re.findall(r"\b\w+\b", (CLASSES[title].__doc__ or "").partition("Attributes:")[2]))
    assert [name for name in names if name not in known | documented] == []


def test_the_errors_that_the_reference_lists_are_there() -> None:
    from retrograde import errors

    page = (DOCS / "reference" / "python-api.md").read_text().partition("## Errors")[2]
    names = re.findall(r"`(\w+Error)`", page.partition("| in `retrograde.errors`")[2])
    builtins = {"LookupError", "ValueError", "OSError"}
    for name in set(names) - builtins:
        assert issubclass(getattr(errors, name), RetrogradeError)


def test_the_limits_name_every_call_that_cannot_be_recorded() -> None:
    page = (DOCS / "limits.md").read_text()
    for arch in ARCHITECTURES:
        for line in load(arch).by_name.values():
            if line.unsupported:
                assert f"`{line.name}`" in page, f"docs/limits.md does not name {line.name}: {line.unsupported}"


def test_numbers_of_the_readme_are_those_of_the_code() -> None:
    from retrograde.fields import FIELDS
    from retrograde.syscalls.reference import coverage

    text = (ROOT / "README.md").read_text()
    assert f"[{len(FIELDS)} fields]" in text
    totals = " / ".join(str(coverage(load(arch))["total"]) for arch in ("x86_64", "arm64"))
    assert f"all {totals}" in text
