"""What of a filter the capture can select by itself: sets of values that the filter needs, or more than it needs."""

from __future__ import annotations

from typing import TypedDict

from retrograde.fields.choices import OTHER_EVENTS, syscalls
from retrograde.fields.registry import KernelKey
from retrograde.filters.check import Check
from retrograde.filters.tree import AllOf, AnyOf, Inverse, Term


class KernelSelection(TypedDict):
    """What to capture; None means everything.

    An event is wanted only if it lies in all the sets. Other events than system calls are always captured.
    """

    syscalls: set[str] | None
    pids: set[int] | None
    comms: set[str] | None


# How the kernel knows a thread's name: 15 bytes of it (TASK_COMM_LEN).
_COMM_LENGTH = 15


def _chosen(check: Check, key: KernelKey, negated: bool) -> set[str | int] | None:
    """Return the only values of a key for which a comparison can hold, None where it does not narrow them down."""
    if check.field.kernel != key or check.operator not in ("=", "!=", "in"):
        return None
    values: set[str | int] = set(check.constants)
    if (check.operator == "!=") == negated:
        return values
    if key != "syscall":
        return None
    # The calls can be listed, so that all but some are a set as well.
    return {name for name in syscalls() if name not in values}


def select(term: Term, key: KernelKey, negated: bool = False) -> set[str | int] | None:
    """Return the only values of a key for which a filter can hold, None for any."""
    if isinstance(term, Inverse):
        return select(term.term, key, not negated)
    if isinstance(term, AllOf | AnyOf):
        sets = [select(each, key, negated) for each in term.terms]
        if isinstance(term, AllOf) != negated:
            narrow = [each for each in sets if each is not None]
            return set.intersection(*narrow) if narrow else None
        wide = [each for each in sets if each is not None]
        return set.union(*wide) if len(wide) == len(sets) else None
    return _chosen(term, key, negated)


def kernel_selection(term: Term, names: set[str]) -> KernelSelection:
    """Return what the capture can select by itself.

    Args:
        term: the filter.
        names: of the fields it uses. Names of descriptors come from calls that open and close them: a filter that asks
            for them needs those calls too.
    """
    calls = select(term, "syscall")
    if calls is not None:
        calls -= set(OTHER_EVENTS) - syscalls()
        if any(name.startswith("fd.") or name in ("proc.cwd", "evt.args", "evt.info") for name in names):
            calls |= state_calls()
    pids = select(term, "pid")
    comms = select(term, "comm")
    if comms is not None and any(len(str(comm).encode("utf-8", "surrogateescape")) > _COMM_LENGTH for comm in comms):
        comms = None
    return {
        "syscalls": None if calls is None else {str(name) for name in calls},
        "pids": None if pids is None else {int(pid) for pid in pids},
        "comms": None if comms is None else {str(comm) for comm in comms},
    }


def state_calls() -> set[str]:
    """Return the calls that change what is known of processes and descriptors."""
    from retrograde.state.calls import HANDLERS, LATE_HANDLERS

    return {*HANDLERS, *LATE_HANDLERS} & syscalls()
