"""The tree of checks that a filter is made of, once every word of it is known to make sense."""

from __future__ import annotations

from dataclasses import dataclass

from retrograde.events import Event
from retrograde.filters.check import Check, bind
from retrograde.filters.syntax import And, Comparison, Node, Not


@dataclass(frozen=True, slots=True)
class Inverse:
    """Holds where its term does not."""

    term: Term

    def matches(self, event: Event) -> bool:
        """Return whether it holds for an event."""
        return not self.term.matches(event)


@dataclass(frozen=True, slots=True)
class AllOf:
    """Holds where all its terms do."""

    terms: tuple[Term, ...]

    def matches(self, event: Event) -> bool:
        """Return whether it holds for an event."""
        return all(term.matches(event) for term in self.terms)


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Holds where any of its terms does."""

    terms: tuple[Term, ...]

    def matches(self, event: Event) -> bool:
        """Return whether it holds for an event."""
        return any(term.matches(event) for term in self.terms)


Term = Check | Inverse | AllOf | AnyOf


def bind_tree(node: Node, text: str) -> Term:
    """Check all comparisons of a tree.

    Raises:
        SyntaxUsageError: one makes no sense.
    """
    if isinstance(node, Comparison):
        return bind(node, text)
    if isinstance(node, Not):
        return Inverse(bind_tree(node.term, text))
    terms = tuple(bind_tree(term, text) for term in node.terms)
    return AllOf(terms) if isinstance(node, And) else AnyOf(terms)


def checks(term: Term) -> list[Check]:
    """Return the checks of a tree, from left to right."""
    if isinstance(term, Check):
        return [term]
    if isinstance(term, Inverse):
        return checks(term.term)
    return [check for each in term.terms for check in checks(each)]
