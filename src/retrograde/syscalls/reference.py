"""The table as a reference: what `retrograde syscalls` prints, and the page of the documentation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from retrograde.syscalls.model import NUMBERS, PLAIN_NUMBERS, SET_KINDS, ConstantSet, Param, Struct, Syscall, Type
from retrograde.syscalls.table import Table

MEANING = {
    "fd": "file descriptor",
    "dirfd": "folder's file descriptor, or AT_FDCWD",
    "pid": "process",
    "tid": "thread",
    "uid": "user",
    "gid": "group",
    "mode": "permissions",
    "dev": "device",
    "signo": "signal",
    "errno": "error",
    "addr": "address",
    "clockid": "clock",
    "ino": "inode",
    "timer_id": "timer",
    "key": "System V key",
    "ipcid": "System V object",
    "wstatus": "wait status",
    "path": "path",
    "string": "string",
    "strings": "strings, the array ended by NULL",
    "bytes": "bytes",
    "sockaddr": "socket address",
    "iovec": "struct iovec and the memory it leads to",
    "msghdr": "struct msghdr and the memory it leads to",
    "mmsghdr": "struct mmsghdr and the memory it leads to",
    "bitmap": "set of bits",
    "fdset": "set of file descriptors",
    "ioctl_arg": "memory whose size and direction the command tells",
}
_DIRECTIONS = {"in": "read by the kernel", "out": "written by the kernel", "inout": "read and written by the kernel"}
_ARCH_NAMES = {"x86_64": "x86-64", "arm64": "arm64", "i386": "i386", "arm": "32-bit Arm"}


def describe_type(type_: Type) -> str:
    """Return what a type is, in words."""
    if type_.kind == "array" and type_.element:
        return f"{describe_type(type_.element)} × {type_.length.text if type_.length else '?'}"
    if type_.in_bytes and type_.length:
        return f"{describe_type(type_._replace(length=None, in_bytes=False))}, {type_.length.text} bytes of it"
    if type_.kind in SET_KINDS:
        return f"{type_.kind} {type_.name}, {'i' if type_.signed else 'u'}{8 * type_.width}"
    if type_.kind == "struct":
        return f"struct {type_.name}"
    text = MEANING.get(type_.kind, type_.kind)
    if type_.kind in NUMBERS and type_.kind not in PLAIN_NUMBERS:
        text += f", {'i' if type_.signed else 'u'}{8 * type_.width}"
    return f"{text} [{type_.length.text}]" if type_.length else text


def describe_param(param: Param) -> str:
    """Return what a parameter is, in words."""
    if param.const is not None:
        return f"{param.const} = {number_text(param.value or 0)}"
    text = describe_type(param.type)
    if param.direction is None:
        return text
    notes = [_DIRECTIONS[param.direction]]
    if param.always:
        notes.append("even if the call fails")
    if param.payload:
        notes.append("payload")
    return f"{text} ({', '.join(notes)})"


def number_text(value: int) -> str:
    """Return a constant as people write it: small numbers in decimal, others in hex."""
    return str(value) if -4096 <= value < 10 else hex(value)


def notes_of(line: Syscall) -> list[str]:
    """Return what else there is to say about a line."""
    notes = []
    if line.waits:
        notes.append("may block")
    if line.io:
        notes.append(f"moves data ({line.io})")
    if line.noreturn:
        notes.append("does not return")
    if line.at_enter:
        notes.append("memory is copied at the start of the call")
    if line.replay == "execute":
        notes.append("the replayer performs it for real")
    if line.irregular:
        notes.append(f"irregular, {line.irregular[0]}: {line.irregular[1]}")
    if line.unsupported:
        notes.append(f"cannot be recorded faithfully: {line.unsupported}")
    return notes


def used_types(lines: Iterable[Syscall]) -> tuple[list[str], list[str]]:
    """Return the names of the sets and of the structures that the lines use, in order of appearance."""
    sets: dict[str, None] = {}
    structs: dict[str, None] = {}
    for line in lines:
        for type_ in [*(param.type for param in line.params), line.returns]:
            inner = type_.element or type_
            if inner.kind in SET_KINDS:
                sets[inner.name] = None
            elif inner.kind == "struct":
                structs[inner.name] = None
    return list(sets), list(structs)


def set_lines(constants: ConstantSet) -> Iterator[str]:
    """Yield the lines that show a set of constants."""
    mask = f", mask {constants.mask:#x}" if constants.kind == "mixed" else ""
    yield f"{constants.kind} {constants.name} ({'i' if constants.signed else 'u'}{8 * constants.width}{mask})"
    width = max(map(len, constants.values), default=0)
    for name, value in constants.values.items():
        yield f"  {name:<{width}}  {number_text(value)}"


def struct_lines(struct: Struct) -> Iterator[str]:
    """Yield the lines that show a structure."""
    yield f"{'union' if struct.union else 'struct'} {struct.name} ({struct.size} bytes, aligned to {struct.alignment})"
    width = max(len(field.name) for field in struct.fields)
    for field in struct.fields:
        count = f" × {field.count}" if field.count is not None else ""
        yield f"  {field.offset:>5} {field.size:>5}  {field.name:<{width}}  {describe_type(field.type)}{count}"


def call_lines(tables: dict[str, Table], table: Table, line: Syscall) -> Iterator[str]:
    """Yield the lines that show one call: its line, arguments, result, numbers, notes, variants, sets, structures."""
    yield str(line)
    numbers = table.numbers_of(line.name)
    yield "  number    " + ", ".join(f"{_ARCH_NAMES[arch]} {number}" for arch, number in numbers.items())
    yield f"  category  {line.category}"
    width = max([len("returns"), *(len(param.name) for param in line.params)])
    yield ""
    yield "arguments" if line.params else "no arguments"
    for param in line.params:
        yield f"  {param.name:<{width}}  {describe_param(param)}"
    returns = describe_type(line.returns)
    yield f"  {'returns':<{width}}  {returns}; -4095 to -1 is an error (`retrograde syscalls errno`)"
    if notes_of(line):
        yield ""
        yield from notes_of(line)
    for arch, other in tables.items():
        twin = other.by_name.get(line.name)
        if arch != table.arch and twin is not None and not line.variant and str(twin) != str(line):
            yield ""
            yield f"on {_ARCH_NAMES[arch]}: {twin}"
    variants = [] if line.variant else table.variants.get(line.name, [])
    if variants:
        yield ""
        yield "by command"
        for variant in variants:
            others = [str(param) for param in variant.params if param.const is None]
            consts = [param.const or "" for param in variant.params if param.const is not None]
            notes = f"   {'; '.join(notes_of(variant))}" if variant.irregular or variant.unsupported else ""
            yield f"  {', '.join(consts)}: {', '.join(others)} -> {variant.returns}{notes}"
    sets, structs = used_types([line, *variants])
    for name in sets:
        yield ""
        yield from set_lines(table.constants[name])
    for name in structs:
        yield ""
        yield from struct_lines(table.structs[name])


def list_lines(table: Table) -> Iterator[str]:
    """Yield one line a call, by number."""
    for number, line in sorted(table.calls.items()):
        mark = "!" if line.unsupported else "~" if line.irregular else " "
        yield f"{number:>4} {mark} {line}"


def coverage(table: Table) -> dict[str, Any]:
    """Count the calls of an architecture: each is regular, irregular or unsupported."""
    unsupported = {line.name: line.unsupported for line in table.by_name.values() if line.unsupported}
    irregular: dict[str, dict[str, str]] = {}
    for name, line in table.by_name.items():
        marked = [one for one in [line, *table.variants.get(name, [])] if one.irregular]
        if name not in unsupported and marked and marked[0].irregular:
            owner, reason = marked[0].irregular
            irregular[name] = {"owner": owner, "reason": reason}
    missing = sorted(set(table.numbers) - set(table.by_name))
    total = len(table.numbers)
    return {
        "total": total,
        "regular": total - len(irregular) - len(unsupported) - len(missing),
        "irregular": len(irregular),
        "unsupported": len(unsupported),
        "missing": missing,
        "variants": sum(map(len, table.variants.values())),
        "irregular_calls": dict(sorted(irregular.items())),
        "unsupported_calls": dict(sorted(unsupported.items())),
    }


def type_json(type_: Type) -> dict[str, Any]:
    """Return a type as JSON."""
    found: dict[str, Any] = {"kind": type_.kind, "name": type_.name}
    if type_.width:
        found |= {"width": type_.width, "signed": type_.signed}
    if type_.length:
        found["length"] = type_.length.text
    return found


def call_json(table: Table, line: Syscall) -> dict[str, Any]:
    """Return a line as JSON."""
    return {
        "name": line.name,
        "variant": line.variant,
        "number": line.number,
        "numbers": table.numbers_of(line.name),
        "category": line.category,
        "line": str(line),
        "params": [
            {
                "name": param.name,
                "type": type_json(param.type),
                "direction": param.direction,
                "always": param.always,
                "payload": param.payload,
                "const": param.const,
            }
            for param in line.params
        ],
        "returns": type_json(line.returns),
        "waits": line.waits,
        "io": line.io,
        "replay": line.replay,
        "irregular": {"owner": line.irregular[0], "reason": line.irregular[1]} if line.irregular else None,
        "unsupported": line.unsupported,
        "noreturn": line.noreturn,
    }


def set_json(constants: ConstantSet) -> dict[str, Any]:
    """Return a set of constants as JSON."""
    found: dict[str, Any] = {"name": constants.name, "kind": constants.kind, "values": constants.values}
    if constants.kind == "mixed":
        found["mask"] = constants.mask
    return found


def struct_json(struct: Struct) -> dict[str, Any]:
    """Return a structure as JSON; offsets and sizes in bytes."""
    fields = [
        {"name": f.name, "type": type_json(f.type), "offset": f.offset, "size": f.size, "count": f.count}
        for f in struct.fields
    ]
    return {"name": struct.name, "size": struct.size, "alignment": struct.alignment, "fields": fields}


def markdown_lines(tables: dict[str, Table]) -> Iterator[str]:
    """Yield the reference page of all calls, sets and structures."""
    yield "# System calls"
    yield ""
    yield "Made by `retrograde syscalls --markdown`; the language is that of [the syscall table](syscall-table.md)."
    yield ""
    yield "| | " + " | ".join(_ARCH_NAMES[arch] for arch in tables) + " |"
    yield "|---|" + "---:|" * len(tables)
    counts = {arch: coverage(table) for arch, table in tables.items()}
    for key in ("total", "regular", "irregular", "unsupported", "variants"):
        yield f"| {key} | " + " | ".join(str(counts[arch][key]) for arch in tables) + " |"
    lines = _by_category(tables)
    for category, names in sorted(lines.items()):
        yield ""
        yield f"## {category}"
        for name in sorted(names):
            yield ""
            yield from _markdown_call(tables, name)
    yield ""
    yield "## Sets of constants"
    yield from _markdown_blocks(tables, "constants")
    yield ""
    yield "## Structures"
    yield from _markdown_blocks(tables, "structs")


def _by_category(tables: dict[str, Table]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for table in tables.values():
        for line in table.by_name.values():
            found.setdefault(line.category, set()).add(line.name)
    return found


def _markdown_call(tables: dict[str, Table], name: str) -> Iterator[str]:
    first = next(table for table in tables.values() if name in table.by_name)
    yield f"### {name}"
    yield ""
    numbers = first.numbers_of(name)
    yield ", ".join(f"{_ARCH_NAMES[arch]} {number}" for arch, number in numbers.items())
    signatures: dict[str, list[str]] = {}
    for arch, table in tables.items():
        if name in table.by_name:
            for line in [table.by_name[name], *table.variants.get(name, [])]:
                signatures.setdefault(str(line), []).append(arch)
    yield ""
    have = [arch for arch, table in tables.items() if name in table.by_name]
    for signature, arches in signatures.items():
        yield f"    {signature}" + (f"   # {', '.join(arches)}" if arches != have else "")
    notes = notes_of(first.by_name[name])
    if notes:
        yield ""
        yield "; ".join(notes) + "."


def _markdown_blocks(tables: dict[str, Table], what: str) -> Iterator[str]:
    blocks: dict[str, dict[str, list[str]]] = {}
    for arch, table in tables.items():
        mapping = table.constants if what == "constants" else table.structs
        for name, value in mapping.items():
            lines = set_lines(value) if isinstance(value, ConstantSet) else struct_lines(value)
            blocks.setdefault(name, {}).setdefault("\n".join(f"    {line}" for line in lines), []).append(arch)
    for name, texts in sorted(blocks.items()):
        yield ""
        yield f"### {name}"
        for text, arches in texts.items():
            if len(texts) > 1:
                yield ""
                yield ", ".join(_ARCH_NAMES[arch] for arch in arches) + ":"
            yield ""
            yield text
