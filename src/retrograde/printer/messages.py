"""`struct msghdr` and `struct iovec` with the memory they lead to."""

from __future__ import annotations

import struct
from typing import NamedTuple

from retrograde.events import SegmentFlag
from retrograde.state.calls import SegmentTuple

# Plain numbers: an enumeration's operators are slow.
_FAULT = int(SegmentFlag.FAULT)


_MSGHDR = struct.Struct("<QIIQQQQI")
MSGHDR_SIZE = 56
_IOVEC = struct.Struct("<QQ")


class Message(NamedTuple):
    """A message's header: addresses and lengths, all as the program gave them."""

    name: int
    name_length: int
    iovecs: int
    iovec_count: int
    control: int
    control_length: int
    flags: int


class Piece(NamedTuple):
    """An iovec: the bytes it has room for, those that were moved, and those that were kept (None: none were)."""

    length: int
    moved: int
    data: bytes | None


def parse_message(data: bytes) -> Message | None:
    """Return the header at the start of the bytes, None where they are too few."""
    if len(data) < 52:
        return None
    name, name_length, _, iovecs, count, control, control_length, flags = _MSGHDR.unpack_from(data)
    return Message(name, name_length, iovecs, count, control, control_length, flags)


def at_address(segments: list[SegmentTuple], address: int) -> bytes | None:
    """Return the memory that was kept from an address on (all its pieces), None where there is none."""
    parts: list[bytes] = []
    expected = address
    for _, flags, start, _, data in segments:
        if start == expected and not flags & _FAULT:
            parts.append(data)
            expected += len(data)
    return b"".join(parts) if parts else None


def iovec_pieces(array: bytes, segments: list[SegmentTuple]) -> list[Piece]:
    """Return the pieces of an array of iovecs."""
    usable = array[: len(array) // 16 * 16]
    by_address = {start: (full, data) for _, flags, start, full, data in segments if not flags & _FAULT}
    return [Piece(length, *by_address.get(base, (length, None))) for base, length in _IOVEC.iter_unpack(usable)]


def message_data(header: bytes, segments: list[SegmentTuple]) -> bytes:
    """Return the data of a message, as far as it was kept.

    Args:
        header: the `struct msghdr`.
        segments: the nested memory of the argument.
    """
    message = parse_message(header)
    array = at_address(segments, message.iovecs) if message is not None and message.iovecs else None
    if array is None:
        return b""
    return b"".join(data for _, _, data in iovec_pieces(array, segments) if data is not None)
