"""Writes the pages of docs/reference that say what the code says already: command-line.md and fields.md.

    python tools/reference.py             writes them
    python tools/reference.py --check     exits with 1 if a page is out of date

The options are taken from the parsers and not from the text of --help, whose look depends on the version of Python.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from retrograde import cli
from retrograde.cli.fields import type_in_words
from retrograde.fields import FAMILIES, FIELDS, Family, Field

ROOT = Path(__file__).resolve().parents[1]
PAGES = ROOT / "docs" / "reference"
CAPTURE_OPTIONS = ROOT / "native" / "capture" / "options.cpp"

HEAD = "<!-- Made by `make reference`. Do not edit: change what it is made of, in {source}. -->"


def _table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> Iterator[str]:
    yield "| " + " | ".join(columns) + " |"
    yield "|" + "---|" * len(columns)
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"


def _prose(text: str) -> Iterator[str]:
    """Yield a docstring as Markdown: its indented lines are code already."""
    for line in text.strip().splitlines():
        # An asterisk or an angle bracket would be markup; within backticks and in code it is not.
        yield line if line.startswith("    ") else _escaped(line)


def _escaped(line: str) -> str:
    parts = line.split("`")
    return "`".join(part if number % 2 else re.sub(r"([*<])", r"\\\1", part) for number, part in enumerate(parts))


def _metavar(action: argparse.Action) -> str:
    if isinstance(action.metavar, str):
        return action.metavar
    if action.choices is not None:
        return "{" + ",".join(map(str, action.choices)) + "}"
    return action.dest.upper()


def _words(action: argparse.Action) -> str:
    """Return an option or argument as it stands in the table."""
    if not action.option_strings:
        return f"`{_metavar(action)}`"
    value = "" if action.nargs == 0 else f" {_metavar(action)}"
    return ", ".join(f"`{option}{value}`" for option in action.option_strings)


def _argument(action: argparse.Action) -> str:
    """Return a positional argument as it stands in the usage line."""
    name = _metavar(action)
    if action.nargs == "?":
        return f"[{name}]"
    return f"[{name}...]" if action.nargs == "*" else name


def _usage(name: str, parser: argparse.ArgumentParser) -> str:
    words = [f"retrograde {name} [OPTION...]"]
    for group in parser._mutually_exclusive_groups:
        if group.required:
            choices = [_words(action).split(", ")[-1].strip("`") for action in group._group_actions]
            words.append(f"({' | '.join(choices)})")
    words += [_argument(action) for action in parser._actions if not action.option_strings]
    return " ".join(words)


def _verb(name: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    yield f"## {name}"
    yield ""
    yield f"    {_usage(name, parser)}"
    yield ""
    yield from _prose(parser.description or "")
    formatter = parser._get_formatter()
    for group in parser._action_groups:
        actions = [action for action in group._group_actions if action.help is not argparse.SUPPRESS]
        rows = [
            (_words(action), _escaped(formatter._expand_help(action)) if action.help else "")
            for action in actions
            if not isinstance(action, argparse._HelpAction) and (action.option_strings or action.help)
        ]
        if rows:
            yield ""
            yield from _table(((group.title or "").replace("positional arguments", "arguments"), ""), rows)
    yield ""


def capture_usage() -> str:
    """Return what `retrograde-capture --help` prints."""
    match = re.search(r'usage = R"\((.*?)\)";', CAPTURE_OPTIONS.read_text(), re.DOTALL)
    if match is None:
        raise ValueError(f"{CAPTURE_OPTIONS} has no usage text any more")
    return match[1]


def command_line() -> str:
    """Return the page of the command line."""
    parser = cli.build_parser()
    verbs = next(action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    lines = [
        HEAD.format(source="src/retrograde/cli and native/capture/options.cpp"),
        "",
        "# The command line",
        "",
        "    retrograde VERB [OPTION...] [ARGUMENT...]",
        "",
        "Data goes to stdout, everything else to stderr. `--help` behind a verb prints what stands here. How filters",
        "are written is in [Filters and formats](filters.md), what exit codes mean in",
        "[Exit codes and environment](environment.md).",
        "",
        *_table(("verb", ""), [(f"[{name}](#{name})", text) for name, text in cli.VERBS.items()]),
        "",
    ]
    for name, verb in verbs.items():
        lines += _verb(name, verb)
    lines += [
        "## retrograde-capture",
        "",
        "The program that captures. The verbs above start it; on a machine without Python it is used by itself.",
        "",
        *(f"    {line}".rstrip() for line in capture_usage().strip().splitlines()),
    ]
    return "\n".join(lines) + "\n"


def _field_rows(prefix: str) -> list[tuple[str, ...]]:
    rows = []
    entries: list[Field | Family] = [*FIELDS.values(), *FAMILIES.values()]
    for field in entries:
        if field.name.partition(".")[0] == prefix:
            kernel = "yes" if isinstance(field, Field) and field.kernel is not None else ""
            rows.append((f"`{field.name}`", type_in_words(field), _escaped(field.description), kernel))
    return rows


_TOPICS = {
    "evt": "the event",
    "syscall": "the system call",
    "proc": "the process",
    "thread": "the thread",
    "user": "the user",
    "group": "the group",
    "container": "the container",
    "fd": "the file descriptor that the call is about",
}


def fields() -> str:
    """Return the page of the fields."""
    found = dict.fromkeys(name.partition(".")[0] for name in (*FIELDS, *FAMILIES))
    prefixes = sorted(found, key=lambda prefix: ([*_TOPICS, prefix].index(prefix), prefix))
    lines = [
        HEAD.format(source="src/retrograde/fields"),
        "",
        "# Fields",
        "",
        "What a filter can compare and a format can print; `retrograde fields` prints the same list. How to write",
        "them is in [Filters and formats](filters.md). Fields with `NAME` or `[N]` take a parameter: `evt.arg.flags`,",
        "`proc.aname[2]`. *In the kernel*: where a filter of `trace` or `top` needs certain values of this field, the",
        "capture selects them itself.",
    ]
    for prefix in prefixes:
        lines += ["", f"## {prefix}: {_TOPICS.get(prefix, '')}".rstrip(": "), ""]
        lines += _table(("field", "type", "what it is", "in the kernel"), _field_rows(prefix))
    return "\n".join(lines) + "\n"


GENERATED = {"command-line.md": command_line, "fields.md": fields}


def main(words: list[str]) -> int:
    """Write the pages, or with --check compare them."""
    stale = []
    for name, make in GENERATED.items():
        page = PAGES / name
        text = make()
        if not page.exists() or page.read_text() != text:
            stale.append(name)
            if "--check" not in words:
                page.write_text(text)
    if "--check" in words and stale:
        print(f"out of date: {', '.join(stale)}; `make reference` writes them", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
