"""The parser of call lines and types (docs/reference/syscall-table.md)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, Protocol

from retrograde.syscalls.model import MEMORY, NUMBERS, Length, Param, Term, Type
from retrograde.syscalls.problems import MistakeError, did_you_mean

ARCHITECTURES = ("x86_64", "arm64")
MAX_PARAMS = 6

_BALANCED = r"(?:[^()]|\((?:[^()]|\([^()]*\))*\))*"
_LINE = re.compile(
    rf"(?P<name>\w+)(?:\$(?P<variant>\w+))?\s*\((?P<params>{_BALANCED})\)\s*->\s*(?P<returns>\w+(?::\w+)?)\s*(?P<rest>.*)$"
)
_ATTRIBUTE = re.compile(rf"@(\w+)(?:\(({_BALANCED})\))?(?=\s|$)\s*")
_PARAM = re.compile(
    r"\s*(?P<name>\w+)\s*:\s*(?:const\s+(?P<const>\w+)|"
    r"(?:(?P<direction>inout|in|out)\s+)?(?:(?P<always>always)\s+)?(?:(?P<payload>payload)\s+)?(?P<type>\w+(?::\w+)?(?:\[[^\]]*\]|\(.*\))?))\s*$"
)
_TYPE = re.compile(r"(\w+)(?::(\w+))?(?:\[([^\]]*)\]|\((.*)\))?$")
_FACTOR = re.compile(
    r"\s*(?:(?P<number>0[xX][0-9a-fA-F]+|\d+)|sizeof\s*\(\s*(?P<type>\w+)\s*\)|(?P<deref>\*)?\s*(?P<name>[A-Za-z_]\w*))\s*"
)
_COMMENT = re.compile(r"#(?<!\S#)[^\n]*")  # the assertion stands behind what is quickly searched for


class Names(Protocol):
    """What a type may refer to."""

    def set_type(self, name: str) -> Type | None:
        """Return the type of the constant set of that name, or None."""

    def has_struct(self, name: str) -> bool:
        """Whether there is a structure of that name on this architecture."""

    def size_of(self, name: str) -> int | None:
        """Return the bytes of a number, set or structure, or None."""

    def type_names(self) -> list[str]:
        """Return all names of sets and structures, for hints."""


class Attributes(NamedTuple):
    """The attributes of a call line."""

    replay: str = "emulate"
    irregular: tuple[str, str] | None = None
    unsupported: str | None = None
    arch: str | None = None
    waits: bool = False
    io: str | None = None
    at_enter: bool = False
    noreturn: bool = False


class Line(NamedTuple):
    """A call line taken apart, its types not yet resolved."""

    name: str
    variant: str | None
    params: str
    params_offset: int
    returns: str
    returns_offset: int
    attributes: Attributes


def lines_of(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield (line number, offset, text without its comment) of each line that is not blank."""
    offset = 0
    for number, line in enumerate(text.split("\n"), 1):
        content = line if "#" not in line else _COMMENT.sub("", line)
        if content and not content.isspace():
            yield number, offset, content
        offset += len(line) + 1


def blank_comments(text: str) -> str:
    """Return the text with comments replaced by spaces, so that offsets stay."""
    return _COMMENT.sub(lambda match: " " * len(match[0]), text)


def parse_line(text: str) -> Line:
    """Take a call line apart.

    Raises:
        MistakeError: the text is not a line of the language.
    """
    match = _LINE.match(text)
    if match is None:
        raise _not_a_line(text)
    rest = match["rest"]
    attributes = _attributes(rest, match.start("rest")) if rest else _NO_ATTRIBUTES
    return Line(
        match["name"],
        match["variant"],
        match["params"],
        match.start("params"),
        match["returns"],
        match.start("returns"),
        attributes,
    )


_NO_ATTRIBUTES = Attributes()


def _not_a_line(text: str) -> MistakeError:
    head = re.match(r"\w+(?:\$\w+)?\s*", text)
    if head is None:
        return MistakeError("a line begins with the name of a call", 0)
    if text[head.end() : head.end() + 1] != "(":
        return MistakeError("expected '(' behind the name", head.end())
    body = re.compile(rf"\({_BALANCED}\)\s*").match(text, head.end())
    if body is None:
        return MistakeError("this '(' is never closed", head.end())
    if not text.startswith("->", body.end()):
        return MistakeError("expected '->' and the type of the result", body.end())
    return MistakeError("expected the type of the result", body.end() + 2)


def _attributes(text: str, base: int) -> Attributes:
    found: dict[str, object] = {}
    position = 0
    while position < len(text):
        match = _ATTRIBUTE.match(text, position)
        if match is None:
            word = re.compile(r"\S+").match(text, position)
            length = len(word[0]) if word else 1
            raise MistakeError("expected an attribute like @wait or @io(read)", base + position, length)
        try:
            key, value = _attribute(match[1], match[2])
        except MistakeError as mistake:
            raise MistakeError(mistake.message, base + position, len(match[0].rstrip()), mistake.hint) from None
        if key in found:
            raise MistakeError(f"@{match[1]} stands here twice", base + position, len(match[1]) + 1)
        found[key] = value
        position = match.end()
    return Attributes(**found)  # type: ignore[arg-type]


def _attribute(name: str, argument: str | None) -> tuple[str, object]:
    if name in _BARE_ATTRIBUTES:
        if argument is not None:
            raise MistakeError(f"@{name} takes no argument", 0)
        return _BARE_ATTRIBUTES[name], True
    if name in _CHOICES:
        if argument not in _CHOICES[name]:
            raise MistakeError(f"@{name} takes one of: {', '.join(_CHOICES[name])}", 0)
        return name, argument
    if name == "irregular":
        owner, colon, reason = (argument or "").partition(":")
        if not (colon and owner.strip() and reason.strip()):
            raise MistakeError("@irregular needs its owner and reason: @irregular(owner: reason)", 0)
        return name, (owner.strip(), reason.strip())
    if name == "unsupported":
        if not (argument and argument.strip()):
            raise MistakeError("@unsupported needs its reason", 0)
        return name, argument.strip()
    raise MistakeError(f"unknown attribute @{name}", 0, hint=did_you_mean(name, _ATTRIBUTE_NAMES))


_BARE_ATTRIBUTES = {"wait": "waits", "enter": "at_enter", "noreturn": "noreturn"}
_CHOICES = {"replay": ("emulate", "execute"), "arch": ARCHITECTURES, "io": ("read", "write")}
_ATTRIBUTE_NAMES = (*_BARE_ATTRIBUTES, *_CHOICES, "irregular", "unsupported")


def split_commas(text: str) -> Iterator[tuple[int, str]]:
    """Yield (offset, part) of the parts between commas that no bracket encloses."""
    depth = start = 0
    if "(" not in text and "[" not in text:
        for part in text.split(","):
            yield start, part
            start += len(part) + 1
        return
    for position, character in enumerate(text):
        if character in "([":
            depth += 1
        elif character in ")]":
            depth -= 1
        elif character == "," and depth == 0:
            yield start, text[start:position]
            start = position + 1
    yield start, text[start:]


class Resolver:
    """Turns the text of parameters and types into resolved ones; remembers what it has seen."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._types: dict[str, Type] = {}
        self._params: dict[str, Param] = {}

    def params(
        self, line: Line, base: tuple[Param, ...] | None, const: Callable[[str, Type], int]
    ) -> tuple[Param, ...]:
        """Return the parameters of a line.

        Args:
            line: as parsed.
            base: of a variant: the parameters of the line without `$`, whose types its `const` parameters have.
            const: finds the value of a constant that a parameter of that type has.

        Raises:
            MistakeError: at an offset of the line.
        """
        if not line.params.strip():
            return ()
        parts = [(line.params_offset + offset, part) for offset, part in split_commas(line.params)]
        if len(parts) > MAX_PARAMS:
            raise MistakeError("a call has at most six parameters", parts[MAX_PARAMS][0], len(parts[MAX_PARAMS][1]))
        scope = _Scope(parts)
        params = []
        for index, (offset, part) in enumerate(parts):
            param = self._params.get(part)
            if param is None:
                try:
                    param = self._param(part, index, scope, base, const)
                except MistakeError as mistake:
                    raise mistake.shifted(offset) from None
            params.append(param)
        if len({param.name for param in params}) < len(params):
            seen: set[str] = set()
            for (offset, part), param in zip(parts, params, strict=True):
                if param.name in seen:
                    raise MistakeError(
                        f"two parameters are called {param.name}", offset + part.index(param.name), len(param.name)
                    )
                seen.add(param.name)
        scope.check_derefs(params)
        return tuple(params)

    def _param(
        self,
        text: str,
        index: int,
        scope: _Scope,
        base: tuple[Param, ...] | None,
        const: Callable[[str, Type], int],
    ) -> Param:
        match = _PARAM.match(text)
        if match is None:
            lead = len(text) - len(text.lstrip())
            raise MistakeError(
                "not a parameter: `name: [in|out|inout [always] [payload]] type`", lead, len(text.strip())
            )
        if match["const"]:
            if base is None:
                raise MistakeError(
                    "only a line with a `$` variant has `const` parameters", match.start("const"), len(match["const"])
                )
            if index >= len(base):
                raise MistakeError(
                    "the line without `$` has no such parameter", match.start("name"), len(match["name"])
                )
            type_ = base[index].type
            try:
                value = const(match["const"], type_)
            except MistakeError as mistake:
                raise MistakeError(mistake.message, match.start("const"), len(match["const"]), mistake.hint) from None
            return Param(match["name"], type_, const=match["const"], value=value)
        direction = match["direction"]
        try:
            type_ = self.type(match["type"], scope.arguments)
        except MistakeError as mistake:
            raise mistake.shifted(match.start("type")) from None
        if direction is None:
            for word in ("always", "payload"):
                if match[word]:
                    raise MistakeError(f"`{word}` needs a direction before it", match.start(word), len(word))
            if type_.kind not in NUMBERS and not type_.width:
                raise MistakeError(
                    f"{type_.name} is memory and needs a direction", match.start("type"), len(match["type"])
                )
        param = Param(match["name"], type_, direction, bool(match["always"]), bool(match["payload"]))
        if type_.length is None or all(term.arg < 0 for term in type_.length.terms):
            self._params[text] = param
        return param

    def type(self, text: str, arguments: Mapping[str, int] | None = None) -> Type:
        """Return the type that a text names.

        Args:
            text: `name[:width]`, with a length in brackets where it has one.
            arguments: the parameters that the length may refer to, by name.

        Raises:
            MistakeError: at an offset of the text.
        """
        known = self._types.get(text)
        if known is not None:
            return known
        match = _TYPE.match(text)
        if match is None:
            raise MistakeError("not a type", 0, len(text))
        name, width, bracket, cut = match.groups()
        type_ = self._named(name, width)
        if cut is not None:
            if name in MEMORY and name != "bitmap":
                raise MistakeError(f"{name} has no size in bytes", 0, len(name))
            try:
                return type_._replace(length=self._length(cut, arguments or {}), in_bytes=True)
            except MistakeError as mistake:
                raise mistake.shifted(match.start(4)) from None
        if bracket is None:
            if MEMORY.get(name):
                raise MistakeError(f"{name} needs a length: {name}[n]", 0, len(text))
            self._types[text] = type_
            return type_
        if name in MEMORY and not MEMORY[name]:
            raise MistakeError(f"{name} has no length", match.start(3), max(1, len(bracket)))
        try:
            length = self._length(bracket, arguments or {})
        except MistakeError as mistake:
            raise mistake.shifted(match.start(3)) from None
        if name in MEMORY:
            return type_._replace(length=length)
        return Type("array", type_.name, length=length, element=type_)

    def _named(self, name: str, width: str | None) -> Type:
        if name in MEMORY:
            if width:
                raise MistakeError(f"{name} has no width", len(name), len(width) + 1)
            return Type(name, name)
        type_: Type | None = None
        if name in NUMBERS:
            type_ = Type(name, name, *NUMBERS[name])
        else:
            type_ = self._names.set_type(name)
            if type_ is None and self._names.has_struct(name):
                type_ = Type("struct", name)
                if width:
                    raise MistakeError("a structure has no width", len(name), len(width) + 1)
        if type_ is None:
            hint = did_you_mean(name, [*NUMBERS, *MEMORY, *self._names.type_names()])
            raise MistakeError(f"unknown type {name}", 0, len(name), hint)
        if width:
            if width not in NUMBERS:
                raise MistakeError(f"{width} is no width", len(name) + 1, len(width), did_you_mean(width, NUMBERS))
            size, signed = NUMBERS[width]
            type_ = type_._replace(width=size, signed=signed)
        return type_

    def _length(self, text: str, arguments: Mapping[str, int]) -> Length:
        terms = []
        start = 0
        for part in text.split("<="):
            try:
                terms.append(self._term(part, arguments))
            except MistakeError as mistake:
                raise mistake.shifted(start) from None
            start += len(part) + 2
        if len(terms) > 2:
            raise MistakeError("a length has one bound at most: `a <= b`", 0, len(text))
        return Length(text.strip(), tuple(terms))

    def _term(self, text: str, arguments: Mapping[str, int]) -> Term:
        kind, arg, multiplier = "const", -1, 1
        position = 0
        while True:
            match = _FACTOR.match(text, position)
            if match is None:
                raise MistakeError(
                    "expected a number, an argument, `ret`, `*name` or `sizeof(T)`", position, len(text) - position
                )
            if match["name"] is None:
                multiplier *= self._constant(match)
            else:
                if kind != "const":
                    raise MistakeError("a product holds one argument at most", match.start("name"), len(match["name"]))
                kind, arg = _argument(match, arguments)
            position = match.end()
            if position == len(text):
                return Term(kind, arg, multiplier)
            if text[position] == "+":
                return Term(kind, arg, multiplier, self._addend(text, position + 1))
            if text[position] != "*":
                raise MistakeError("expected `*`, `+` or the end of the length", position, len(text) - position)
            position += 1

    def _constant(self, match: re.Match[str]) -> int:
        if match["number"]:
            return int(match["number"], 0)
        size = self._names.size_of(match["type"])
        if size is None:
            raise MistakeError(f"nothing is called {match['type']}", match.start("type"), len(match["type"]))
        return size

    def _addend(self, text: str, position: int) -> int:
        match = _FACTOR.fullmatch(text, position)
        if match is None or match["name"] is not None:
            raise MistakeError("only a number or `sizeof(T)` can be added", position, len(text) - position)
        return self._constant(match)


def _argument(match: re.Match[str], arguments: Mapping[str, int]) -> tuple[str, int]:
    name = match["name"]
    if name == "ret" and not match["deref"]:
        return "ret", -1
    if name not in arguments:
        raise MistakeError(
            f"no argument is called {name}", match.start("name"), len(name), did_you_mean(name, [*arguments, "ret"])
        )
    return "deref" if match["deref"] else "arg", arguments[name]


def deref_width(param: Param) -> int:
    """Return the bytes of the number that `*name` reads: of bytes and structures it is their first four."""
    if param.type.kind in ("bytes", "struct"):
        return 4
    return param.type.width if param.type.width in (4, 8) else 0


class _Scope:
    """The parameters of one line, as its lengths refer to them."""

    def __init__(self, parts: list[tuple[int, str]]) -> None:
        self._parts = parts
        self._arguments: dict[str, int] | None = None

    @property
    def arguments(self) -> dict[str, int]:
        if self._arguments is None:
            self._arguments = {part.partition(":")[0].strip(): index for index, (_, part) in enumerate(self._parts)}
        return self._arguments

    def check_derefs(self, params: list[Param]) -> None:
        """Raise a mistake where `*name` is said of an argument that points to no number."""
        for (offset, part), param in zip(self._parts, params, strict=True):
            if param.type.length is None:
                continue
            for term in param.type.length.terms:
                target = params[term.arg] if term.kind in ("arg", "deref") else None
                if term.kind == "deref" and target and not (target.direction and deref_width(target)):
                    raise MistakeError(f"{target.name} does not point to a number of 4 or 8 bytes", offset, len(part))
                if term.kind == "arg" and target and target.direction and target.const is None:
                    raise MistakeError(f"{target.name} is memory, no length", offset, len(part), f"*{target.name}?")
