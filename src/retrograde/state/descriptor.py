"""File descriptors, and the tables of them that processes own or share."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from retrograde.state.text import printable

# sysdig's letters for what a descriptor is; the 4 and 6 of internet sockets tell the family.
TYPE_NAMES: dict[str, str] = {
    "f": "file",
    "d": "directory",
    "4": "ipv4",
    "6": "ipv6",
    "u": "unix",
    "p": "pipe",
    "e": "event",
    "s": "signalfd",
    "l": "eventpoll",
    "i": "inotify",
    "t": "timerfd",
    "n": "netlink",
    "b": "bpf",
    "r": "io_uring",
    "m": "memfd",
    "P": "pidfd",
    "o": "other",
}

# Kinds of socket, as they stand behind the family's digit: `<4t>`.
PROTOCOL_LETTERS: dict[str, str] = {"tcp": "t", "udp": "u", "icmp": "i", "raw": "r"}


class Address(NamedTuple):
    """One end of a socket.

    Attributes:
        host: an address in text (`127.0.0.1`, `::1`), or the path of a unix socket (abstract ones begin with `@`).
        port: the port, or None where the family has none.
    """

    host: str
    port: int | None = None

    def __str__(self) -> str:
        if self.port is None:
            return self.host
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(slots=True)
class Descriptor:
    """An open file descriptor.

    Attributes:
        number: its number in the process.
        typechar: one of :data:`TYPE_NAMES`.
        name: an absolute path, a socket's tuple, or what the kernel shows in /proc/PID/fd.
        cloexec: whether it is closed by exec.
        family, protocol: of sockets: `ipv4`, `ipv6`, `unix`, `netlink`…, and `tcp`, `udp`, `icmp`, `raw`, `stream`, ….
        local, remote: of sockets: the two ends, as far as they are known.
        server: of sockets: True where this end is the server's, False where it is the client's, None where unknown.
    """

    number: int
    typechar: str = "o"
    name: str = ""
    cloexec: bool = False
    family: str | None = None
    protocol: str | None = None
    local: Address | None = None
    remote: Address | None = None
    server: bool | None = None

    @property
    def type(self) -> str:
        """The type in a word: `file`, `ipv4`, `pipe`, …; `other` for an unknown letter."""
        return TYPE_NAMES.get(self.typechar, "other")

    @property
    def is_socket(self) -> bool:
        """Whether it is a socket of any family."""
        return self.family is not None

    @property
    def path(self) -> str | None:
        """The absolute path, where it is a file or a directory that has one."""
        return self.name if self.typechar in "fd" and self.name.startswith("/") else None

    @property
    def directory(self) -> str | None:
        """The directory that holds the file."""
        path = self.path
        return posixpath.dirname(path) if path is not None else None

    @property
    def filename(self) -> str | None:
        """The file's name without its directory."""
        path = self.path
        return posixpath.basename(path) if path is not None else None

    @property
    def client_end(self) -> Address | None:
        """The client's end of a connection, where it is known who is the client."""
        return self.remote if self.server else self.local if self.server is False else None

    @property
    def server_end(self) -> Address | None:
        """The server's end of a connection, where it is known who is the server."""
        return self.local if self.server else self.remote if self.server is False else None

    @property
    def label(self) -> str:
        """What is printed behind the number: `<f>/etc/passwd`, `<4t>127.0.0.1:40000->127.0.0.1:80`."""
        return f"<{self.typechar}{PROTOCOL_LETTERS.get(self.protocol or '', '')}>{printable(self.name)}"

    def tuple_name(self) -> str:
        """Return a socket's name made of its ends, client first where that is known."""
        first, second = self.local, self.remote
        if self.server and self.remote is not None:
            first, second = second, first
        if first is None and second is None:
            return ""
        if second is None:
            return str(first)
        return f"{first if first is not None else ''}->{second}"

    def copy(self, number: int, *, cloexec: bool = False) -> Descriptor:
        """Return a duplicate under another number, as dup() makes it."""
        # Not dataclasses.replace: programs that walk folders duplicate a descriptor for each.
        return Descriptor(
            number, self.typechar, self.name, cloexec, self.family, self.protocol, self.local, self.remote, self.server
        )


class Labels(dict[int, str]):
    """Printed forms of descriptors by number, made when first asked for: `3(<f>/etc/passwd)`, or a plain `3`.

    A number may come as the register held it: what is above its lower half does not count.
    """

    def __init__(self, descriptors: dict[int, Descriptor]) -> None:
        super().__init__()
        self._descriptors = descriptors

    def __missing__(self, number: int) -> str:
        if not 0 <= number < 0x8000_0000:
            low = number & 0xFFFFFFFF
            return str(low - 0x1_0000_0000) if low & 0x8000_0000 else self[low]
        if len(self) > 65536:  # numbers that are no descriptors must not fill the memory
            self.clear()
        descriptor = self._descriptors.get(number)
        text = self[number] = self._text(descriptor) if descriptor is not None else str(number)
        return text

    def _text(self, descriptor: Descriptor) -> str:
        # The same as the label, without the cost of calls: programs that walk folders get a new one all the time.
        name, protocol = descriptor.name, descriptor.protocol
        if not (name.isascii() and name.isprintable()):
            name = printable(name)
        letter = PROTOCOL_LETTERS.get(protocol, "") if protocol else ""
        return f"{descriptor.number}(<{descriptor.typechar}{letter}>{name})"


class StraceLabels(Labels):
    """The same as strace -y prints them: `3</etc/passwd>`."""

    def _text(self, descriptor: Descriptor) -> str:
        name = printable(descriptor.name)
        if descriptor.is_socket and descriptor.protocol:
            name = f"{descriptor.protocol}:[{name}]" if name else descriptor.protocol
        return f"{descriptor.number}<{name or descriptor.type}>"


class DescriptorTable:
    """The descriptors of a process; several processes share one after clone(CLONE_FILES)."""

    __slots__ = ("_descriptors", "labels", "shared", "strace_labels")

    def __init__(self, descriptors: dict[int, Descriptor] | None = None) -> None:
        self._descriptors: dict[int, Descriptor] = descriptors or {}
        self.labels = Labels(self._descriptors)
        self.strace_labels = StraceLabels(self._descriptors)
        self.shared = False  # whether it ever belonged to more than one process

    def __len__(self) -> int:
        return len(self._descriptors)

    def __iter__(self) -> Iterator[Descriptor]:
        return iter(list(self._descriptors.values()))

    def __contains__(self, number: int) -> bool:
        return number in self._descriptors

    def get(self, number: int) -> Descriptor | None:
        """Return the descriptor of that number, or None where it is not known."""
        return self._descriptors.get(number)

    def put(self, descriptor: Descriptor) -> None:
        """Enter a descriptor, in place of the one of the same number; also after a change of one."""
        number = descriptor.number
        self._descriptors[number] = descriptor
        if number in self.labels:
            del self.labels[number]
        if number in self.strace_labels:
            del self.strace_labels[number]

    def duplicate(self, old: int, new: int, *, cloexec: bool = False) -> None:
        """Enter a duplicate of a descriptor under another number, as dup() makes it."""
        if old == new:
            return
        descriptor = self._descriptors.get(old)
        if descriptor is None:
            self.close(new)
        else:
            self.put(descriptor.copy(new, cloexec=cloexec))

    def close(self, number: int) -> None:
        """Forget the descriptor of that number."""
        self._descriptors.pop(number, None)
        if number in self.labels:
            del self.labels[number]
        if number in self.strace_labels:
            del self.strace_labels[number]

    def close_range(self, first: int, last: int) -> None:
        """Forget the descriptors from ``first`` to ``last``."""
        for number in [number for number in self._descriptors if first <= number <= last]:
            self.close(number)

    def update(self, number: int, **changes: Any) -> None:
        """Change attributes of a descriptor, if it is known; a socket's name follows its ends."""
        descriptor = self._descriptors.get(number)
        if descriptor is None:
            return
        changed = replace(descriptor, **changes)
        if changed.is_socket and changed.typechar != "n" and (changed.local or changed.remote):
            changed.name = changed.tuple_name()
        self.put(changed)

    def set_cloexec(self, first: int, last: int) -> None:
        """Mark the descriptors from ``first`` to ``last`` as closed by exec."""
        for number, descriptor in self._descriptors.items():
            if first <= number <= last:
                descriptor.cloexec = True

    def close_on_exec(self) -> None:
        """Forget what exec closes."""
        for descriptor in self:
            if descriptor.cloexec:
                self.close(descriptor.number)

    def copy(self) -> DescriptorTable:
        """Return a table of its own with the same descriptors, as fork() makes it."""
        return DescriptorTable({number: replace(item) for number, item in self._descriptors.items()})
