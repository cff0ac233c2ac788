"""The memory map of a replayed process, as the native replayer tells of it."""

from __future__ import annotations

from retrograde.replay.debuggee import Mapping


def parsed_maps(text: bytes) -> list[Mapping]:
    """Return the memory map that the native replayer tells of."""
    found = []
    for line in text.decode("utf-8", "surrogateescape").splitlines():
        span, permissions, offset, _device, _inode, image, *path = line.split(" ", 6)
        start, _, end = span.partition("-")
        found.append(
            Mapping(
                int(start, 16),
                int(end, 16),
                permissions,
                int(offset, 16),
                path[0] if path else "",
                None if image == "-" else image,
            )
        )
    return found
