#!/usr/bin/env python3
"""Write the definitions of native/capture/syscall_table.h for one architecture from the syscall table.

    syscall_table.py --arch x86_64|arm64 OUTPUT.cpp

Standard library alone: the build runs it before anything is installed.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from retrograde.errors import RetrogradeError
from retrograde.syscalls import Table, TableError, load
from retrograde.syscalls.plan import LengthTerm, Op, Plan, PlanError, Variant, plans_of

MAX_SYSCALLS = 512  # RG_MAX_SYSCALLS
LENGTHS = 2  # of struct rg_op

HEAD = """\
// Made by codegen/syscall_table.py from the syscall table of {arch}.
#include "capture/syscall_table.h"

#include <algorithm>
#include <array>

namespace retrograde {{

namespace {{
"""

TAIL = """\

bool before(const rg_variant_key &a, const rg_variant_key &b) {
    return a.nr != b.nr ? a.nr < b.nr : a.command < b.command;
}

} // namespace

std::span<const rg_plan, RG_MAX_SYSCALLS> plans() { return all_plans; }

std::span<const VariantPlan> variant_plans() { return all_variants; }

const rg_plan *plan_for(int nr, const __u64 args[6]) {
    if (nr < 0 || nr >= RG_MAX_SYSCALLS)
        return nullptr;
    const rg_plan &plan = all_plans[static_cast<std::size_t>(nr)];
    if (!(plan.flags & RG_PLAN_VARIANTS))
        return &plan;
    const rg_variant_key key{static_cast<__u32>(nr), static_cast<__u32>(args[plan.selector]) & plan.selector_mask};
    const auto found =
        std::lower_bound(all_variants.begin(), all_variants.end(), key,
                         [](const VariantPlan &variant, const rg_variant_key &k) { return before(variant.key, k); });
    return found != all_variants.end() && !before(key, found->key) ? &found->plan : &plan;
}

const char *syscall_name(int nr) {
    return nr < 0 || nr >= RG_MAX_SYSCALLS ? nullptr : all_names[static_cast<std::size_t>(nr)];
}

int syscall_number(std::string_view name) {
    const auto found = std::lower_bound(all_numbers.begin(), all_numbers.end(), name,
                                        [](const NamedNumber &entry, std::string_view n) { return entry.name < n; });
    return found != all_numbers.end() && found->name == name ? found->number : -1;
}

} // namespace retrograde
"""


def flags_text(prefix: str, names: tuple[str, ...]) -> str:
    return " | ".join(f"{prefix}{name}" for name in names) or "0"


def length_text(length: LengthTerm) -> str:
    return f"{{RG_LEN_{length.kind}, {length.arg}, {length.addend}, {length.multiplier}}}"


def op_text(op: Op) -> str:
    lengths = [*op.lengths, *[LengthTerm()] * (LENGTHS - len(op.lengths))]
    texts = ", ".join(map(length_text, lengths))
    return f"{{RG_OP_{op.kind}, {op.arg}, {flags_text('RG_OP_', op.flags)}, 0, 0, {{{texts}}}}}"


def plan_text(plan: Plan) -> str:
    flags = flags_text("RG_PLAN_", plan.flags)
    head = f"{len(plan.ops)}, {flags}, {plan.selector}, {plan.deref_arg}, {plan.selector_mask:#x}"
    return f"{{{head}, {{{', '.join(map(op_text, plan.ops))}}}}}"


def plans_text(table: Table, plans: dict[int, Plan]) -> list[str]:
    lines = ["", "constexpr std::array<rg_plan, RG_MAX_SYSCALLS> all_plans{{"]
    for nr in range(MAX_SYSCALLS):
        if nr in plans:
            lines.append(f"    {plan_text(plans[nr])}, // {nr} {table.calls[nr].name}")
        else:
            lines.append("    {},")
    return [*lines, "}};"]


def variants_text(variants: list[Variant]) -> list[str]:
    ordered = sorted(variants, key=lambda variant: (variant.line.number, variant.command))
    if not ordered:
        return ["", "constexpr std::array<VariantPlan, 0> all_variants{};"]
    lines = ["", f"constexpr std::array<VariantPlan, {len(ordered)}> all_variants{{{{"]
    for variant in ordered:
        key = f"{{{variant.line.number}, {variant.command:#x}}}"
        lines.append(f"    {{{key}, {plan_text(variant.plan)}}}, // {variant.line.full_name}")
    return [*lines, "}};"]


def names_text(numbers: dict[str, int]) -> list[str]:
    by_number = {number: name for name, number in numbers.items()}
    lines = ["", "constexpr std::array<const char *, RG_MAX_SYSCALLS> all_names{{"]
    for nr in range(MAX_SYSCALLS):
        lines.append(f'    "{by_number[nr]}",' if nr in by_number else "    nullptr,")
    lines += ["}};", "", "struct NamedNumber {", "    std::string_view name;", "    int number;", "};"]
    lines += ["", f"constexpr std::array<NamedNumber, {len(numbers)}> all_numbers{{{{"]
    lines += [f'    {{"{name}", {number}}},' for name, number in sorted(numbers.items())]
    return [*lines, "}};"]


def render(arch: str) -> str:
    """Return the C++ text.

    Raises:
        PlanError: a line of the table says more than a copy plan can.
        TableError: the table's files are wrong.
    """
    table = load(arch)
    if table.problems:
        raise TableError(table.problems)
    plans, variants = plans_of(table)
    numbers = {name: number for name, number in table.numbers.items() if number < MAX_SYSCALLS}
    if len(numbers) < len(table.numbers):
        raise ValueError(f"a number of {arch} is above RG_MAX_SYSCALLS")
    lines = [*plans_text(table, plans), *variants_text(variants), *names_text(numbers)]
    return HEAD.format(arch=arch) + "\n".join(lines) + "\n" + TAIL


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", choices=("x86_64", "arm64"), required=True)
    parser.add_argument("output", type=Path)
    arguments = parser.parse_args()
    try:
        text = render(arguments.arch)
    except (RetrogradeError, PlanError, ValueError) as error:
        print(f"{os.path.basename(__file__)}: {error}", file=sys.stderr)
        return 1
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
