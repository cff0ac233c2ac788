"""What the syscall table is made of, resolved for one architecture."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

# Calls that return twice: in the thread that made them, and 0 in the one that they made.
FORKS = frozenset({"fork", "vfork", "clone", "clone3"})

# Numbers, and numbers with a meaning: width in bytes, and whether they are signed. Both architectures are LP64.
PLAIN_NUMBERS: dict[str, tuple[int, bool]] = {
    "i8": (1, True),
    "u8": (1, False),
    "i16": (2, True),
    "u16": (2, False),
    "i32": (4, True),
    "u32": (4, False),
    "i64": (8, True),
    "u64": (8, False),
    "int": (4, True),
    "uint": (4, False),
    "long": (8, True),
    "ulong": (8, False),
    "size": (8, False),
    "ssize": (8, True),
    "offset": (8, True),
}
MEANINGS: dict[str, tuple[int, bool]] = {
    "fd": (4, True),
    "dirfd": (4, True),
    "pid": (4, True),
    "tid": (4, True),
    "uid": (4, False),
    "gid": (4, False),
    "mode": (4, False),
    "dev": (4, False),
    "signo": (4, True),
    "errno": (4, True),
    "addr": (8, False),
    "clockid": (4, True),
    "ino": (8, False),
    "timer_id": (4, True),
    "key": (4, True),
    "ipcid": (4, True),
    "wstatus": (4, True),
}
NUMBERS = PLAIN_NUMBERS | MEANINGS

# Types that only memory has, and whether a length in brackets belongs to them.
MEMORY: dict[str, bool] = {
    "path": False,
    "string": False,
    "strings": False,
    "bytes": True,
    "sockaddr": True,
    "iovec": True,
    "msghdr": False,
    "mmsghdr": True,
    "fdset": True,
    "bitmap": True,
    "ioctl_arg": False,
}
SET_KINDS = ("flags", "enum", "mixed")
SET_DEFAULT_WIDTH = "u32"


class Term(NamedTuple):
    """One bound of a length: a value times a constant, and a constant more.

    Attributes:
        kind: "const" (the value is 1), "arg" (an argument), "ret" (the result, 0 where negative) or "deref" (the number
            that an argument points to, the smaller of its values before and after the call).
        arg: which argument, 0 to 5; -1 for "const" and "ret".
        multiplier: the constant.
        addend: added to the product.
    """

    kind: str
    arg: int
    multiplier: int
    addend: int = 0


class Length(NamedTuple):
    """How long memory is: the smallest of its terms, in elements of its type.

    Attributes:
        text: as the table has it.
        terms: one or two bounds.
    """

    text: str
    terms: tuple[Term, ...]


class Type(NamedTuple):
    """The type of a value, or of the memory that an argument points to.

    Attributes:
        kind: a number's own name ("i32", "fd", ...), "flags", "enum" or "mixed" for a set of constants, "struct",
            "array", or the memory's own name ("path", "bytes", "sockaddr", ...).
        name: the name of the set, structure or element; else the kind.
        width: bytes of a number, 0 for memory.
        signed: whether a number is signed.
        length: of "bytes", "array", "sockaddr", "iovec" and "mmsghdr" (elements), "fdset" and "bitmap" (bits), and of
            memory of which only so many bytes are there (`T(n)`).
        element: of an "array".
        in_bytes: the length was written `T(n)`: it counts bytes.
    """

    kind: str
    name: str
    width: int = 0
    signed: bool = False
    length: Length | None = None
    element: Type | None = None
    in_bytes: bool = False

    def __str__(self) -> str:
        if self.length is None:
            return self.name
        return f"{self.name}({self.length.text})" if self.in_bytes else f"{self.name}[{self.length.text}]"


class Param(NamedTuple):
    """A parameter of a system call.

    Attributes:
        name: as the manual has it.
        type: of the value; of the memory it points to where there is a direction.
        direction: None for a value, else who touches the memory: "in" (the kernel reads), "out" (it writes), "inout".
        always: the kernel may write it though the call fails.
        payload: bulk data, which observe grade cuts.
        const: variants only: the name of the value that selects the line.
        value: that value.
    """

    name: str
    type: Type
    direction: str | None = None
    always: bool = False
    payload: bool = False
    const: str | None = None
    value: int | None = None

    def __str__(self) -> str:
        if self.const is not None:
            return f"{self.name}: const {self.const}"
        words = [
            self.direction or "",
            "always" if self.always else "",
            "payload" if self.payload else "",
            str(self.type),
        ]
        return f"{self.name}: {' '.join(word for word in words if word)}"


class Syscall(NamedTuple):
    """One line of the table.

    Attributes:
        name: of the call.
        variant: of the line, where a command among the arguments selects it.
        number: on this architecture.
        params: at most six.
        returns: type of the result.
        category: the file the line stands in.
        waits: whether the call may block.
        io: "read" or "write" where it moves data.
        replay: "emulate" or "execute".
        irregular: (owner, reason) where one line cannot say which memory it touches.
        unsupported: reason why it cannot be recorded faithfully.
        at_enter: `in` memory is copied at the call's start.
        noreturn: a successful call does not return.
        arch: "x86_64" or "arm64".
        file, line: where it stands.
    """

    name: str
    variant: str | None
    number: int
    params: tuple[Param, ...]
    returns: Type
    category: str
    waits: bool
    io: str | None
    replay: str
    irregular: tuple[str, str] | None
    unsupported: str | None
    at_enter: bool
    noreturn: bool
    arch: str
    file: str
    line: int

    @property
    def full_name(self) -> str:
        """The name with its variant: `fcntl$F_SETLK`."""
        return f"{self.name}${self.variant}" if self.variant else self.name

    def __str__(self) -> str:
        return f"{self.full_name}({', '.join(map(str, self.params))}) -> {self.returns}"


@dataclass(frozen=True, slots=True)
class StructField:
    """A field of a structure.

    Attributes:
        name: of the field.
        type: of one element.
        offset: bytes from the structure's start.
        size: bytes of the whole field.
        count: elements, None where the field is no array.
    """

    name: str
    type: Type
    offset: int
    size: int
    count: int | None


class Struct(NamedTuple):
    """A structure as one architecture lays it out; offsets and sizes are in bytes."""

    name: str
    size: int
    alignment: int
    fields: tuple[StructField, ...]
    union: bool = False
    file: str = ""
    line: int = 0

    def field(self, name: str) -> StructField:
        """Return the field of that name.

        Raises:
            KeyError: there is none.
        """
        for candidate in self.fields:
            if candidate.name == name:
                return candidate
        raise KeyError(name)


_CACHE_LIMIT = 4096


@dataclass(slots=True)
class ConstantSet:
    """Names for the values of a number.

    Attributes:
        name: of the set.
        kind: "flags" (bits), "enum" (one value) or "mixed" (a field under a mask, and bits).
        values: all names and their values on this architecture.
        mask: of a mixed set's field.
        zero: name of the value 0 of flags.
        width, signed: of the number, where it does not say so itself.
    """

    name: str
    kind: str
    values: dict[str, int]
    mask: int = 0
    zero: str | None = None
    width: int = 4
    signed: bool = False
    file: str = ""
    line: int = 0
    _names: dict[int, str] = field(init=False, repr=False)
    _bits: list[tuple[int, str]] = field(init=False, repr=False)
    _texts: dict[int, str] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        names: dict[int, str] = {}
        for name, value in self.values.items():
            names.setdefault(value, name)
            if value < 0:
                # A negative value reaches us as the register or the field held it.
                names.setdefault(value & 0xFFFF_FFFF, name)
                names.setdefault(value & 0xFFFF_FFFF_FFFF_FFFF, name)
        self._names = names
        bits = [(value, name) for value, name in names.items() if value > 0 and not (value & self.mask)]
        self._bits = sorted(bits, key=lambda item: (-item[0].bit_count(), item[0]))

    def name_of(self, value: int) -> str | None:
        """Return the name of exactly this value, or None."""
        return self._names.get(value)

    def format(self, value: int) -> str:
        """Return the value by its names: flags joined by `|`, what has no name in hex."""
        text = self._texts.get(value)
        if text is None:
            text = self._format(value)
            if len(self._texts) < _CACHE_LIMIT:
                self._texts[value] = text
        return text

    def _format(self, value: int) -> str:
        if self.kind == "enum":
            return self._names.get(value) or hex(value)
        if self.kind == "flags" and value in self._names:
            return self._names[value]
        parts = []
        rest = value
        if self.kind == "mixed":
            selected = value & self.mask
            rest = value & ~self.mask
            name = self._names.get(selected)
            if name is not None:
                parts.append(name)
            elif selected:
                parts.append(hex(selected))
        elif value == 0:
            return self.zero or "0"
        chosen = []
        for bits, name in self._bits:
            if rest & bits == bits:
                chosen.append((bits, name))
                rest &= ~bits
                if not rest:
                    break
        chosen.sort()
        parts += [name for _, name in chosen]
        if rest:
            parts.append(hex(rest))
        return "|".join(parts) or "0"
