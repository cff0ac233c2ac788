"""Which cgroup a container's processes are in, found by its path: no daemon is asked."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from retrograde.errors import UsageError
from retrograde.state.container import ID_LENGTH, container_of


def cgroup2_mount() -> Path | None:
    """Return where cgroup2 is mounted, the first place if there are several; None where it is not."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    return next((Path(fields[1]) for fields in mounts if fields[2] == "cgroup2"), None)


def _containers(folder: Path, path: str = "", outer: str | None = None) -> Iterator[tuple[str, Path]]:
    """Give the id and the folder of each container below a folder, a container's before those inside of it."""
    container, _ = container_of(path)
    if container is not None and container != outer:
        yield container, folder
    try:
        inner = sorted(entry for entry in folder.iterdir() if entry.is_dir())
    except OSError:  # ended in the meantime, or not ours to see
        return
    for entry in inner:
        yield from _containers(entry, f"{path}/{entry.name}", container)


def cgroups_of(container: str, mount: Path | None = None) -> list[str]:
    """Return the folders of a container's cgroups.

    Args:
        container: its id, the first 12 digits or more, or its name where cgroups are called by that.
        mount: where cgroup2 is mounted; None to find out.

    Raises:
        UsageError: no such container runs here.
    """
    top = mount or cgroup2_mount()
    running: dict[str, list[Path]] = defaultdict(list)
    for id, folder in _containers(top) if top is not None else ():
        running[id].append(folder)
    found = [
        str(folder)
        for id, folders in running.items()
        for folder in folders
        if id == container or (id == container[:ID_LENGTH] and container in folder.name)
    ]
    if found:
        return found
    near = difflib.get_close_matches(container, running, n=1)
    if near:
        hint = f"did you mean {near[0]}?"
    else:
        hint = f"these do: {', '.join(sorted(running))}" if running else "none does, as far as cgroup2 tells"
    raise UsageError(f"no container {container!r} runs here", hint=hint)
