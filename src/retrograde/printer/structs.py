"""Structures as text: `{st_mode=S_IFREG|0644, st_size=48727, ...}`."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from retrograde.printer.dialect import CUT
from retrograde.state.process import Process
from retrograde.syscalls import Struct, StructField

if TYPE_CHECKING:
    from retrograde.printer.renderer import Renderer

BytesFormatter = Callable[[bytes, Process], str]

# Of structures that programs ask for all the time, what people look for.
_BRIEF = {"stat": ("st_mode", "st_size"), "statx": ("stx_mask", "stx_mode", "stx_size")}
_CODES = {1: "B", 2: "H", 4: "I", 8: "Q"}
# Kinds of fields that are more than a number.
_WIDER = frozenset({"struct", "array", "sockaddr", "fdset", "bytes", "string", "path"})


def struct_formatter(render: Renderer, definition: Struct) -> BytesFormatter:
    """Return what shows a structure; of one that was cut, the fields that are whole."""
    brief = _BRIEF.get(definition.name)
    chosen = [field for field in definition.fields if brief is None or field.name in brief]
    if definition.union:
        chosen = chosen[:1]
    chosen = [
        field for field in chosen if field.type.kind != "pad" and not field.name.startswith(("pad", "_", "reserved"))
    ]
    tail = ", ..." if brief is not None or definition.union else ""
    fields = [(field.name, field.offset, field.offset + field.size, _field(render, field)) for field in chosen]

    def show(data: bytes, process: Process) -> str:
        length = len(data)
        parts = [
            f"{name}={formatter(data[start:end], process)}" for name, start, end, formatter in fields if end <= length
        ]
        cut = f", {CUT}" if length < definition.size and len(parts) < len(fields) else tail
        return "{" + ", ".join(parts) + cut + "}"

    return _of_numbers(render, chosen, tail, show) or show


def _of_numbers(render: Renderer, fields: list[StructField], tail: str, show: BytesFormatter) -> BytesFormatter | None:
    """Return what shows a structure of numbers alone, all at once; None where it has more than numbers."""
    layout, end = "<", 0
    for field in fields:
        width = field.type.width
        if field.count is not None or field.type.kind in _WIDER or width not in _CODES or field.offset < end:
            return None
        if field.size < width or field.type.name == "sigset":
            return None
        layout += f"{field.offset - end}x{_CODES[width]}"
        end = field.offset + width
    if not fields:
        return None
    needed = max(field.offset + field.size for field in fields)
    unpack, whole = render.bind(struct.Struct(layout).unpack_from), render.bind(show)
    texts = [f"{field.name}={{{render.value(field.type, f'v{at}')}}}" for at, field in enumerate(fields)]
    variables = "".join(f"v{at}, " for at in range(len(fields)))
    return render.define(
        "data, P",
        f"    if len(data) < {needed}:",
        f"        return {whole}(data, P)",
        f"    {variables}= {unpack}(data)",
        f'    return f"{{{{{", ".join(texts)}{tail}}}}}"',
    )


def _field(render: Renderer, field: StructField) -> BytesFormatter:
    if field.count is None:
        return render.bytes_formatter(field.type)
    if field.type.kind == "string":
        return lambda data, process: render.dialect.text(data, len(data))
    if field.type.kind in ("i8", "u8"):
        return lambda data, process: _characters(render, data)
    return render.array_formatter(field.type)


def _characters(render: Renderer, data: bytes) -> str:
    """Return an array of bytes: as text where it is one, else in hex."""
    text = data.rstrip(b"\0")
    if all(0x20 <= byte < 0x7F for byte in text):
        return render.dialect.text(text, len(text))
    return render.dialect.text(data, len(data)) if 0 in data and data.find(0) > 2 else "0x" + data[:32].hex()
