"""Filters: which events are wanted, in one language at capture, live, when reading, in statistics and in exports.

wanted = filters.parse("evt.type in (open, openat) and evt.failed = true")
wanted.matches(event)
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from retrograde.events import Event, Kind
from retrograde.filters.check import Check
from retrograde.filters.columns import Booleans, ColumnCheck, Columns, Indices, call_indices
from retrograde.filters.kernel import KernelSelection, kernel_selection, state_calls
from retrograde.filters.syntax import MAX_DEPTH, OPERATORS, parse_tree
from retrograde.filters.tree import AllOf, Inverse, Term, bind_tree, checks

if TYPE_CHECKING:
    from retrograde.recording import Batch
    from retrograde.syscalls import Table

__all__ = ["MAX_DEPTH", "OPERATORS", "Filter", "KernelSelection", "parse", "state_calls"]


_OF_MEMORY = frozenset({"evt.info", "evt.buffer"})
_OF_THREAD = ("proc.", "thread.", "user.", "group.", "container.")


def _asks_thread(term: Term) -> bool:
    names = [check.field.name for check in checks(term)]
    return all(name.startswith(_OF_THREAD) and name != "proc.duration" for name in names)


def _all_of(terms: list[Term]) -> Callable[[Event], bool] | None:
    if not terms:
        return None
    return terms[0].matches if len(terms) == 1 else AllOf(tuple(terms)).matches


class Filter:
    """A filter that has been parsed and checked; :func:`parse` makes it.

    Attributes:
        text: as it was written.
        fields: names of the fields it uses.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.tree = parse_tree(text)
        self.term = bind_tree(self.tree, text)
        self.fields = {check.field.name for check in checks(self.term)}
        self.matches: Callable[[Event], bool] = self.term.matches
        self._columns: dict[int, ColumnCheck] = {}

    def __str__(self) -> str:
        """Return the filter in its plainest form; it parses to the same."""
        return str(self.tree)

    def __repr__(self) -> str:
        return f"Filter({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Filter) and self.tree == other.tree

    def __hash__(self) -> int:
        return hash(self.tree)

    def kernel_selection(self) -> KernelSelection:
        """Return what the capture can select by itself: all that the filter holds for, and maybe more."""
        return kernel_selection(self.term, self.fields)

    @cached_property
    def needs_no_memory(self) -> bool:
        """Whether no field looks at the memory that calls read and wrote."""
        return not any(name.startswith("evt.arg") or name in _OF_MEMORY for name in self.fields)

    @cached_property
    def of_thread(self) -> Callable[[Event], bool] | None:
        """What the filter asks of the event's thread and process alone; None where it asks nothing of them alone."""
        return _all_of([term for term in self._conjuncts if _asks_thread(term)])

    @cached_property
    def of_event(self) -> Callable[[Event], bool] | None:
        """What the filter asks besides :attr:`of_thread`."""
        return _all_of([term for term in self._conjuncts if not _asks_thread(term)])

    @property
    def _conjuncts(self) -> tuple[Term, ...]:
        return self.term.terms if isinstance(self.term, AllOf) else (self.term,)

    @cached_property
    def _suits(self) -> bool:
        return any(ColumnCheck.suits(check) for check in checks(self.term))

    @cached_property
    def decidable(self) -> bool:
        """Whether every comparison is one of columns, so that only odd rows remain undecided by :meth:`decide`."""
        return all(ColumnCheck.suits(check) for check in checks(self.term))

    def mask(self, batch: Batch, table: Table) -> NDArray[np.bool_] | None:
        """Select events by a batch's columns, as far as they tell.

        Args:
            batch: n events.
            table: the syscall table of their architecture.

        Returns:
            Shape (n,): False only where :meth:`matches` is surely False. Rows of kind DATA are always True: they belong
            to an event before them. None where the columns tell nothing.
        """
        if not self._suits:
            return None
        return ~self.decide(batch, table)[1]

    def decide(self, batch: Batch, table: Table) -> Columns:
        """Return where the filter surely holds and where it surely does not, two arrays of shape (n,).

        Rows of kind DATA and whatever the columns do not tell are False in both.
        """
        indices = _once(lambda: call_indices(batch))
        holds, fails = self._decide(self.term, batch, table, indices)
        rest = batch.kind == Kind.DATA
        if rest.any():
            holds, fails = holds & ~rest, fails & ~rest
        return holds, fails

    def _decide(self, term: Term, batch: Batch, table: Table, indices: Indices) -> Columns:
        if isinstance(term, Check):
            return self._decide_check(term, batch, table, indices)
        if isinstance(term, Inverse):
            holds, fails = self._decide(term.term, batch, table, indices)
            return fails, holds
        both = isinstance(term, AllOf)
        holds, fails = self._decide(term.terms[0], batch, table, indices)
        for other in term.terms[1:]:
            if (fails if both else holds).all():
                break
            more_holds, more_fails = self._decide(other, batch, table, indices)
            if both:
                holds, fails = holds & more_holds, fails | more_fails
            else:
                holds, fails = holds | more_holds, fails & more_fails
        return holds, fails

    def _decide_check(self, check: Check, batch: Batch, table: Table, indices: Indices) -> Columns:
        if not ColumnCheck.suits(check):
            unknown: Booleans = np.zeros(batch.count, np.bool_)
            return unknown, unknown
        column = self._columns.get(id(check))
        if column is None:
            column = self._columns[id(check)] = ColumnCheck(check)
        return column.columns(batch, table, indices)


def _once(make: Indices) -> Indices:
    """Return a function that calls ``make`` when first called and remembers what it returned."""
    made: list[NDArray[np.intp]] = []

    def get() -> NDArray[np.intp]:
        if not made:
            made.append(make())
        return made[0]

    return get


def parse(text: str) -> Filter:
    """Return the filter that a text says.

    Raises:
        SyntaxUsageError: it says none; a caret shows the word, and the hint the nearest right one.
    """
    return Filter(text)
