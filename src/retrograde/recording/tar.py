"""Reading the members of an uncompressed tar archive in place.

Only what a packed recording needs: regular files, where they lie and how long they are. The library's reader follows
extensions whose length an archive from elsewhere may choose; this one reads 512 bytes a member and nothing else.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator
from typing import NamedTuple

_BLOCK = 512
_REGULAR = (b"0", b"\0")
_MAX_MEMBERS = 100_000


class TarMember(NamedTuple):
    """A regular file in the archive.

    Attributes:
        name: without its folder.
        folder: the name of the folder it lies in, without those around it.
        start, length: where its bytes lie in the archive.
    """

    name: str
    folder: str
    start: int
    length: int


def _number(text: bytes) -> int | None:
    """Return a number of the header: octal digits, or base 256 where the first bit is set (GNU tar)."""
    if text[0] & 0x80:
        return int.from_bytes(bytes([text[0] & 0x7F]) + text[1:], "big")
    try:
        return int(text.rstrip(b" \0") or b"0", 8)
    except ValueError:
        return None


def _checksum(header: bytes) -> int:
    return sum(header[:148]) + 8 * ord(" ") + sum(header[156:])


def read_members(descriptor: int) -> Iterator[TarMember]:
    """Yield the regular files of the archive; stop where it is damaged or cut off."""
    size = os.fstat(descriptor).st_size
    at = 0
    for _ in range(_MAX_MEMBERS):
        header = os.pread(descriptor, _BLOCK, at)
        if len(header) < _BLOCK or not header.strip(b"\0"):
            return
        length = _number(header[124:136])
        if length is None or length < 0 or _number(header[148:156]) != _checksum(header):
            return
        at += _BLOCK
        if header[156:157] in _REGULAR:
            name = header[:100].split(b"\0", 1)[0].decode("utf-8", "surrogateescape")
            folder, base = posixpath.split(name)
            yield TarMember(base, posixpath.basename(folder), at, length)
        at += (length + _BLOCK - 1) // _BLOCK * _BLOCK
        if at > size:
            return
