"""The parser of structures and constant sets; both are indexed first, and taken apart when they are asked for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from retrograde.syscalls.language import ARCHITECTURES, Resolver, blank_comments, split_commas
from retrograde.syscalls.model import NUMBERS, SET_DEFAULT_WIDTH, ConstantSet, Struct, StructField, Type
from retrograde.syscalls.problems import MistakeError, Problem, did_you_mean, problem_at

_HEAD = re.compile(
    r"^(?P<keyword>[A-Za-z_]\w*)\s+(?P<name>\w+)(?::(?P<width>\w+))?(?P<attributes>(?:\s+@\w+)*)"
    r"(?:\s+mask\s+(?P<mask>\w+))?\s*(?P<open>\{)",
    re.MULTILINE,
)
_CONSTANT = re.compile(r"\s*(\w+)((?:\s+@\w+)*)\s*=\s*(.*\S)\s*$", re.DOTALL)
_FIELD = re.compile(r"\s*(\w+)\s*:\s*(\w+(?::\w+)?)(?:\[([^\]]*)\])?\s*$")
_PAD = re.compile(r"\s*pad\s*\[\s*(\w+)\s*\]\s*$")
_ZERO = re.compile(r"\s*zero\s+(\w+)")
_TOKEN = re.compile(r"\s*(?:(0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+|\d+)|([A-Za-z_]\w*)|(<<|[|&+*()~-]))")

SET_KEYWORDS = ("flags", "enum", "mixed")
STRUCT_KEYWORDS = ("struct", "union")


class Definition(NamedTuple):
    """A definition whose place is known and whose body has not been read."""

    file: str
    text: str
    keyword: str
    name: str
    width: str | None
    mask: str | None
    arches: tuple[str, ...]
    packed: bool
    start: int
    body: int
    end: int

    @property
    def line(self) -> int:
        return self.text.count("\n", 0, self.start) + 1


def index_definitions(file: str, text: str, keywords: tuple[str, ...], problems: list[Problem]) -> list[Definition]:
    """Find the definitions of a file.

    Args:
        file: its path, for problems.
        text: its content.
        keywords: the words that begin a definition.
        problems: mistakes are added here.
    """
    clean = blank_comments(text)
    heads = list(_HEAD.finditer(clean))
    found = []
    covered = 0
    for position, head in enumerate(heads):
        end = heads[position + 1].start() if position + 1 < len(heads) else len(clean)
        stray = clean[covered : head.start()] if position == 0 else ""
        if stray.strip():
            offset = covered + len(stray) - len(stray.lstrip())
            problems.append(problem_at(file, text, MistakeError(_expected(keywords), offset, len(stray.split()[0]))))
        covered = end
        if head["keyword"] not in keywords:
            mistake = MistakeError(
                _expected(keywords), head.start(), len(head["keyword"]), did_you_mean(head["keyword"], keywords)
            )
            problems.append(problem_at(file, text, mistake))
            continue
        attributes = tuple(word.lstrip("@") for word in head["attributes"].split())
        arches = tuple(word for word in attributes if word in ARCHITECTURES)
        packed = "packed" in attributes
        for word in attributes:
            if word not in ARCHITECTURES and (word != "packed" or head["keyword"] != "struct"):
                offset = clean.index("@" + word, head.start())
                problems.append(
                    problem_at(file, text, MistakeError(f"unknown attribute @{word}", offset, len(word) + 1))
                )
        found.append(
            Definition(
                file, clean, head["keyword"], head["name"], head["width"], head["mask"], arches, packed,
                head.start(), head.start("open"), end,
            )
        )  # fmt: skip
    if not heads and clean.strip():
        offset = len(clean) - len(clean.lstrip())
        problems.append(problem_at(file, text, MistakeError(_expected(keywords), offset)))
    return found


def _expected(keywords: tuple[str, ...]) -> str:
    return f"expected a definition: {' or '.join(keywords)}, a name, and a body in braces"


def _bodies(definition: Definition) -> tuple[list[tuple[int, str]], int]:
    """Return (offset, text) of each pair of braces, and the offset behind the last."""
    bodies = []
    position = definition.body
    text = definition.text
    while True:
        close = text.find("}", position, definition.end)
        if close < 0:
            raise MistakeError("this '{' is never closed", position)
        bodies.append((position + 1, text[position + 1 : close]))
        position = close + 1
        following = re.compile(r"\s*\{").match(text, position, definition.end)
        if following is None:
            return bodies, position
        position = following.end() - 1


def evaluate(text: str, names: Callable[[str], int | None]) -> int:
    """Return the value of a constant expression: numbers, names, and the operators of C that flags are made with.

    Args:
        text: the expression.
        names: finds the value of a name, or None.

    Raises:
        MistakeError: at an offset of the text.
    """
    tokens: list[tuple[int, str, str | None]] = []
    position = 0
    stripped = text.rstrip()
    while position < len(stripped):
        match = _TOKEN.match(stripped, position)
        if match is None:
            raise MistakeError("not a value", position, len(stripped) - position)
        kind = ("number", "name", "operator")[(match.lastindex or 1) - 1]
        tokens.append((match.start(match.lastindex or 1), kind, match[match.lastindex or 1]))
        position = match.end()
    tokens.append((len(stripped), "end", None))
    return _Expression(tokens, names).value()


class _Expression:
    """Precedence climbing over the tokens of an expression."""

    _LEVELS = (("|",), ("&",), ("<<",), ("+", "-"), ("*",))

    def __init__(self, tokens: list[tuple[int, str, str | None]], names: Callable[[str], int | None]) -> None:
        self._tokens = tokens
        self._names = names
        self._at = 0

    def value(self) -> int:
        result = self._binary(0)
        offset, kind, word = self._tokens[self._at]
        if kind != "end":
            raise MistakeError("not part of a value", offset, len(word or " "))
        return result

    def _binary(self, level: int) -> int:
        if level == len(self._LEVELS):
            return self._unary()
        left = self._binary(level + 1)
        while self._tokens[self._at][1] == "operator" and self._tokens[self._at][2] in self._LEVELS[level]:
            offset, _, operator = self._tokens[self._at]
            self._at += 1
            right = self._binary(level + 1)
            if operator == "|":
                left |= right
            elif operator == "&":
                left &= right
            elif operator == "<<":
                if not 0 <= right < 64:
                    raise MistakeError("shifted by more than 63", offset, 2)
                left <<= right
            elif operator == "+":
                left += right
            elif operator == "-":
                left -= right
            else:
                left *= right
        return left

    def _unary(self) -> int:
        offset, kind, word = self._tokens[self._at]
        self._at += 1
        if kind == "number":
            try:
                return int(word or "", 0)
            except ValueError:
                raise MistakeError("not a number; octal is 0o17", offset, len(word or "")) from None
        if kind == "name":
            value = self._names(word or "")
            if value is None:
                raise MistakeError(f"{word} has no value here", offset, len(word or ""))
            return value
        if word == "-":
            return -self._unary()
        if word == "~":
            return ~self._unary()
        if word == "(":
            value = self._binary(0)
            if self._tokens[self._at][2] != ")":
                raise MistakeError("this '(' is never closed", offset)
            self._at += 1
            return value
        raise MistakeError("expected a value", offset)


def parse_set(definition: Definition, arch: str) -> ConstantSet:
    """Read a set of constants as it is on one architecture.

    Raises:
        MistakeError: at an offset of the definition's file.
    """
    bodies, end = _bodies(definition)
    wanted = 2 if definition.keyword == "mixed" else 1
    if len(bodies) != wanted:
        raise MistakeError(
            f"{definition.keyword} has {wanted} {'bodies' if wanted > 1 else 'body'} in braces", definition.start
        )
    if (definition.mask is None) == (definition.keyword == "mixed"):
        raise MistakeError("a mixed set has a mask, no other has", definition.start, len(definition.keyword))
    zero = _ZERO.match(definition.text, end, definition.end)
    rest = definition.text[zero.end() if zero else end : definition.end]
    if rest.strip():
        offset = definition.end - len(rest.lstrip())
        raise MistakeError("expected `zero NAME` or the next definition", offset, len(rest.split()[0]))
    values: dict[str, int] = {}
    elsewhere: set[str] = set()
    for start, body in bodies:
        for offset, part in split_commas(body):
            if part and not part.isspace():
                try:
                    _constant(part, arch, values, elsewhere)
                except MistakeError as mistake:
                    raise mistake.shifted(start + offset) from None
    width, signed = NUMBERS[_width(definition)]
    mask = evaluate(definition.mask, values.get) if definition.mask else 0
    if zero:
        values.setdefault(zero[1], 0)
    return ConstantSet(
        definition.name,
        definition.keyword,
        values,
        mask,
        zero[1] if zero else None,
        width,
        signed,
        definition.file,
        definition.line,
    )


def _width(definition: Definition) -> str:
    width = definition.width or SET_DEFAULT_WIDTH
    if width not in NUMBERS:
        raise MistakeError(f"{width} is no width", definition.start, definition.body - definition.start)
    return width


def set_type(definition: Definition) -> Type:
    """Return the type of a number whose values the set names."""
    width, signed = NUMBERS.get(definition.width or SET_DEFAULT_WIDTH, (4, False))
    return Type(definition.keyword, definition.name, width, signed)


def _constant(part: str, arch: str, values: dict[str, int], elsewhere: set[str]) -> None:
    name, _, value = part.partition("=")
    name = name.strip()
    # Nearly all constants look like this.
    if value and name.isidentifier() and name not in values:
        try:
            values[name] = int(value, 0)
        except ValueError:
            pass
        else:
            return
    match = _CONSTANT.match(part)
    if match is None:
        lead = len(part) - len(part.lstrip())
        raise MistakeError("expected `NAME = value`", lead, len(part.strip()))
    name = match[1]
    arches = [word.lstrip("@") for word in match[2].split()]
    for word in arches:
        if word not in ARCHITECTURES:
            raise MistakeError(
                f"unknown architecture @{word}", match.start(2), len(match[2]), did_you_mean(word, ARCHITECTURES)
            )
    if arches and arch not in arches:
        elsewhere.add(name)
        return
    if name in values:
        raise MistakeError(f"{name} stands here twice", match.start(1), len(name))
    try:
        values[name] = evaluate(match[3], values.get)
    except MistakeError as mistake:
        raise mistake.shifted(match.start(3)) from None


def parse_struct(definition: Definition, resolver: Resolver, structs: Callable[[str], Struct]) -> Struct:
    """Lay a structure out.

    Args:
        definition: where it stands.
        resolver: of the types of its fields.
        structs: returns a structure that it holds.

    Raises:
        MistakeError: at an offset of the definition's file.
    """
    bodies, end = _bodies(definition)
    rest = definition.text[end : definition.end]
    if len(bodies) > 1 or rest.strip():
        offset = definition.end - len(rest.lstrip()) if rest.strip() else bodies[1][0] - 1
        raise MistakeError("expected the next definition", offset)
    layout = _Layout(definition.keyword == "union", definition.packed)
    start, body = bodies[0]
    for offset, part in split_commas(body):
        if part and not part.isspace():
            try:
                _field(part, layout, resolver, structs)
            except MistakeError as mistake:
                raise mistake.shifted(start + offset) from None
    if not layout.fields:
        raise MistakeError(f"{definition.name} has no fields", definition.start, len(definition.keyword))
    return layout.struct(definition)


class _Layout:
    """Natural alignment, as the C ABIs of both architectures have it."""

    def __init__(self, union: bool, packed: bool) -> None:
        self.union = union
        self.packed = packed
        self.offset = 0
        self.size = 0
        self.alignment = 1
        self.fields: list[StructField] = []

    def pad(self, size: int) -> None:
        if not self.union:
            self.offset += size
        self.size = max(self.size, self.offset, size)

    def add(self, name: str, type_: Type, size: int, alignment: int, count: int | None) -> None:
        alignment = 1 if self.packed else alignment
        offset = 0 if self.union else _aligned(self.offset, alignment)
        total = size * (1 if count is None else count)
        self.fields.append(StructField(name, type_, offset, total, count))
        self.alignment = max(self.alignment, alignment)
        self.offset = offset + total
        self.size = max(self.size, self.offset)

    def struct(self, definition: Definition) -> Struct:
        size = _aligned(self.size, self.alignment)
        return Struct(
            definition.name, size, self.alignment, tuple(self.fields), self.union, definition.file, definition.line
        )


def _aligned(offset: int, alignment: int) -> int:
    return (offset + alignment - 1) // alignment * alignment


def _field(part: str, layout: _Layout, resolver: Resolver, structs: Callable[[str], Struct]) -> None:
    pad = _PAD.match(part)
    if pad:
        try:
            layout.pad(int(pad[1], 0))
        except ValueError:
            raise MistakeError("padding is a number of bytes", pad.start(1), len(pad[1])) from None
        return
    match = _FIELD.match(part)
    lead = len(part) - len(part.lstrip())
    if match is None:
        raise MistakeError("expected `name: type` or `pad[n]`", lead, len(part.strip()))
    name, text, bracket = match.groups()
    if any(field.name == name for field in layout.fields):
        raise MistakeError(f"two fields are called {name}", match.start(1), len(name))
    count = None
    if bracket is not None:
        try:
            count = evaluate(bracket, lambda _: None)
        except MistakeError as mistake:
            raise mistake.shifted(match.start(3)) from None
    if text in ("string", "bytes", "sockaddr"):
        if count is None:
            raise MistakeError(f"{text} in a structure needs its size: {text}[n]", match.start(2), len(text))
        # struct sockaddr is 2-aligned by its family, sockaddr_storage by a long (include/uapi/linux/socket.h).
        alignment = 1 if text != "sockaddr" else 8 if count >= 128 else 2
        layout.add(name, Type(text, text), 1, alignment, count)
        return
    try:
        type_ = resolver.type(text)
    except MistakeError as mistake:
        raise mistake.shifted(match.start(2)) from None
    if type_.width:
        layout.add(name, type_, type_.width, type_.width, count)
    elif type_.kind == "struct":
        nested = structs(type_.name)
        layout.add(name, type_, nested.size, nested.alignment, count)
    else:
        raise MistakeError(f"{text} can't stand in a structure; a pointer is `addr`", match.start(2), len(text))


def select(definitions: Iterable[Definition], arch: str, problems: list[Problem]) -> dict[str, Definition]:
    """Return the definitions that hold on an architecture, by name; a name that stands twice is a problem."""
    selected: dict[str, Definition] = {}
    for definition in definitions:
        if definition.arches and arch not in definition.arches:
            continue
        if definition.name in selected:
            other = selected[definition.name]
            message = f"{definition.name} is defined in {other.file}:{other.line} already"
            problems.append(
                problem_at(
                    definition.file, definition.text, MistakeError(message, definition.start, len(definition.keyword))
                )
            )
            continue
        selected[definition.name] = definition
    return selected
