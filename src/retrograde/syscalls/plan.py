"""The copy plan: which memory a capture keeps for a call, as bpf/wire.h's structures say it."""

from __future__ import annotations

from typing import NamedTuple

from retrograde.syscalls.language import deref_width
from retrograde.syscalls.model import Param, Syscall, Term
from retrograde.syscalls.table import Table

SIMPLE_OPS = {
    "path": "STRING",
    "string": "STRING",
    "strings": "STRINGS",
    "iovec": "IOVEC",
    "msghdr": "MSGHDR",
    "mmsghdr": "MMSGHDR",
    "ioctl_arg": "IOCTL",
}
MAX_LENGTH = 0xFFFF_FFFF
MAX_ADDEND = 0xFFFF


class PlanError(ValueError):
    """The plan can't say what a line says."""

    def __init__(self, line: Syscall, reason: str) -> None:
        super().__init__(f"{line.full_name}: {reason}")
        self.line = line
        self.reason = reason


class LengthTerm(NamedTuple):
    """struct rg_length: one bound of a length in bytes."""

    kind: str = "NONE"
    arg: int = 0
    multiplier: int = 0
    addend: int = 0


class Op(NamedTuple):
    """struct rg_op: the memory of one argument."""

    kind: str
    arg: int
    flags: tuple[str, ...]
    lengths: tuple[LengthTerm, ...]


class Plan(NamedTuple):
    """struct rg_plan: the memory of a call."""

    ops: tuple[Op, ...] = ()
    flags: tuple[str, ...] = ()
    deref_arg: int = 0
    selector: int = 0
    selector_mask: int = 0


class Variant(NamedTuple):
    """The plan of a call whose command has a value."""

    line: Syscall
    command: int
    plan: Plan


def plan_of(table: Table, line: Syscall) -> Plan:
    """Return the plan of one line, as if the call had no variants.

    Raises:
        PlanError: the line says more than a plan can.
    """
    if line.unsupported and not line.params:
        return Plan()
    ops = tuple(_op(table, line, index, param) for index, param in enumerate(line.params) if param.direction)
    derefs = {length.arg for op in ops for length in op.lengths if length.kind.startswith("DEREF")}
    if len(derefs) > 1 and not line.irregular:
        raise PlanError(line, "two lengths depend on different memory: @irregular")
    flags = [
        name
        for name, there in (
            ("ENTER", line.at_enter),
            ("DEREF", bool(derefs)),
            ("NORETURN", line.noreturn),
            ("IRREGULAR", line.irregular is not None),
        )
        if there
    ]
    return Plan(ops, tuple(flags), min(derefs, default=0))


def plans_of(table: Table) -> tuple[dict[int, Plan], list[Variant]]:
    """Return the plans by number, and those of variants whose memory is not that of the line without `$`.

    Raises:
        PlanError: a line says more than a plan can.
    """
    plans = {}
    variants = []
    for nr, line in sorted(table.calls.items()):
        plan = plan_of(table, line)
        chosen: dict[int, Variant] = {}
        selectors = set()
        for chooser in table.choosers(nr):
            for key, variant in chooser.lines.items():
                own = plan_of(table, variant)
                if own == plan:
                    continue
                if len(chooser.selectors) > 1 and own._replace(flags=plan.flags) != plan:
                    raise PlanError(variant, "memory that depends on two commands: make the line without `$` say it")
                # Of two commands the last one selects: an irregular line's owner looks at the other.
                selectors.add(chooser.selectors[-1])
                chosen.setdefault(key[-1], Variant(variant, key[-1], own))
        if len(selectors) > 1:
            raise PlanError(line, "its variants' memory depends on different arguments")
        if chosen:
            selector, mask = selectors.pop()
            plan = _with_variants(line, plan, [variant.plan for variant in chosen.values()], selector, mask)
            variants += [chosen[command] for command in sorted(chosen)]
        plans[nr] = plan
    return plans, variants


def _with_variants(line: Syscall, plan: Plan, others: list[Plan], selector: int, mask: int) -> Plan:
    """Return the base plan that leads to variants; what must be known at enter is in it."""
    derefs = {other.deref_arg for other in [plan, *others] if "DEREF" in other.flags}
    if len(derefs) > 1:
        raise PlanError(line, "the lengths of its variants depend on different memory")
    flags = [*plan.flags, "VARIANTS"]
    if derefs and "DEREF" not in flags:
        flags.append("DEREF")
    return plan._replace(
        flags=tuple(flags), deref_arg=derefs.pop() if derefs else 0, selector=selector, selector_mask=mask & 0xFFFF_FFFF
    )


def _op(table: Table, line: Syscall, index: int, param: Param) -> Op:
    type_ = param.type
    kind = SIMPLE_OPS.get(type_.kind, "BYTES")
    if kind == "IOCTL" and index == 0:
        raise PlanError(line, "ioctl_arg needs the command in the second argument")
    size = table.element_size(type_)
    lengths: tuple[LengthTerm, ...] = ()
    if type_.in_bytes:
        assert type_.length is not None
        lengths = tuple(_length(line, term, 1) for term in type_.length.terms)
    elif type_.kind in ("fdset", "bitmap"):
        assert type_.length is not None
        term = type_.length.terms[0]
        if len(type_.length.terms) > 1 or (term.kind, term.multiplier) != ("arg", 1):
            raise PlanError(line, f"the bits of a {type_.kind} are counted by an argument")
        lengths = (LengthTerm("BITMAP" + _narrow(line, term), term.arg, 1),)
    elif type_.length is not None:
        scale = 1 if kind in ("IOVEC", "MMSGHDR") else size
        lengths = tuple(_length(line, term, scale) for term in type_.length.terms)
    elif kind == "BYTES":
        lengths = (LengthTerm("CONST", 0, size),)
    flags = [
        name
        for name, there in (
            ("IN", param.direction in ("in", "inout")),
            ("OUT", param.direction in ("out", "inout")),
            ("ALWAYS", param.always),
            ("PAYLOAD", param.payload),
        )
        if there
    ]
    return Op(kind, index, tuple(flags), lengths)


def _length(line: Syscall, term: Term, scale: int) -> LengthTerm:
    multiplier = term.multiplier * scale
    if not 0 < multiplier <= MAX_LENGTH:
        raise PlanError(line, f"a length is multiplied by {multiplier}")
    addend = term.addend * scale
    if term.kind == "const":
        return LengthTerm("CONST", 0, multiplier + addend)
    if addend > MAX_ADDEND:
        raise PlanError(line, f"{addend} bytes can't be added to a length")
    if term.kind == "deref":
        return LengthTerm(f"DEREF{8 * deref_width(line.params[term.arg])}", term.arg, multiplier, addend)
    if term.kind == "arg":
        return LengthTerm("ARG" + _narrow(line, term), term.arg, multiplier, addend)
    return LengthTerm(term.kind.upper(), max(0, term.arg), multiplier, addend)


def _narrow(line: Syscall, term: Term) -> str:
    """Return what ends a kind whose argument the kernel takes 32 bits of: the register's others mean nothing."""
    type_ = line.params[term.arg].type
    if type_.width != 4:
        return ""
    return "_I32" if type_.signed else "_U32"
