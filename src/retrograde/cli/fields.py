"""List the fields of filters and formats.

    retrograde fields
    retrograde fields fd.
    retrograde fields --json

Fields with NAME or [N] take a parameter: `evt.arg.flags`, `proc.aname[2]`. Operators are = != < <= > >= contains
icontains startswith endswith glob regex in intersects pmatch exists, joined by and, or, not and parentheses.
"""

from __future__ import annotations

import argparse
import json

from rich.table import Table
from rich.text import Text

from retrograde.cli.tables import print_table
from retrograde.errors import EXIT_DONE, SyntaxUsageError
from retrograde.fields import FAMILIES, FIELDS, Family, Field, UnknownFieldError, lookup, nearest, with_prefix

HELP = "list the fields of filters and formats"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("prefix", metavar="PREFIX", nargs="?", default="", help="only fields whose name begins so")
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print the fields."""
    chosen = _chosen(arguments.prefix)
    if arguments.json:
        print(json.dumps([_entry(field) for field in chosen], indent=2, ensure_ascii=False))
        return EXIT_DONE
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("field", no_wrap=True)
    table.add_column("type", no_wrap=True)
    table.add_column("what it is")
    for field in chosen:
        table.add_row(Text(field.name), type_in_words(field), Text(field.description))
    print_table(table)
    return EXIT_DONE


def _chosen(prefix: str) -> list[Field | Family]:
    found = with_prefix(prefix)
    if found:
        return found
    try:
        return [lookup(prefix)]  # with its parameter: evt.arg.flags
    except UnknownFieldError:
        near = nearest(prefix)
        prefixes = sorted({name.split(".")[0] + "." for name in (*FIELDS, *FAMILIES)})
        hint = f"did you mean {near}?" if near else f"prefixes are {' '.join(prefixes)}"
        message = f"no field begins with {prefix!r}"
        raise SyntaxUsageError(message, text=prefix, position=0, length=len(prefix), hint=hint) from None


def type_in_words(field: Field | Family) -> str:
    """Return the type as people read it: `number`, `duration`, `text`, …."""
    words = {"int": "number", "str": "text", "bool": "true/false", "time": "time", "list": "list"}
    if isinstance(field, Field) and field.unit is not None:
        return {"ns": "duration", "bytes": "size"}[field.unit]
    if isinstance(field, Field) and field.type == "list":
        return "numbers" if field.element == "int" else "texts"
    return words[field.type]


def _entry(field: Field | Family) -> dict[str, object]:
    entry: dict[str, object] = {"name": field.name, "type": field.type, "description": field.description}
    entry["unit"] = field.unit if isinstance(field, Field) else None
    entry["parameter"] = isinstance(field, Family)
    return entry
