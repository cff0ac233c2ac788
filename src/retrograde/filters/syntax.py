"""The grammar of filters: from text to a tree and back.

    filter     = conjunction {"or" conjunction}
    conjunction = factor {"and" factor}
    factor     = "not" factor | "(" filter ")" | check
    check      = FIELD "exists" | FIELD operator VALUE | FIELD list-operator "(" VALUE {"," VALUE} ")"

A value is bare, or in single or double quotes; within quotes a backslash before a quote or a backslash takes its
special meaning away. What a field can be compared with is not the grammar's business (retrograde.filters.check).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from retrograde.errors import SyntaxUsageError

SYMBOLS = ("==", "=", "!=", "<=", "<", ">=", ">")
WORDS = ("contains", "icontains", "startswith", "endswith", "glob", "regex")
LISTS = ("in", "intersects", "pmatch")
OPERATORS = (*SYMBOLS, *WORDS, *LISTS, "exists")
KEYWORDS = ("and", "or", "not")
MAX_DEPTH = 100

_BLANK = re.compile(r"\s*")
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*(?:\[[^\]\s]*\]?)?")
_SYMBOL = re.compile(r"==|!=|<=|>=|=|<|>")
_WORD = re.compile(r"[A-Za-z_]+")
_SPOILT = re.compile(r"[^\s()]+")
_BARE = re.compile(r"(?![=!'\"])[^\s(),]+")
_QUOTED = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"", re.DOTALL)
_ESCAPE = re.compile(r"\\([\\'\"])")
_PLAIN = re.compile(r"[A-Za-z0-9_./:+*?@%-]+")


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands in a filter's text, in characters."""

    position: int = 0
    length: int = 1


@dataclass(frozen=True, slots=True)
class Constant:
    """A value as it was written.

    Attributes:
        text: without its quotes.
        place: where; not part of its identity.
    """

    text: str
    place: Place = field(default=Place(), compare=False)

    def __str__(self) -> str:
        if _PLAIN.fullmatch(self.text):
            return self.text
        escaped = self.text.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'


@dataclass(frozen=True, slots=True)
class Comparison:
    """A field, an operator and the values behind it.

    Attributes:
        name: of the field.
        operator: one of :data:`OPERATORS`; `==` is written `=`.
        values: one, several for :data:`LISTS`, none for `exists`.
        name_place, operator_place: where they stand.
    """

    name: str
    operator: str
    values: tuple[Constant, ...] = ()
    name_place: Place = field(default=Place(), compare=False)
    operator_place: Place = field(default=Place(), compare=False)

    def __str__(self) -> str:
        if self.operator == "exists":
            return f"{self.name} exists"
        if self.operator in LISTS:
            return f"{self.name} {self.operator} ({', '.join(map(str, self.values))})"
        return f"{self.name} {self.operator} {self.values[0]}"


@dataclass(frozen=True, slots=True)
class Not:
    """True where its term is not."""

    term: Node

    def __str__(self) -> str:
        return f"not ({self.term})" if isinstance(self.term, And | Or) else f"not {self.term}"


@dataclass(frozen=True, slots=True)
class And:
    """True where all its terms are; at least two."""

    terms: tuple[Node, ...]

    def __str__(self) -> str:
        return " and ".join(f"({term})" if isinstance(term, And | Or) else str(term) for term in self.terms)


@dataclass(frozen=True, slots=True)
class Or:
    """True where any of its terms is; at least two."""

    terms: tuple[Node, ...]

    def __str__(self) -> str:
        return " or ".join(f"({term})" if isinstance(term, Or) else str(term) for term in self.terms)


Node = Comparison | Not | And | Or


class Parser:
    """A recursive-descent parser of one text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def error(self, message: str, place: Place, hint: str | None = None) -> SyntaxUsageError:
        """Return the exception for something wrong at a place."""
        return SyntaxUsageError(message, text=self.text, position=place.position, length=place.length, hint=hint)

    def parse(self) -> Node:
        """Return the tree of the whole text."""
        self._blank()
        if self._done():
            raise self.error("the filter is empty", Place(), "for example: evt.type = openat and evt.failed = true")
        node = self._disjunction(0)
        if not self._done():
            raise self._unexpected_end_of_check()
        return node

    def _blank(self) -> None:
        match = _BLANK.match(self.text, self.at)
        self.at = match.end() if match else self.at

    def _done(self) -> bool:
        return self.at >= len(self.text)

    def _here(self, pattern: re.Pattern[str] = _SPOILT) -> Place:
        match = pattern.match(self.text, self.at)
        return Place(self.at, len(match[0]) if match else 1)

    def _take(self, character: str) -> bool:
        if self.text.startswith(character, self.at):
            self.at += len(character)
            self._blank()
            return True
        return False

    def _take_keyword(self, keyword: str) -> bool:
        match = _FIELD.match(self.text, self.at)
        if match is None or match[0] != keyword:
            return False
        self.at = match.end()
        self._blank()
        return True

    def _unexpected_end_of_check(self) -> SyntaxUsageError:
        place = self._here()
        word = self.text[place.position : place.position + place.length]
        if word.startswith(")"):
            return self.error("there is no ( for this )", place)
        if word.startswith(","):
            return self.error("a comma may stand only in a list", place, 'a value with a comma is quoted: "a,b"')
        near = difflib.get_close_matches(word.lower(), KEYWORDS[:2], n=1, cutoff=0.6)
        hint = f"did you mean {near[0]}?" if near else "a value with blanks is quoted: 'two words'"
        return self.error(f"needed is `and` or `or`, not {word!r}", place, hint)

    def _disjunction(self, depth: int) -> Node:
        terms = [self._conjunction(depth)]
        while self._take_keyword("or"):
            terms.append(self._conjunction(depth))
        return terms[0] if len(terms) == 1 else Or(tuple(terms))

    def _conjunction(self, depth: int) -> Node:
        terms = [self._factor(depth)]
        while self._take_keyword("and"):
            terms.append(self._factor(depth))
        return terms[0] if len(terms) == 1 else And(tuple(terms))

    def _factor(self, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise self.error(f"the filter is nested deeper than {MAX_DEPTH}", self._here())
        if self._take_keyword("not"):
            return Not(self._factor(depth + 1))
        opening = Place(self.at)
        if not self._take("("):
            return self._check()
        node = self._disjunction(depth + 1)
        if self._take(")"):
            return node
        if self._done():
            raise self.error("there is no ) for this (", opening)
        raise self._unexpected_end_of_check()

    def _check(self) -> Comparison:
        match = _FIELD.match(self.text, self.at)
        if match is None:
            place = self._here()
            if self._done():
                raise self.error("a field is missing at the end", Place(len(self.text)))
            word = self.text[place.position : place.position + place.length]
            raise self.error(f"needed is a field, not {word!r}", place, "`retrograde fields` lists them")
        name, name_place = match[0], Place(match.start(), len(match[0]))
        self.at = match.end()
        if name in KEYWORDS:
            raise self.error(f"needed is a field, not `{name}`", name_place)
        self._blank()
        operator, operator_place = self._operator(name, name_place)
        values: tuple[Constant, ...] = ()
        if operator in LISTS:
            values = self._list(operator, operator_place)
        elif operator != "exists":
            values = (self._value(f"behind `{operator}`"),)
        return Comparison(name, "=" if operator == "==" else operator, values, name_place, operator_place)

    def _operator(self, name: str, name_place: Place) -> tuple[str, Place]:
        match = _SYMBOL.match(self.text, self.at) or _WORD.match(self.text, self.at)
        word = match[0] if match else ""
        if word in OPERATORS:
            place = Place(self.at, len(word))
            self.at += len(word)
            self._blank()
            return word, place
        if self._done() or word in KEYWORDS or self.text[self.at] == ")":
            raise self.error(
                f"an operator is missing behind {name}", name_place, f"for example: {name} exists, or {name} = VALUE"
            )
        place = self._here()
        word = self.text[place.position : place.position + place.length]
        near = difflib.get_close_matches(word.lower(), [*WORDS, *LISTS, "exists", "!="], n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else f"operators are {' '.join(OPERATORS)}"
        if name in ("AND", "OR", "NOT"):
            raise self.error(f"needed is a field, not {name!r}", name_place, f"did you mean {name.lower()}?")
        raise self.error(f"there is no operator {word!r}", place, hint)

    def _list(self, operator: str, operator_place: Place) -> tuple[Constant, ...]:
        if not self._take("("):
            place = operator_place if self._done() else self._here()
            raise self.error(f"needed is a list behind `{operator}`", place, f"for example: {operator} (a, b)")
        opening = Place(self.at - 1)
        values = [self._value("in the list")]
        while self._take(","):
            values.append(self._value("in the list"))
        if not self._take(")"):
            if self._done():
                raise self.error("there is no ) for this (", opening)
            raise self.error(
                "needed is `,` or `)` in a list", self._here(), "a value with blanks is quoted: 'two words'"
            )
        return tuple(values)

    def _value(self, where: str) -> Constant:
        start = self.at
        match = _QUOTED.match(self.text, start)
        if match:
            text = _ESCAPE.sub(r"\1", match[1] if match[1] is not None else match[2])
        else:
            match = _BARE.match(self.text, start)
            if match is None:
                if self.text[start : start + 1] in ("'", '"'):
                    raise self.error("the quote is not closed", Place(start))
                raise self.error(f"a value is missing {where}", self._here() if not self._done() else Place(start))
            text = match[0]
        self.at = match.end()
        place = Place(start, self.at - start)
        if match.re is _QUOTED and re.match(r"[^\s(),]", self.text[self.at : self.at + 1]):
            raise self.error("a blank is missing behind the quote", Place(self.at))
        self._blank()
        return Constant(text, place)


def parse_tree(text: str) -> Node:
    """Return the tree of a filter's text.

    Raises:
        SyntaxUsageError: it is no filter; it names the place.
    """
    return Parser(text).parse()


def comparisons(node: Node) -> Sequence[Comparison]:
    """Return the comparisons of a tree, from left to right."""
    if isinstance(node, Comparison):
        return [node]
    if isinstance(node, Not):
        return comparisons(node.term)
    return [check for term in node.terms for check in comparisons(term)]
