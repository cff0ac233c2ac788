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
from retrograde.fields.event import COUNTS_MESSAGES
from retrograde.filters.check import Check

if TYPE_CHECKING:
    from retrograde.recording import Batch
    from retrograde.syscalls import Syscall, Table

Booleans = NDArray[np.bool_]
Columns = tuple[Booleans, Booleans]
Indices = Callable[[], NDArray[np.intp]]

_NUMBERS = 1024  # of system calls: both architectures stay below 512
_OTHER = 2 * _NUMBERS  # first index of the kinds that are no calls
_UNKNOWN = _OTHER + 16
_INDICES = _UNKNOWN + 1
_RAW_ARGUMENT = "evt.rawarg."
_RESULT, _ABSENT, _UNDECIDED = 6, -1, -2  # where a value is, besides the numbers of arguments
_OTHER_KINDS = (
    Kind.FORK,
    Kind.EXEC,
    Kind.EXIT,
    Kind.SIGNAL,
    Kind.SWITCH,
    Kind.START,
    Kind.MAPPED,
    Kind.TRAP,
    Kind.WRITTEN,
    Kind.CHECKSUM,
)

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
    other = (kind >= Kind.FORK) & (kind <= Kind.CHECKSUM) & (kind != Kind.DATA)
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


def _by_argument(check: Check, table: Table) -> NDArray[np.int8]:
    """Return which column `evt.rawarg.NAME` is, by :func:`call_indices`: an argument's number, or one of the below."""
    from retrograde.printer.renderer import Renderer

    name = check.field.name.removeprefix(_RAW_ARGUMENT)
    sources = np.full(_INDICES, _ABSENT, np.int8)
    sources[_UNKNOWN] = _UNDECIDED
    for nr, line in table.calls.items():
        if not 0 <= nr < _NUMBERS:
            continue
        for kind in (Kind.SYSCALL, Kind.ENTER):
            found = set()
            for each in (line, *table.variants.get(line.name, ())):
                names = [param.name for param in each.params]
                if kind == Kind.SYSCALL and name == Renderer.result_name(each):
                    found.add(_RESULT)
                else:
                    found.add(names.index(name) if name in names else _ABSENT)
            sources[nr + (kind - 1) * _NUMBERS] = found.pop() if len(found) == 1 else _UNDECIDED
    return sources


def _by_error(check: Check, table: Table) -> Booleans:
    """Return where a check of `evt.res` holds, by the error's number; 0 is success."""
    line = next(iter(table.calls.values()), None)
    events = (_synthetic(Kind.SYSCALL, 0, line) for _ in range(4096))
    answers = []
    for number, event in enumerate(events):
        event.result = -number
        answers.append(check.matches(event))
    return np.array(answers, np.bool_)


def _by_length(table: Table) -> NDArray[np.int8]:
    """Return where `evt.buflen` is the result, by :func:`call_indices`: 1 where it is, 0 where there is none."""
    lengths = np.zeros(_INDICES, np.int8)
    lengths[_UNKNOWN] = _UNDECIDED
    for nr, line in table.calls.items():
        if 0 <= nr < _NUMBERS:
            lines = (line, *table.variants.get(line.name, ()))
            found = {each.io is not None and each.name not in COUNTS_MESSAGES for each in lines}
            lengths[nr] = found.pop() if len(found) == 1 else _UNDECIDED
    return lengths


class ColumnCheck:
    """A check that can be made over columns."""

    def __init__(self, check: Check) -> None:
        self.check = check
        self._made: dict[str, Any] = {}
        self._make: Callable[[Check, Table], Any]
        self._decide: Callable[[Batch, Any, Indices], Columns]
        name = check.field.name
        if name in CALL_FIELDS:
            self._make, self._decide = by_call, self._decide_call
        elif name.startswith(_RAW_ARGUMENT):
            self._make, self._decide = _by_argument, self._decide_argument
        elif name == "evt.res":
            self._make, self._decide = _by_error, self._decide_error
        elif name == "evt.buflen":
            self._make, self._decide = lambda check, table: _by_length(table), self._decide_length
        elif name in _BOOLEAN:
            self._make, self._decide = lambda check, table: None, self._decide_boolean
        else:
            self._make, self._decide = lambda check, table: None, self._decide_numeric

    @staticmethod
    def suits(check: Check) -> bool:
        """Return whether the columns can tell anything about a check."""
        name = check.field.name
        return (
            name in CALL_FIELDS
            or name in _NUMERIC
            or name in _BOOLEAN
            or name in ("evt.res", "evt.buflen")
            or name.startswith(_RAW_ARGUMENT)
        )

    def columns(self, batch: Batch, table: Table, indices: Indices) -> Columns:
        """Return where the check surely holds, and where it surely does not."""
        if table.arch not in self._made:
            self._made[table.arch] = self._make(self.check, table)
        return self._decide(batch, self._made[table.arch], indices)

    def _decide_call(self, batch: Batch, made: Columns, indices: Indices) -> Columns:
        rows = indices()
        return made[0][rows], made[1][rows]

    def _decide_argument(self, batch: Batch, made: NDArray[np.int8], indices: Indices) -> Columns:
        sources = made[indices()]
        holds = np.zeros(batch.count, np.bool_)
        for source in np.unique(sources):
            if source >= 0:
                column = batch.result if source == _RESULT else batch.args[source]
                rows = sources == source
                holds[rows] = _numeric(self.check, column[rows])
        return holds, ~holds & (sources != _UNDECIDED)

    def _decide_error(self, batch: Batch, made: Booleans, indices: Indices) -> Columns:
        numbers = np.where(_failures(batch), -batch.result, 0)
        holds = made[numbers] & (batch.kind == Kind.SYSCALL)
        return holds, ~holds

    def _decide_length(self, batch: Batch, made: NDArray[np.int8], indices: Indices) -> Columns:
        sources = made[indices()]
        holds = _numeric(self.check, np.maximum(batch.result, 0)) & (sources == 1)
        return holds, ~holds & (sources != _UNDECIDED)

    def _decide_boolean(self, batch: Batch, made: None, indices: Indices) -> Columns:
        column = _BOOLEAN[self.check.field.name](batch)
        holds = np.where(column, self.check.test(True), self.check.test(False))
        return holds, ~holds

    def _decide_numeric(self, batch: Batch, made: None, indices: Indices) -> Columns:
        values, present = _NUMERIC[self.check.field.name](batch)
        holds = _numeric(self.check, values)
        if present is not None:
            holds &= present
        return holds, ~holds
