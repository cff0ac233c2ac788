"""The data that a call moved."""

from __future__ import annotations

from retrograde.events import Event, SegmentFlag
from retrograde.printer.messages import MSGHDR_SIZE, message_data
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
    argument = payload_argument(event.syscall) if event.syscall is not None else -1
    segments = [s for s in event.segments if s.arg == argument and not s.flags & SegmentFlag.FAULT]
    if event.syscall is None or argument < 0 or not segments:
        return None
    kind = event.syscall.params[argument].type.kind
    nested = [s for s in segments if s.flags & SegmentFlag.NESTED]
    if kind == "iovec":
        return b"".join(s.data for s in nested)
    if kind not in _GATHERED:
        return b"".join(s.data for s in segments if not s.flags & SegmentFlag.NESTED)
    # Behind a message's own header and name stand its iovecs and what they lead to.
    header = next((s.data for s in segments if not s.flags & SegmentFlag.NESTED), b"")
    tuples = [(s.arg, s.flags, s.address, s.full_length, s.data) for s in nested]
    step = 64 if kind == "mmsghdr" else MSGHDR_SIZE
    starts = range(0, len(header) - MSGHDR_SIZE + 1, step)
    return b"".join(message_data(header[at : at + MSGHDR_SIZE], tuples) for at in starts) if starts else None
