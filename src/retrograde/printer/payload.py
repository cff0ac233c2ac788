"""The data that a call moved."""

from __future__ import annotations

from retrograde.events import Event, SegmentFlag
from retrograde.syscalls import Syscall

_GATHERED = ("iovec", "msghdr", "mmsghdr")


def payload_argument(syscall: Syscall) -> int:
    """Return the position of the argument that leads to the data a call moves, -1 where it moves none."""
    for position, param in enumerate(syscall.params):
        if param.payload or (syscall.io is not None and param.direction and param.type.kind in _GATHERED):
            return position
    if syscall.io is not None:
        for position, param in enumerate(syscall.params):
            if param.direction and param.type.kind == "bytes":
                return position
    return -1


def payload(event: Event) -> bytes | None:
    """Return the bytes that the call moved, as far as they were kept; None where it moves none or they were not."""
    if event.syscall is None:
        return None
    argument = payload_argument(event.syscall)
    if argument < 0:
        return None
    segments = [s for s in event.segments if s.arg == argument and not s.flags & SegmentFlag.FAULT]
    if not segments:
        return None
    kind = event.syscall.params[argument].type.kind
    if kind not in _GATHERED:
        return b"".join(s.data for s in segments if not s.flags & SegmentFlag.NESTED)
    nested = [s for s in segments if s.flags & SegmentFlag.NESTED]
    if kind == "iovec":
        return b"".join(s.data for s in nested)
    # Behind a message's own header and name stand its iovecs and what they lead to.
    from retrograde.printer.messages import message_data

    header = next((s for s in segments if not s.flags & SegmentFlag.NESTED), None)
    if header is None:
        return None
    tuples = [(s.arg, s.flags, s.address, s.full_length, s.data) for s in nested]
    step = 64 if kind == "mmsghdr" else 56
    pieces = [message_data(header.data[at : at + 56], tuples) for at in range(0, len(header.data) - 55, step)]
    return b"".join(pieces)
