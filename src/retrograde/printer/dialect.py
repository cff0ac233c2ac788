"""The two looks: sysdig's, where a number stands before its meaning, and strace's, where the meaning alone stands."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from retrograde.printer.messages import Piece
from retrograde.state.address import AF_INET, AF_INET6, AF_NETLINK, AF_UNIX, parse_sockaddr
from retrograde.state.text import decode, printable

# Bytes of a buffer that a line shows, and elements of an array.
SHOWN_BYTES = {"sysdig": 80, "strace": 32}
SHOWN_ELEMENTS = 16
CUT = "…"

_DOTS = bytes(byte if 0x20 <= byte < 0x7F else 0x2E for byte in range(256))
_FAMILIES = {0: "AF_UNSPEC", AF_UNIX: "AF_UNIX", AF_INET: "AF_INET", AF_INET6: "AF_INET6", AF_NETLINK: "AF_NETLINK",
             17: "AF_PACKET", 31: "AF_BLUETOOTH", 38: "AF_ALG", 40: "AF_VSOCK", 44: "AF_XDP"}  # fmt: skip
_C_ESCAPES = {0x22: '\\"', 0x5C: "\\\\", 0x0A: "\\n", 0x09: "\\t", 0x0D: "\\r", 0x0B: "\\v", 0x0C: "\\f"}


class Memo(dict[Any, str]):
    """Texts by value, made by a function when first asked for."""

    def __init__(self, make: Callable[[Any], str]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, value: Any) -> str:
        if len(self) > 16384:
            self.clear()
        text = self[value] = self._make(value)
        return text


def _c_escapes(before_digit: bool) -> list[str]:
    """Return each byte as it stands in a C string literal; an octal one takes three digits where a digit follows."""
    escapes = [chr(byte) if 0x20 <= byte < 0x7F else f"\\{byte:{'03' if before_digit else ''}o}" for byte in range(256)]
    for byte, text in _C_ESCAPES.items():
        escapes[byte] = text
    return escapes


_ESCAPED, _ESCAPED_BEFORE_DIGIT = _c_escapes(False), _c_escapes(True)
_TO_ESCAPE = re.compile(r"[^ !#-\[\]-~](?=([0-7])?)")


def _escape(match: re.Match[str]) -> str:
    return (_ESCAPED if match[1] is None else _ESCAPED_BEFORE_DIGIT)[ord(match[0])]


def c_string(data: bytes) -> str:
    """Return bytes as the inside of a C string literal, as strace shows them."""
    return _TO_ESCAPE.sub(_escape, data.decode("latin-1"))


class Dialect:
    """How values look in sysdig's lines."""

    name = "sysdig"
    labels = "labels"

    def data(self, data: bytes, full_length: int) -> str:
        """Return the beginning of a buffer of `full_length` bytes, of which `data` was kept."""
        if len(data) <= 80 and full_length <= len(data):
            return data.translate(_DOTS).decode("ascii")
        return data[:80].translate(_DOTS).decode("ascii") + CUT

    def data_source(self, data: str, long: bool, cut: bool, bind: Callable[[Any], str]) -> str:
        """Return the source of what :meth:`data` returns.

        Args:
            data: source of the bytes.
            long: whether there are more of them than are shown.
            cut: whether there were more of them than were kept.
            bind: returns a name for a value.
        """
        shown = f"{data}[:80]" if long else data
        return f"{shown}.translate({bind(_DOTS)}).decode()" + (f" + {CUT!r}" if long or cut else "")

    def text(self, data: bytes, full_length: int) -> str:
        """Return a string that ends at its NUL."""
        if data[-1:] == b"\0" and data.isascii():  # as most are
            shown = data[:-1].decode("ascii")
            if shown.isprintable():
                return shown
        end = data.find(0)
        if end < 0:
            return printable(decode(data)) + (CUT if full_length > len(data) else "")
        return printable(data[:end].decode("utf-8", "surrogateescape"))

    def meaning(self, number: int | str, word: str) -> str:
        """Return a number with its meaning."""
        return f"{number}({word})" if word != str(number) else word

    def socket_address(self, data: bytes) -> str:
        """Return a `struct sockaddr`."""
        family, address = parse_sockaddr(data)
        if address is not None:
            return printable(str(address))
        if family < 0:
            return data.hex()
        name = _FAMILIES.get(family, str(family))
        return name if family in (0, AF_UNIX) else f"{name} {data[2:].hex()}"

    def vector(self, pieces: list[Piece]) -> str:
        """Return an array of iovecs by the data it leads to."""
        kept = [piece for piece in pieces if piece.data is not None]
        data = b"".join(piece.data for piece in kept if piece.data is not None)
        if not data and any(piece.length for piece in pieces):
            return "[" + ", ".join(str(piece.length) for piece in pieces[:SHOWN_ELEMENTS]) + "]"
        return self.data(data, sum(piece.moved for piece in kept))


class StraceDialect(Dialect):
    """How values look in strace's lines."""

    name = "strace"
    labels = "strace_labels"

    def data(self, data: bytes, full_length: int) -> str:
        if len(data) <= 32 and full_length <= len(data):
            return f'"{c_string(data)}"'
        return f'"{c_string(data[:32])}"...'

    def data_source(self, data: str, long: bool, cut: bool, bind: Callable[[Any], str]) -> str:
        end = bind("..." if long or cut else "")
        quote = bind('"')
        return f"{quote} + {bind(c_string)}({data}[:32]) + {quote} + {end}"

    def text(self, data: bytes, full_length: int) -> str:
        end = data.find(0)
        cut = end < 0 and full_length > len(data)
        return f'"{c_string(data if end < 0 else data[:end])}"' + ("..." if cut else "")

    def meaning(self, number: int | str, word: str) -> str:
        return word

    def socket_address(self, data: bytes) -> str:
        family, address = parse_sockaddr(data)
        name = _FAMILIES.get(family, str(family))
        if address is None:
            rest = f', sa_data="{c_string(data[2:])}"' if family not in (0, AF_UNIX) else ""
            return f"{{sa_family={name}{rest}}}" if family >= 0 else f'"{c_string(data)}"'
        host = printable(address.host)
        if family == AF_INET:
            return f'{{sa_family={name}, sin_port=htons({address.port}), sin_addr=inet_addr("{host}")}}'
        if family == AF_INET6:
            return f'{{sa_family={name}, sin6_port=htons({address.port}), sin6_addr=inet_pton(AF_INET6, "{host}")}}'
        if family == AF_UNIX:
            return (
                f'{{sa_family={name}, sun_path="{host}"}}'
                if host[:1] != "@"
                else f'{{sa_family={name}, sun_path=@"{host[1:]}"}}'
            )
        return f"{{sa_family={name}, {host}}}"

    def vector(self, pieces: list[Piece]) -> str:
        shown = [
            f"{{iov_base={self.data(data, moved) if data is not None else '?'}, iov_len={length}}}"
            for length, moved, data in pieces[:SHOWN_ELEMENTS]
        ]
        return "[" + ", ".join(shown) + (", ..." if len(pieces) > SHOWN_ELEMENTS else "") + "]"


SYSDIG = Dialect()
STRACE = StraceDialect()
