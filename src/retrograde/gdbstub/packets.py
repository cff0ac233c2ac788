"""Packets of gdb's remote serial protocol: framing, escapes, numbers in hex.

Source: "Debugging with GDB", appendix E, sections Overview and Packets.
"""

from __future__ import annotations

import enum
import re

PACKET_SIZE = 0x20000
"""The longest packet either side sends, bytes; half as much memory fits into one reply."""

_MOST_UNREAD = 4 * PACKET_SIZE
_ESCAPE = re.compile(rb"\}(.)", re.DOTALL)
_HEX = re.compile(rb"[0-9a-fA-F]{1,16}\Z")


class PacketError(ValueError):
    """A packet is not what the protocol says; the reply is an error, the connection goes on."""


class FloodError(ValueError):
    """What the client sends has no end; the connection is closed."""


class Control(enum.Enum):
    """What comes between packets."""

    ACKNOWLEDGED = "+"
    AGAIN = "-"
    INTERRUPT = "\x03"
    BROKEN = "a packet with a wrong checksum"


_CONTROLS = {b"+": Control.ACKNOWLEDGED, b"-": Control.AGAIN, b"\x03": Control.INTERRUPT}


def escape(data: bytes) -> bytes:
    """Return binary data as a packet can hold it."""
    return data.replace(b"}", b"}]").replace(b"#", b"}\x03").replace(b"$", b"}\x04").replace(b"*", b"}\n")


def unescape(data: bytes) -> bytes:
    """Return the binary data that a packet holds."""
    return _ESCAPE.sub(lambda found: bytes((found[1][0] ^ 0x20,)), data)


def frame(payload: bytes) -> bytes:
    """Return a payload, in which binary data is escaped, between `$` and its checksum."""
    return b"$%b#%02x" % (payload, sum(payload) & 0xFF)


def error_text(message: str) -> bytes:
    """Return an error reply that gdb shows."""
    plain = " ".join(message.split())
    return b"E." + re.sub(r"[^ -~]|[#$*}]", "?", plain)[:500].encode("ascii")


def console(text: str) -> bytes:
    """Return a packet that makes gdb print `text`."""
    return b"O" + text.encode("utf-8", "replace").hex().encode("ascii")


def number(text: bytes) -> int:
    """Read a number of at most 64 bits.

    Raises:
        PacketError: it is none.
    """
    if not _HEX.match(text):
        raise PacketError(f"no number: {text[:40]!r}")
    return int(text, 16)


def numbers(text: bytes, separator: bytes, count: int) -> list[int]:
    """Read exactly `count` numbers.

    Raises:
        PacketError: there are more or fewer.
    """
    parts = text.split(separator)
    if len(parts) != count:
        raise PacketError(f"{len(parts)} numbers, not {count}")
    return [number(part) for part in parts]


def from_hex(text: bytes) -> bytes:
    """Read bytes written as pairs of hex digits.

    Raises:
        PacketError: they are not.
    """
    try:
        return bytes.fromhex(text.decode("ascii"))
    except ValueError:
        raise PacketError(f"no hex: {text[:40]!r}") from None


def to_hex(data: bytes) -> bytes:
    """Write bytes as pairs of hex digits."""
    return data.hex().encode("ascii")


class Unframer:
    """Finds packets in a stream of bytes."""

    def __init__(self) -> None:
        self._unread = bytearray()

    def feed(self, data: bytes) -> None:
        """Take what has arrived.

        Raises:
            FloodError: more is unread than any packet is long.
        """
        self._unread += data
        if len(self._unread) > _MOST_UNREAD:
            raise FloodError(f"more than {_MOST_UNREAD} bytes without an end of packet")

    def next(self) -> bytes | Control | None:
        """Return the next packet's payload as it came, or what stands between packets; None until more arrives.

        Raises:
            FloodError: a packet is longer than agreed.
        """
        unread = self._unread
        while unread:
            first = bytes(unread[:1])
            if first == b"$":
                return self._packet()
            del unread[0]
            if (control := _CONTROLS.get(first)) is not None:
                return control
        return None

    def _packet(self) -> bytes | Control | None:
        unread = self._unread
        end = unread.find(b"#", 1)
        if end < 0:
            if len(unread) > PACKET_SIZE + 4:
                raise FloodError(f"a packet of more than {PACKET_SIZE} bytes")
            return None
        if len(unread) < end + 3:
            return None
        # A `$` in a packet is the start of another one: what stands before it was cut off.
        payload = bytes(unread[unread.rfind(b"$", 0, end) + 1 : end])
        digits = bytes(unread[end + 1 : end + 3])
        del unread[: end + 3]
        if not _HEX.match(digits) or int(digits, 16) != sum(payload) & 0xFF:
            return Control.BROKEN
        return payload

    def take_interrupt(self) -> bool:
        """Tell if an interrupt stands at the end of all that is unread, and take it out.

        gdb sends nothing else while the program runs.
        """
        unread = self._unread
        stripped = unread.rstrip(b"\x03")
        if len(stripped) == len(unread) or b"$" in stripped[stripped.rfind(b"#") + 1 :]:
            return False
        del unread[len(stripped) :]
        return True
