"""Check the table's files: `python -m retrograde.syscalls.check [FOLDER]` prints every problem with its place."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from retrograde.syscalls.language import ARCHITECTURES
from retrograde.syscalls.model import Syscall
from retrograde.syscalls.plan import PlanError, plan_of, plans_of
from retrograde.syscalls.problems import Problem, TableError
from retrograde.syscalls.table import DATA, Sources, Table, read_sources


def problems_of(sources: Sources) -> list[Problem]:
    """Return all that is wrong in the files, each once, in the order of the files."""
    found: list[Problem] = []
    for arch in ARCHITECTURES:
        table = Table(arch, sources)
        found += table.problems
        for definitions in (table.constants, table.structs):
            found += _broken(definitions)
        found += _unlisted(table, sources)
        found += _uncopyable(table)
    return sorted(set(found), key=lambda problem: (problem.file, problem.line, problem.column))


def _broken(definitions: Mapping[str, object]) -> list[Problem]:
    found: list[Problem] = []
    for name in definitions:
        try:
            definitions[name]
        except TableError as error:
            found += error.problems
    return found


def _unlisted(table: Table, sources: Sources) -> list[Problem]:
    numbers = sources.numbers[table.arch]
    missing = [(number, name) for name, number in numbers.items() if name not in table.by_name]
    if not missing:
        return []
    names = " ".join(f"{name}={number}" for number, name in sorted(missing))
    return [Problem("numbers.tsv", 1, 0, 0, f"{len(missing)} calls of {table.arch} have no line: {names}")]


def _uncopyable(table: Table) -> list[Problem]:
    """Lines whose memory the copy plan can't express and that do not say so."""
    found = []
    for line in [*table.by_name.values(), *(line for lines in table.variants.values() for line in lines)]:
        try:
            plan_of(table, line)
        except PlanError as error:
            found.append(_at(error.line, error.reason))
        except TableError as error:
            found += error.problems
    if not found:
        try:
            plans_of(table)
        except PlanError as error:
            found.append(_at(error.line, error.reason))
    return found


def _at(line: Syscall, message: str) -> Problem:
    return Problem(line.file, line.line, 0, len(line.name), f"{line.full_name}: {message}")


def main(argv: list[str]) -> int:
    """Print the problems and return 1 if there are any."""
    folder = argv[0] if argv else os.path.relpath(DATA)
    problems = problems_of(read_sources(folder))
    for problem in problems:
        print(f"{folder}/{problem}")
    print(f"{len(problems)} problems", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
