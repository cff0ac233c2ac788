"""Show the syscall table.

Without NAME it lists the calls of one architecture by number; `~` marks those whose memory one line cannot say, `!`
those that cannot be recorded faithfully. NAME is a call (`openat`), one command of a call (`fcntl$F_SETLK`), a number,
a set of constants (`open_flags`, `errno`) or a structure (`stat`).
"""

from __future__ import annotations

import argparse
import json
import platform
from typing import Any

from retrograde.errors import EXIT_DONE, SyntaxUsageError, UsageError
from retrograde.syscalls import ARCHITECTURES, Syscall, Table, load, reference
from retrograde.syscalls.problems import did_you_mean
from retrograde.syscalls.table import ALIASES

HELP = "the syscall table, as a reference"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments to its parser."""
    parser.add_argument("name", metavar="NAME", nargs="?", help="a call, a number, a set of constants or a structure")
    parser.add_argument(
        "--arch",
        choices=[*ARCHITECTURES, "aarch64"],
        metavar="ARCH",
        help=f"the architecture: {' or '.join(ARCHITECTURES)} (default: this machine's)",
    )
    parser.add_argument("--coverage", action="store_true", help="count the regular, irregular and unsupported calls")
    parser.add_argument("--markdown", action="store_true", help="write the reference page of all calls")
    parser.add_argument("--json", action="store_true", help="write JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print what was asked for."""
    chosen = arguments.arch or _machine()
    arches = [ALIASES.get(arguments.arch, arguments.arch)] if arguments.arch else list(ARCHITECTURES)
    if sum((arguments.coverage, arguments.markdown, arguments.name is not None)) > 1:
        raise UsageError("NAME, --coverage and --markdown ask for different things", hint="give one of them")
    if arguments.markdown and arguments.json:
        raise UsageError("--markdown writes no JSON", hint="leave out --json or --markdown")
    if arguments.coverage:
        _print_coverage({arch: reference.coverage(load(arch)) for arch in arches}, as_json=arguments.json)
    elif arguments.markdown:
        _print(reference.markdown_lines({arch: load(arch) for arch in arches}))
    elif arguments.name is None:
        table = load(chosen)
        if arguments.json:
            _print_json([reference.call_json(table, line) for _, line in sorted(table.calls.items())])
        else:
            _print(reference.list_lines(table))
    else:
        _print_one(arguments.name, chosen, explicit=arguments.arch is not None, as_json=arguments.json)
    return EXIT_DONE


def _machine() -> str:
    machine = ALIASES.get(platform.machine(), platform.machine())
    return machine if machine in ARCHITECTURES else ARCHITECTURES[0]


def _print(lines: Any) -> None:
    for line in lines:
        print(line)


def _print_json(value: object) -> None:
    print(json.dumps(value, indent=2))


def _print_coverage(counts: dict[str, dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        _print_json(counts)
        return
    keys = ("total", "regular", "irregular", "unsupported")
    print(f"{'':<8}" + "".join(f"{key:>13}" for key in keys))
    for arch, count in counts.items():
        print(f"{arch:<8}" + "".join(f"{count[key]:>13}" for key in keys))
    for title, key in (("irregular", "irregular_calls"), ("unsupported", "unsupported_calls")):
        reasons = {name: reason for count in counts.values() for name, reason in count[key].items()}
        if reasons:
            print(f"\n{title}")
        for name, reason in sorted(reasons.items()):
            text = f"{reason['owner']}: {reason['reason']}" if isinstance(reason, dict) else reason
            print(f"  {name:<20} {text}")


def _print_one(name: str, arch: str, *, explicit: bool, as_json: bool) -> None:
    table = load(arch)
    line = _find(table, name)
    if line is None and not explicit:
        # A call that only the other architecture has.
        for other in ARCHITECTURES:
            elsewhere = None if name.isdigit() else _find(load(other), name)
            if elsewhere is not None:
                table, line = load(other), elsewhere
    if line is not None:
        if as_json:
            found = reference.call_json(table, line)
            sets, structs = reference.used_types([line, *([] if line.variant else table.variants.get(line.name, []))])
            found["variants"] = [reference.call_json(table, one) for one in _variants(table, line)]
            found["sets"] = [reference.set_json(table.constants[one]) for one in sets]
            found["structs"] = [reference.struct_json(table.structs[one]) for one in structs]
            _print_json(found)
        else:
            _print(reference.call_lines({one: load(one) for one in ARCHITECTURES}, table, line))
    elif name in table.constants:
        constants = table.constants[name]
        _print_json(reference.set_json(constants)) if as_json else _print(reference.set_lines(constants))
    elif name in table.structs:
        struct = table.structs[name]
        _print_json(reference.struct_json(struct)) if as_json else _print(reference.struct_lines(struct))
    else:
        raise _unknown(table, name)


def _variants(table: Table, line: Syscall) -> list[Syscall]:
    return [] if line.variant else table.variants.get(line.name, [])


def _find(table: Table, name: str) -> Syscall | None:
    if name.isdigit():
        return table.calls.get(int(name))
    base, _, variant = name.partition("$")
    if not variant:
        return table.by_name.get(base)
    return next((line for line in table.variants.get(base, []) if line.variant == variant), None)


def _unknown(table: Table, name: str) -> UsageError:
    if name.isdigit():
        return UsageError(f"{table.arch} has no system call {name}", hint="`retrograde syscalls` lists them")
    numbers = table.numbers_of(name)
    if numbers:
        have = ", ".join(f"{arch} ({number})" for arch, number in numbers.items())
        return UsageError(f"{table.arch} has no system call {name}", hint=f"it is a call of {have}")
    known = [*table.by_name, *table.constants, *table.structs]
    base, _, variant = name.partition("$")
    if variant and base in table.by_name:
        known = [line.full_name for line in table.variants.get(base, [])]
    hint = did_you_mean(name, known) or "`retrograde syscalls` lists the calls"
    message = f"there is no system call, set or structure {name!r}"
    return SyntaxUsageError(message, text=name, position=0, length=len(name), hint=hint)
