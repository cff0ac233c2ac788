"""The event: one row of a recording, with what the reader knows about its thread at that moment."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from retrograde.state import Descriptor, Process
    from retrograde.syscalls import Syscall


class Kind(enum.IntEnum):
    """Kinds of event (docs/reference/recording-format.md)."""

    SYSCALL = 1
    ENTER = 2
    FORK = 3
    EXEC = 4
    EXIT = 5
    SIGNAL = 6
    SWITCH = 7
    DATA = 8
    START = 9
    MAPPED = 10
    TRAP = 11
    WRITTEN = 12
    CHECKSUM = 13


class EventFlag(enum.IntFlag):
    """Flags of an event."""

    COMPAT = 1
    FAULT = 2
    MORE = 4


class SegmentFlag(enum.IntFlag):
    """Flags of a piece of memory."""

    IN = 1
    OUT = 2
    ENTER = 4
    FAULT = 8
    NESTED = 16


# Plain numbers: an enumeration's operators are slow.
_BEHIND_OR_FAULT = int(SegmentFlag.NESTED | SegmentFlag.FAULT)
_OUT = int(SegmentFlag.OUT)


class SegmentArg(enum.IntEnum):
    """What a segment is, where it is not the memory of argument 0 to 5."""

    FILENAME = 16
    ARGV = 17
    ENVP = 18
    COMM = 19
    CWD = 20
    REGISTERS = 21
    FPREGISTERS = 22
    TLS = 23
    MAPS = 24
    MEMORY = 25
    HANDLER_REGISTERS = 26
    HANDLER_FPREGISTERS = 27
    REGISTER_SET = 28
    CHECKSUMS = 29


@dataclass(slots=True)
class Segment:
    """A piece of the process's memory that a system call read or wrote.

    Attributes:
        arg: the argument (0 to 5) that leads to it, or a :class:`SegmentArg`.
        flags: :class:`SegmentFlag` bits.
        address: where it lay.
        full_length: bytes there were; ``data`` may be shorter where a snaplen cut it.
        data: the bytes.
    """

    arg: int
    flags: int
    address: int
    full_length: int
    data: bytes


@dataclass(slots=True, repr=False)
class Event:
    """One event.

    Attributes:
        seq: its number in the recording, from 0.
        kind: a :class:`Kind`.
        flags: :class:`EventFlag` bits.
        cpu, pid, tid: where and who.
        nr: the call's or the signal's number, -1 for other kinds.
        enter, exit: ns of CLOCK_BOOTTIME.
        result: what the call returned; -4095 to -1 is -errno.
        args: six unsigned 64-bit arguments.
        segments: the memory it read and wrote.
        syscall: the line of the syscall table, its variant already chosen; None for other kinds or unknown numbers.
        process: the process, as it was known when the event happened.
        descriptor: the file descriptor that the call is about (first fd argument, else the returned one), or None.
    """

    seq: int
    kind: int
    flags: int
    cpu: int
    pid: int
    tid: int
    nr: int
    enter: int
    exit: int
    result: int
    args: tuple[int, int, int, int, int, int]
    segments: list[Segment]
    syscall: Syscall | None = None
    process: Process | None = None
    descriptor: Descriptor | None = None

    def __str__(self) -> str:
        """Return the event as `retrograde read` prints it, with what is known of its process at the moment."""
        from retrograde.printer.lines import event_text

        return event_text(self)

    def __repr__(self) -> str:
        return f"<Event {self}>"

    @property
    def failed(self) -> bool:
        """Whether it is a call that returned an error."""
        return self.kind == Kind.SYSCALL and -4095 <= self.result < 0

    @property
    def latency(self) -> int:
        """Exit minus enter, in ns."""
        return self.exit - self.enter

    def memory(self, arg: int, *, written: bool | None = None) -> bytes | None:
        """Return the bytes that argument ``arg`` points to, or None where they were not kept.

        Args:
            arg: 0 to 5, or a :class:`SegmentArg`.
            written: True for what the kernel wrote, False for what it read, None for whichever is there.
        """
        return first_memory(self.segments, arg, written=written)


def first_memory(segments: list[Segment], arg: int, *, written: bool | None = None) -> bytes | None:
    """Return the bytes among an event's memory that argument ``arg`` points to; see :meth:`Event.memory`."""
    for segment in segments:
        if segment.arg != arg or segment.flags & _BEHIND_OR_FAULT:
            continue
        if written is None or bool(segment.flags & _OUT) == written:
            return segment.data
    return None
