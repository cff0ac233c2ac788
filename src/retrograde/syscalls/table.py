"""The syscall table of one architecture."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Generic, NamedTuple, TypeVar

from retrograde.errors import UsageError
from retrograde.syscalls.definitions import (
    SET_KEYWORDS,
    STRUCT_KEYWORDS,
    Definition,
    index_definitions,
    parse_set,
    parse_struct,
    select,
    set_type,
)
from retrograde.syscalls.language import ARCHITECTURES, Line, Resolver, lines_of, parse_line
from retrograde.syscalls.model import NUMBERS, ConstantSet, Param, Struct, Syscall, Type
from retrograde.syscalls.problems import MistakeError, Problem, TableError, did_you_mean, problem_at

DATA = os.path.join(os.path.dirname(__file__), "data")
ALIASES = {"aarch64": "arm64", "amd64": "x86_64", "x86-64": "x86_64"}
_COMPAT_COLUMN = {"x86_64": "i386", "arm64": "arm"}
_COLUMNS = ("x86_64", "arm64", "i386", "arm")

K = TypeVar("K")
P = TypeVar("P")
T = TypeVar("T")

_VARIANT = re.compile(r"\s*(\w+)\$")


class Lazy(Mapping[K, T], Generic[K, P, T]):
    """What stands in the files, by name or number, each read when it is first asked for."""

    def __init__(self, places: dict[K, P], read: Callable[[P], T]) -> None:
        self._places = places
        self._read = read
        self._values: dict[K, T] = {}

    def __getitem__(self, key: K) -> T:
        try:
            return self._values[key]
        except KeyError:
            value = self._values[key] = self._read(self._places[key])
            return value

    def __contains__(self, key: object) -> bool:
        return key in self._places

    def __iter__(self) -> Iterator[K]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


class CallLine(NamedTuple):
    """A call line whose place is known.

    Attributes:
        file, text: the file's name, for messages, and all that it holds.
        category: of the calls in the file.
        number: of the line in the file, from 1.
        offset: of the line in the text, in characters.
        content: the line without its comment.
    """

    file: str
    text: str
    category: str
    number: int
    offset: int
    content: str

    def problem(self, mistake: MistakeError) -> Problem:
        """Return the problem that a mistake in the line is."""
        return problem_at(self.file, self.text, mistake.shifted(self.offset))


class BaseLine(NamedTuple):
    """A line without `$`, taken apart, its types not yet resolved."""

    place: CallLine
    line: Line
    number: int


class Chooser(NamedTuple):
    """Selects a variant by arguments: `args[index] & mask` of each selector, together, is a key of `lines`."""

    selectors: tuple[tuple[int, int], ...]
    lines: dict[tuple[int, ...], Syscall]


class Table:
    """All system calls of one architecture.

    Attributes:
        arch: "x86_64" or "arm64".
        calls: the lines without `$`, by number.
        by_name: the same, by name.
        variants: the lines with `$`, by the call's name.
        constants: the sets of constants, by name.
        structs: the structures, by name.
        errno, signals: names by number.

    Most programs make few different calls: lines, sets and structures are read when they are first asked for, and one
    with a mistake raises a :class:`TableError` then. Of the variants, those with a mistake are left out.
    """

    def __init__(self, arch: str, sources: Sources) -> None:
        self.arch = arch
        self._problems: list[Problem] = list(sources.problems)
        self._numbers = sources.numbers
        self._sets = select(sources.sets, arch, self._problems)
        self._structs = select(sources.structs, arch, self._problems)
        self.constants: Mapping[str, ConstantSet] = Lazy(self._sets, self._read_set)
        self.structs: Mapping[str, Struct] = Lazy(self._structs, self._read_struct)
        self._reading: list[str] = []
        self.resolver = Resolver(self)
        self._lines: dict[str, BaseLine] = {}
        self._variant_lines: dict[str, list[CallLine]] = {}
        self._index_calls(sources.calls)
        self.by_name: Mapping[str, Syscall] = Lazy(self._lines, self._read_base)
        self._names = {line.number: name for name, line in self._lines.items()}
        self.calls: Mapping[int, Syscall] = Lazy(self._names, self.by_name.__getitem__)
        self._varied = {name: name for name in self._variant_lines if name in self._lines}
        self.variants: Mapping[str, list[Syscall]] = Lazy(self._varied, self._read_variants)
        self._choosing = {self._lines[name].number: name for name in self._varied}
        self._choosers = Lazy(self._choosing, self._make_choosers)

    @functools.cached_property
    def problems(self) -> list[Problem]:
        """What is wrong in the files. All lines are read for it; those with a mistake are left out from then on."""
        for name, line in list(self._lines.items()):
            try:
                self.by_name[name]
            except TableError as error:
                self._problems += error.problems
                del self._lines[name], self._names[line.number]
                self._varied.pop(name, None)
                self._choosing.pop(line.number, None)
        for name, lines in self._variant_lines.items():
            if name in self._lines:
                self.variants[name]
            else:
                self._problems += self._orphans(name, lines)
        return self._problems

    @functools.cached_property
    def errno(self) -> dict[int, str]:
        """Names of errors by their (positive) number."""
        return self._by_number("errno")

    @functools.cached_property
    def signals(self) -> dict[int, str]:
        """Names of signals by number."""
        return self._by_number("signo")

    def _by_number(self, name: str) -> dict[int, str]:
        names: dict[int, str] = {}
        for word, value in self.constants[name].values.items() if name in self.constants else ():
            names.setdefault(value, word)
        return names

    def choose(self, nr: int, args: tuple[int, ...]) -> Syscall | None:
        """Return the line of a call: the variant that the command among its arguments selects, else the base line.

        Args:
            nr: number of the call.
            args: its six arguments, unsigned.
        """
        if nr in self._choosing:
            for chooser in self._choosers[nr]:
                line = chooser.lines.get(tuple([args[index] & mask for index, mask in chooser.selectors]))
                if line is not None:
                    return line
        return self.calls[nr] if nr in self._names else None

    def has_variants(self, nr: int) -> bool:
        """Return whether a call may have variants, without reading them."""
        return nr in self._choosing

    def choosers(self, nr: int) -> tuple[Chooser, ...]:
        """Return how the variants of a call are told apart, the most specific first."""
        return self._choosers.get(nr, ())

    def compat_name(self, nr: int) -> str | None:
        """Return the name of a 32-bit call: i386 numbers on x86_64, 32-bit Arm's on arm64."""
        return self._compat.get(nr)

    @functools.cached_property
    def _compat(self) -> dict[int, str]:
        return {number: name for name, number in self._numbers[_COMPAT_COLUMN[self.arch]].items()}

    @property
    def numbers(self) -> dict[str, int]:
        """Numbers by name, of all calls, also of such that have no line."""
        return self._numbers[self.arch]

    def numbers_of(self, name: str) -> dict[str, int]:
        """Return the numbers of a call by architecture: x86_64, arm64, i386 and arm, where it has one."""
        return {column: numbers[name] for column, numbers in self._numbers.items() if name in numbers}

    # What the resolver asks.

    def set_type(self, name: str) -> Type | None:
        definition = self._sets.get(name)
        return set_type(definition) if definition else None

    def has_struct(self, name: str) -> bool:
        return name in self._structs

    def size_of(self, name: str) -> int | None:
        if name in NUMBERS:
            return NUMBERS[name][0]
        type_ = self.set_type(name)
        if type_:
            return type_.width
        return self.structs[name].size if name in self._structs else None

    def type_names(self) -> list[str]:
        return [*self._sets, *self._structs]

    def element_size(self, type_: Type) -> int:
        """Return the bytes of a number, structure, or element of an array; 1 for bytes and socket addresses."""
        if type_.element is not None:
            return self.element_size(type_.element)
        if type_.width:
            return type_.width
        return self.structs[type_.name].size if type_.kind == "struct" else 1

    def _read_set(self, definition: Definition) -> ConstantSet:
        try:
            return parse_set(definition, self.arch)
        except MistakeError as mistake:
            raise TableError([problem_at(definition.file, definition.text, mistake)]) from None

    def _read_struct(self, definition: Definition) -> Struct:
        try:
            if definition.name in self._reading:
                raise MistakeError(f"{definition.name} holds itself", definition.start, len(definition.keyword))
            self._reading.append(definition.name)
            try:
                return parse_struct(definition, self.resolver, self.structs.__getitem__)
            finally:
                self._reading.pop()
        except MistakeError as mistake:
            raise TableError([problem_at(definition.file, definition.text, mistake)]) from None

    # Call lines.

    def _index_calls(self, files: list[tuple[str, str, str]]) -> None:
        for file, category, text in files:
            for number, offset, content in lines_of(text):
                place = CallLine(file, text, category, number, offset, content)
                variant = _VARIANT.match(content)
                if variant is not None:
                    self._variant_lines.setdefault(variant[1], []).append(place)
                    continue
                try:
                    line = parse_line(content)
                    if line.attributes.arch in (None, self.arch):
                        self._index_base(place, line)
                except MistakeError as mistake:
                    self._problems.append(place.problem(mistake))

    def _index_base(self, place: CallLine, line: Line) -> None:
        nr = self._numbers[self.arch].get(line.name)
        if nr is None:
            known = self._numbers["arm64" if self.arch == "x86_64" else "x86_64"]
            if line.attributes.arch or line.name not in known:
                where = f"on {line.attributes.arch}" if line.attributes.arch else "on either architecture"
                hint = did_you_mean(line.name, [*self._numbers[self.arch], *known])
                raise MistakeError(f"{line.name} has no number {where}", 0, len(line.name), hint)
        elif line.name in self._lines:
            other = self._lines[line.name].place
            raise MistakeError(f"{line.name} stands in {other.file}:{other.number} already", 0, len(line.name))
        else:
            self._lines[line.name] = BaseLine(place, line, nr)

    def _read_base(self, base: BaseLine) -> Syscall:
        place, line, nr = base
        try:
            params = self.resolver.params(line, None, self._no_const)
            return self._syscall(place, place.category, line, nr, params)
        except MistakeError as mistake:
            raise TableError([place.problem(mistake)]) from None

    def _orphans(self, name: str, places: list[CallLine]) -> Iterator[Problem]:
        """Yield what is wrong with variants of a call that has no line."""
        for place in places:
            try:
                here = parse_line(place.content).attributes.arch in (None, self.arch)
                if here and (
                    name in self._numbers[self.arch] or not any(name in column for column in self._numbers.values())
                ):
                    hint = did_you_mean(name, self._lines)
                    raise MistakeError(f"there is no line {name} without `$`", 0, len(name), hint)
            except MistakeError as mistake:
                yield place.problem(mistake)

    def _read_variants(self, name: str) -> list[Syscall]:
        base = self.by_name[name]
        lines: list[Syscall] = []
        for place in self._variant_lines[name]:
            try:
                line = parse_line(place.content)
                if line.attributes.arch in (None, self.arch):
                    lines += self._variant(place, line, base, lines)
            except MistakeError as mistake:
                self._problems.append(place.problem(mistake))
            except TableError as error:
                self._problems += error.problems
        return lines

    def _variant(self, place: CallLine, line: Line, base: Syscall, others: list[Syscall]) -> list[Syscall]:
        """Return a variant, in a list; an empty one where its command is one of the other architecture."""
        twin = next((other for other in others if other.variant == line.variant), None)
        if twin is not None:
            raise MistakeError(f"{twin.full_name} stands in {twin.file}:{twin.line} already", 0, len(twin.full_name))
        try:
            params = self.resolver.params(line, base.params, self._const)
        except _NotHereError:
            return []
        if all(param.const is None for param in params):
            raise MistakeError("a variant has a `const` parameter that selects it", 0, len(line.name))
        return [self._syscall(place, base.category, line, base.number, params)]

    def _syscall(self, place: CallLine, category: str, line: Line, nr: int, params: tuple[Param, ...]) -> Syscall:
        attributes = line.attributes
        try:
            returns = self.resolver.type(line.returns)
        except MistakeError as mistake:
            raise mistake.shifted(line.returns_offset) from None
        if not returns.width:
            raise MistakeError("a result is a number", line.returns_offset, len(line.returns))
        return Syscall(
            name=line.name,
            variant=line.variant,
            number=nr,
            params=params,
            returns=returns,
            category=category,
            waits=attributes.waits,
            io=attributes.io,
            replay=attributes.replay,
            irregular=attributes.irregular,
            unsupported=attributes.unsupported,
            at_enter=attributes.at_enter,
            noreturn=attributes.noreturn,
            arch=self.arch,
            file=place.file,
            line=place.number,
        )

    @staticmethod
    def _no_const(name: str, type_: Type) -> int:
        raise MistakeError("only a line with a `$` variant has `const` parameters", 0)

    def _const(self, name: str, type_: Type) -> int:
        """Return the value of the constant of a variant's parameter."""
        if name[0].isdigit():
            return int(name, 0)
        constants = self.constants.get(type_.name) if type_.kind in (*SET_KEYWORDS, *NUMBERS) else None
        if constants is None:
            raise MistakeError(f"{type_.name} is no set of constants, so {name} has no value", 0)
        value = constants.values.get(name)
        if value is None:
            if f"{name} @" in self._sets[type_.name].text:
                raise _NotHereError
            raise MistakeError(f"{name} is not in the set {type_.name}", 0, hint=did_you_mean(name, constants.values))
        return value

    def _make_choosers(self, name: str) -> tuple[Chooser, ...]:
        groups: dict[tuple[tuple[int, int], ...], dict[tuple[int, ...], Syscall]] = {}
        for line in self.variants[name]:
            selectors = []
            key = []
            for index, param in enumerate(line.params):
                if param.const is not None and param.value is not None:
                    mask = self._selector_mask(param)
                    selectors.append((index, mask))
                    key.append(param.value & mask)
            group = groups.setdefault(tuple(selectors), {})
            if tuple(key) in group:
                # Two names of one value: the first line holds.
                continue
            group[tuple(key)] = line
        ranked = sorted(groups.items(), key=lambda item: -len(item[0]))
        return tuple([Chooser(selectors, group) for selectors, group in ranked])

    def _selector_mask(self, param: Param) -> int:
        """Return the bits of an argument that the command is in: of a mixed set its field, else the number's width."""
        if param.type.kind == "mixed":
            return self.constants[param.type.name].mask
        return (1 << 8 * min(4, param.type.width)) - 1


class _NotHereError(Exception):
    """A constant that only the other architecture has."""


class Sources(NamedTuple):
    """The files of the table, read."""

    calls: list[tuple[str, str, str]]
    sets: list[Definition]
    structs: list[Definition]
    numbers: dict[str, dict[str, int]]
    problems: list[Problem]


def read_sources(folder: str = DATA) -> Sources:
    """Read the table's files: calls/*.sys, calls/variants/*.sys, constants and structs (a file or a folder of them)."""
    problems: list[Problem] = []
    calls = []
    for path in [*_files(folder, "calls"), *_files(folder, "calls/variants")]:
        category = os.path.splitext(os.path.basename(path))[0]
        calls.append((path, category, _read(folder, path)))
    sets: list[Definition] = []
    structs: list[Definition] = []
    for stem, keywords, found in (("constants", SET_KEYWORDS, sets), ("structs", STRUCT_KEYWORDS, structs)):
        for path in _files(folder, stem):
            found.extend(index_definitions(path, _read(folder, path), keywords, problems))
    numbers = _read_numbers(folder, problems)
    return Sources(calls, sets, structs, numbers, problems)


def _files(folder: str, stem: str) -> list[str]:
    """Return the paths below `folder` of `stem.sys` and of the files in `stem/`."""
    found = [f"{stem}.sys"] if os.path.exists(os.path.join(folder, f"{stem}.sys")) else []
    try:
        names = sorted(os.listdir(os.path.join(folder, stem)))
    except FileNotFoundError:
        names = []
    return found + [f"{stem}/{name}" for name in names if name.endswith(".sys")]


def _read(folder: str, path: str) -> str:
    with open(os.path.join(folder, path), encoding="utf-8") as file:
        return file.read()


def _read_numbers(folder: str, problems: list[Problem]) -> dict[str, dict[str, int]]:
    columns: dict[str, dict[str, int]] = {column: {} for column in _COLUMNS}
    by_number: set[tuple[str, str]] = set()
    text = _read(folder, "numbers.tsv")
    for number, line in enumerate(text.split("\n"), 1):
        if not line or line.startswith("#") or line.startswith("name\t"):
            continue
        name, *values = line.split("\t")
        if len(values) != len(_COLUMNS):
            problems.append(
                Problem("numbers.tsv", number, 0, len(line), f"expected a name and {len(_COLUMNS)} numbers", line)
            )
            continue
        for column, value in zip(_COLUMNS, values, strict=True):
            if value == "-":
                continue
            if not value.isdigit() or (column, value) in by_number or name in columns[column]:
                problems.append(
                    Problem(
                        "numbers.tsv", number, 0, len(line), f"{column}: {value} is no number or stands twice", line
                    )
                )
                continue
            by_number.add((column, value))
            columns[column][name] = int(value)
    return columns


@functools.cache
def _sources() -> Sources:
    return read_sources()


@functools.cache
def _load(arch: str) -> Table:
    return Table(arch, _sources())


def load(arch: str) -> Table:
    """Return the table of an architecture.

    Args:
        arch: "x86_64" or "arm64" (or the machine's own name for it, "aarch64").

    Raises:
        retrograde.errors.UsageError: there is no such architecture.

    Mistakes in its files are found by `python -m retrograde.syscalls.check` and the tests.
    """
    name = ALIASES.get(arch, arch)
    if name not in ARCHITECTURES:
        raise UsageError(f"there is no syscall table for {arch!r}", hint=f"there are: {', '.join(ARCHITECTURES)}")
    return _load(name)
