"""Comparisons over the columns of a batch: what a filter can say of many events at once, without making any of them.

The logic has three values, as two boolean columns: where a filter surely holds, and where it surely does not. Where
neither, the columns do not tell and the event itself must be asked. What depends on the call alone (its name, its
category, whether it moves data) is asked once for each number of a call, through the same field that an event would be
asked through, so that the two can't disagree.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from retrograde.events import Event, EventFlag, Kind
from retrograde.filters.check import Check

if TYPE_CHECKING:
    from retrograde.recording import Batch
    from retrograde.syscalls import Syscall, Table

Booleans = NDArray[np.bool_]
Columns = tuple[Booleans, Booleans]

_NUMBERS = 1024  # of system calls: both architectures stay below 512
_OTHER = 2 * _NUMBERS  # first index of the kinds that are no calls
_UNKNOWN = _OTHER + 16
_INDICES = _UNKNOWN + 1
_OTHER_KINDS = (Kind.FORK, Kind.EXEC, Kind.EXIT, Kind.SIGNAL, Kind.SWITCH)

# Fields that are told by an event's kind and the line of the syscall table.
CALL_FIELDS = frozenset(
    {
        "evt.type",
        "syscall.type",
        "evt.category",
        "evt.dir",
        "evt.is_io",
        "evt.is_io_read",
        "evt.is_io_write",
        "evt.is_wait",
        "evt.count",
    }
)


def _results(batch: Batch) -> tuple[NDArray[Any], Booleans]:
    return batch.result, batch.kind == Kind.SYSCALL


def _failures(batch: Batch) -> Booleans:
    result = batch.result
    failures: Booleans = (batch.kind == Kind.SYSCALL) & (result < 0) & (result >= -4095)
    return failures


# Each returns the values, and where there are any (None for everywhere).
_NUMERIC: dict[str, Callable[[Batch], tuple[NDArray[Any], Booleans | None]]] = {
    "evt.num": lambda batch: (np.arange(batch.first_seq, batch.first_seq + batch.count, dtype=np.uint64), None),
    "evt.cpu": lambda batch: (batch.cpu, None),
    "evt.latency": lambda batch: (batch.duration, batch.kind == Kind.SYSCALL),
    "evt.rawres": _results,
    "proc.pid": lambda batch: (batch.pid, None),
    "thread.tid": lambda batch: (batch.tid, None),
}
_BOOLEAN: dict[str, Callable[[Batch], Booleans]] = {
    "evt.failed": _failures,
    "thread.ismain": lambda batch: batch.tid == batch.pid,
}

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def call_indices(batch: Batch) -> NDArray[np.intp]:
    """Return for each event the place of its kind and number in a table made by :func:`by_call`."""
    kind = batch.kind.astype(np.intp)
    nr = batch.nr
    known = (kind <= Kind.ENTER) & (kind >= Kind.SYSCALL) & (nr >= 0) & (nr < _NUMBERS)
    known &= (batch.flags & int(EventFlag.COMPAT)) == 0
    indices = np.where(known, nr + (kind - 1) * _NUMBERS, _UNKNOWN)
    other = (kind >= Kind.FORK) & (kind <= Kind.SWITCH)
    if other.any():
        indices[other] = _OTHER + kind[other]
    return indices


def _synthetic(kind: int, nr: int, syscall: Syscall | None) -> Event:
    return Event(0, kind, 0, 0, 0, 0, nr, 0, 0, 0, (0, 0, 0, 0, 0, 0), [], syscall)


def by_call(check: Check, table: Table) -> Columns:
    """Return where a check of one of :data:`CALL_FIELDS` surely holds and surely does not, by :func:`call_indices`."""
    holds, fails = np.zeros(_INDICES, np.bool_), np.zeros(_INDICES, np.bool_)

    def enter(index: int, events: Iterable[Event]) -> None:
        answers = {check.matches(event) for event in events}
        holds[index], fails[index] = answers == {True}, answers == {False}

    for nr, line in table.calls.items():
        if 0 <= nr < _NUMBERS:
            lines = [line, *table.variants.get(line.name, ())]
            for kind in (Kind.SYSCALL, Kind.ENTER):
                enter(nr + (kind - 1) * _NUMBERS, (_synthetic(kind, nr, each) for each in lines))
    for other in _OTHER_KINDS:
        enter(_OTHER + other, [_synthetic(other, -1, None)])
    return holds, fails


def compare(values: NDArray[Any], sign: str, constant: int) -> Booleans:
    """Compare a column of integers with a number of any size, exactly."""
    limits = np.iinfo(values.dtype)
    if limits.min <= constant <= limits.max:
        result: Booleans = _COMPARE[sign](values, values.dtype.type(constant))
        return result
    # The number lies outside of what the column can hold: any value of the column decides for all.
    return np.full(len(values), bool(_COMPARE[sign](0, constant)), np.bool_)


def _numeric(check: Check, values: NDArray[Any]) -> Booleans:
    if check.operator == "exists":
        return np.ones(len(values), np.bool_)
    if check.operator == "in":
        result = np.zeros(len(values), np.bool_)
        for constant in check.constants:
            result |= compare(values, "=", constant)
        return result
    return compare(values, check.operator, check.constants[0])


class ColumnCheck:
    """A check that can be made over columns."""

    def __init__(self, check: Check) -> None:
        self.check = check
        self._tables: dict[str, Columns] = {}

    @staticmethod
    def suits(check: Check) -> bool:
        """Return whether the columns can tell anything about a check."""
        name = check.field.name
        return name in CALL_FIELDS or name in _NUMERIC or name in _BOOLEAN

    def columns(self, batch: Batch, table: Table, indices: Callable[[], NDArray[np.intp]]) -> Columns:
        """Return where the check surely holds, and where it surely does not."""
        name = self.check.field.name
        if name in CALL_FIELDS:
            if table.arch not in self._tables:
                self._tables[table.arch] = by_call(self.check, table)
            holds, fails = self._tables[table.arch]
            rows = indices()
            return holds[rows], fails[rows]
        if name in _BOOLEAN:
            column = _BOOLEAN[name](batch)
            true, false = self.check.test(True), self.check.test(False)
            result = np.where(column, true, false)
        else:
            values, present = _NUMERIC[name](batch)
            result = _numeric(self.check, values)
            if present is not None:
                result &= present
        return result, ~result
