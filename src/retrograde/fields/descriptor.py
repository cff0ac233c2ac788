"""Fields of the file descriptor that a call is about: `fd.*`."""

from __future__ import annotations

from collections.abc import Callable

from retrograde.events import Event
from retrograde.fields.registry import Choices, Element, Extract, FieldType, Value, define
from retrograde.state import Address, Descriptor
from retrograde.state.descriptor import TYPE_NAMES


def _field(
    name: str, kind: FieldType, description: str, choices: Choices | None = None, element: Element = "str"
) -> Callable[[Callable[[Descriptor], Value | None]], Extract]:
    """Enter a function of the descriptor as a field of the event."""

    def enter(of_descriptor: Callable[[Descriptor], Value | None]) -> Extract:
        def extract(event: Event) -> Value | None:
            return of_descriptor(event.descriptor) if event.descriptor is not None else None

        return define(name, kind, description, choices=choices, element=element)(extract)

    return enter


@_field("fd.num", "int", "number of the file descriptor that the call is about")
def _num(fd: Descriptor) -> int:
    return fd.number


@_field("fd.name", "str", "its name: an absolute path, a socket's tuple, …")
def _name(fd: Descriptor) -> str | None:
    return fd.name or None


@_field(
    "fd.type",
    "str",
    "file, directory, ipv4, ipv6, unix, pipe, event, signalfd, eventpoll, inotify, timerfd, …",
    TYPE_NAMES.values,
)
def _type(fd: Descriptor) -> str:
    return fd.type


@_field("fd.typechar", "str", "the type as one letter: f d 4 6 u p e s l i t n b r m P o", TYPE_NAMES.keys)
def _typechar(fd: Descriptor) -> str:
    return fd.typechar


@_field("fd.directory", "str", "directory of a file")
def _directory(fd: Descriptor) -> str | None:
    return fd.directory


@_field("fd.filename", "str", "name of a file without its directory")
def _filename(fd: Descriptor) -> str | None:
    return fd.filename


@_field("fd.l4proto", "str", "protocol of a socket: tcp, udp, icmp, raw")
def _l4proto(fd: Descriptor) -> str | None:
    return fd.protocol if fd.protocol in ("tcp", "udp", "icmp", "raw") else None


@_field("fd.sockfamily", "str", "family of a socket: ip, unix, netlink, …")
def _sockfamily(fd: Descriptor) -> str | None:
    return "ip" if fd.family in ("ipv4", "ipv6") else fd.family


@_field("fd.ip", "list", "addresses of both ends of an internet socket")
def _ip(fd: Descriptor) -> list[str] | None:
    return [end.host for end in (fd.local, fd.remote) if end is not None and end.port is not None] or None


@_field("fd.port", "list", "ports of both ends of an internet socket", element="int")
def _port(fd: Descriptor) -> list[int] | None:
    return [end.port for end in (fd.local, fd.remote) if end is not None and end.port is not None] or None


_ENDS: dict[str, tuple[str, Callable[[Descriptor], Address | None]]] = {
    "s": ("the server's end", lambda fd: fd.server_end),
    "c": ("the client's end", lambda fd: fd.client_end),
    "l": ("the local end", lambda fd: fd.local),
    "r": ("the remote end", lambda fd: fd.remote),
}


def _define_end(letter: str, words: str, end_of: Callable[[Descriptor], Address | None]) -> None:
    @_field(f"fd.{letter}ip", "str", f"address of {words} of an internet socket")
    def _end_ip(fd: Descriptor) -> str | None:
        end = end_of(fd)
        return end.host if end is not None and end.port is not None else None

    @_field(f"fd.{letter}port", "int", f"port of {words} of an internet socket")
    def _end_port(fd: Descriptor) -> int | None:
        end = end_of(fd)
        return end.port if end is not None else None


for _letter, (_words, _end_of) in _ENDS.items():
    _define_end(_letter, _words, _end_of)
