"""Paths of the recorded program, resolved without the file system."""

from __future__ import annotations

import posixpath

from retrograde.state.process import Process

AT_FDCWD = -100


def resolve_path(folder: str | None, path: str) -> str:
    """Return the path absolute and normal; as it is where the folder it starts from is not known.

    `..` is taken by the letter: where the path leads through a symbolic link, the kernel may have gone elsewhere.
    """
    if not path.startswith("/"):
        if not path:
            return folder or ""
        if folder is None or not folder.startswith("/"):
            return path
        path = f"{folder}/{path}"
    if "//" in path or "/." in path or (path.endswith("/") and path != "/"):
        return posixpath.normpath(path).replace("//", "/", 1)
    return path


def resolve_at(process: Process, dirfd: int, path: str) -> str:
    """Return the path as `openat(dirfd, path)` takes it.

    Args:
        process: whose cwd or descriptor it starts from.
        dirfd: as the register held it.
        path: as the program wrote it.
    """
    if path.startswith("/"):
        return resolve_path(None, path)
    number = dirfd & 0xFFFFFFFF
    if number == AT_FDCWD & 0xFFFFFFFF:
        return resolve_path(process.cwd, path)
    descriptor = process.descriptors.get(number)
    return resolve_path(descriptor.path if descriptor is not None else None, path)
