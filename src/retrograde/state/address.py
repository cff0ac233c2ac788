"""Socket addresses: from `struct sockaddr`, and from the tables in /proc/net."""

from __future__ import annotations

import struct
from typing import NamedTuple

from retrograde.state.descriptor import Address
from retrograde.state.text import decode

# include/linux/socket.h: the same on both architectures.
AF_UNIX = 1
AF_INET = 2
AF_INET6 = 10
AF_NETLINK = 16
AF_PACKET = 17

FAMILY_NAMES: dict[int, str] = {
    AF_UNIX: "unix",
    AF_INET: "ipv4",
    AF_INET6: "ipv6",
    AF_NETLINK: "netlink",
    AF_PACKET: "packet",
    31: "bluetooth",
    38: "alg",
    40: "vsock",
    44: "xdp",
}
TYPECHARS: dict[int, str] = {AF_UNIX: "u", AF_INET: "4", AF_INET6: "6", AF_NETLINK: "n"}

_SOCK_TYPES = {1: "stream", 2: "dgram", 3: "raw", 4: "rdm", 5: "seqpacket"}


def ipv6_text(data: bytes) -> str:
    """Return 16 bytes as an IPv6 address."""
    import socket

    return socket.inet_ntop(socket.AF_INET6, data)


def unix_text(path: bytes) -> str:
    """Return a `sun_path` as text; abstract names begin with `@`, as in /proc/net/unix."""
    if path[:1] == b"\0":
        return "@" + path[1:].decode("utf-8", "surrogateescape") if len(path) > 1 else ""
    return decode(path)


def parse_sockaddr(data: bytes | None) -> tuple[int, Address | None]:
    """Return family and address of a `struct sockaddr`; (-1, None) where there is none.

    Families without a known layout give None as address, also where the bytes are too few.
    """
    if data is None or len(data) < 2:
        return -1, None
    family = data[0] | data[1] << 8
    if family == AF_INET and len(data) >= 8:
        return family, Address(f"{data[4]}.{data[5]}.{data[6]}.{data[7]}", data[2] << 8 | data[3])
    if family == AF_INET6 and len(data) >= 24:
        return family, Address(ipv6_text(data[8:24]), data[2] << 8 | data[3])
    if family == AF_UNIX:
        name = unix_text(data[2:])
        return family, Address(name) if name else None
    if family == AF_NETLINK and len(data) >= 12:
        return family, Address(f"pid:{struct.unpack_from('<I', data, 4)[0]}")
    return family, None


def socket_protocol(family: int, kind: int, protocol: int) -> str:
    """Return the protocol of socket(family, kind, protocol) in a word."""
    kind &= 0xF  # SOCK_TYPE_MASK
    if family in (AF_INET, AF_INET6):
        if kind == 3:
            return "raw"
        named = {6: "tcp", 17: "udp", 1: "icmp", 58: "icmp", 132: "sctp", 136: "udplite"}.get(protocol)
        return named or {1: "tcp", 2: "udp"}.get(kind, "other")
    return _SOCK_TYPES.get(kind, "other")


class SocketEntry(NamedTuple):
    """A socket of a /proc/net table.

    Attributes:
        family: `ipv4`, `ipv6`, `unix`, `netlink`, `packet`.
        typechar: the letter of its descriptors.
        protocol: `tcp`, `udp`, `stream`, ….
        local, remote: its ends.
        listening: whether it accepts connections.
    """

    family: str
    typechar: str
    protocol: str
    local: Address | None = None
    remote: Address | None = None
    listening: bool = False


def _hex_address(text: str) -> Address | None:
    """Parse `0100007F:1F90`: words of 4 bytes in the machine's (little-endian) order, then the port."""
    import socket

    host, _, port = text.partition(":")
    raw = bytes.fromhex(host)
    raw = b"".join(raw[at : at + 4][::-1] for at in range(0, len(raw), 4))
    number = int(port, 16)
    if number == 0 and not any(raw):
        return None
    return Address(socket.inet_ntop(socket.AF_INET if len(raw) == 4 else socket.AF_INET6, raw), number)


def _parse_inet(kind: str, lines: list[str]) -> dict[int, SocketEntry]:
    family, typechar = ("ipv6", "6") if kind.endswith("6") else ("ipv4", "4")
    protocol = kind.removesuffix("6")
    sockets: dict[int, SocketEntry] = {}
    for line in lines:
        words = line.split()
        try:
            listening = protocol == "tcp" and int(words[3], 16) == 10  # TCP_LISTEN
            local, remote, inode = _hex_address(words[1]), _hex_address(words[2]), int(words[9])
        except (ValueError, IndexError, OSError):
            continue
        sockets[inode] = SocketEntry(family, typechar, protocol, local, remote, listening)
    return sockets


def _parse_unix(lines: list[str]) -> dict[int, SocketEntry]:
    sockets: dict[int, SocketEntry] = {}
    for line in lines:
        words = line.split(None, 7)
        try:
            flags, kind, inode = int(words[3], 16), int(words[4], 16), int(words[6])
        except (ValueError, IndexError):
            continue
        name = words[7].rstrip("\n") if len(words) > 7 else ""
        local = Address(name) if name else None
        listening = bool(flags & 0x10000)  # __SO_ACCEPTCON
        sockets[inode] = SocketEntry("unix", "u", _SOCK_TYPES.get(kind, "other"), local, None, listening)
    return sockets


def _parse_by_column(family: str, typechar: str, column: int, lines: list[str]) -> dict[int, SocketEntry]:
    """Parse /proc/net/netlink and packet, of which the inode's column alone matters."""
    sockets: dict[int, SocketEntry] = {}
    for line in lines:
        words = line.split()
        try:
            sockets[int(words[column])] = SocketEntry(family, typechar, "raw")
        except (ValueError, IndexError):
            continue
    return sockets


def parse_net_table(kind: str, text: str) -> dict[int, SocketEntry]:
    """Return the sockets of /proc/net/KIND by inode; lines that make no sense are left out."""
    lines = text.split("\n")[1:]
    if kind in ("tcp", "tcp6", "udp", "udp6", "raw", "raw6", "icmp", "icmp6"):
        return _parse_inet(kind, lines)
    if kind == "unix":
        return _parse_unix(lines)
    if kind == "netlink":
        return _parse_by_column("netlink", "n", 9, lines)
    if kind == "packet":
        return _parse_by_column("packet", "o", 8, lines)
    return {}
