"""Thread ids as packets have them: `p1f.20`, `20`, `-1` for all, `0` for any."""

from __future__ import annotations

from dataclasses import dataclass

from retrograde.gdbstub.packets import PacketError, number

ALL = -1
ANY = 0


@dataclass(frozen=True, slots=True)
class ThreadId:
    """A thread as a packet names it.

    Attributes:
        pid: process, ALL or ANY; None where the packet names none.
        tid: thread, ALL or ANY.
    """

    pid: int | None
    tid: int

    @property
    def one(self) -> int | None:
        """The thread, where it is one."""
        return self.tid if self.tid not in (ALL, ANY) else None


def _part(text: bytes) -> int:
    return ALL if text == b"-1" else number(text)


def parse_thread(text: bytes) -> ThreadId:
    """Read a thread id.

    Raises:
        PacketError: it is none.
    """
    if not text.startswith(b"p"):
        return ThreadId(None, _part(text))
    pid, dot, tid = text[1:].partition(b".")
    return ThreadId(_part(pid), _part(tid) if dot else ALL)


def belongs(thread: ThreadId, pid: int) -> bool:
    """Tell if a thread id can mean a thread of process `pid`."""
    return thread.pid in (None, ALL, ANY, pid)


def checked_process(text: bytes, pid: int) -> None:
    """Refuse a process that is not the one served.

    Raises:
        PacketError: it is another one, or no number.
    """
    if _part(text) not in (ALL, ANY, pid):
        raise PacketError("another process")
