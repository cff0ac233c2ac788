"""A real container: busybox under runc, in a cgroup that is named as docker and the like name theirs."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from retrograde.record.containers import cgroup2_mount

BUSYBOX = Path("/bin/busybox")
_APPLETS = ("cat", "sh", "sleep", "true")


def missing() -> str | None:
    """Return why no container can be started here, or None."""
    if os.geteuid() != 0:
        return "starting a container needs root"
    absent = [name for name in ("runc", str(BUSYBOX)) if shutil.which(name) is None]
    if absent:
        return f"not installed: {', '.join(absent)}"
    return None if cgroup2_mount() else "cgroup2 is not mounted here"


@dataclass(frozen=True)
class Container:
    """A container.

    Attributes:
        id: 64 digits.
        cgroup: its cgroup, below the mount of each hierarchy.
        bundle: the folder of its configuration and its root.
    """

    id: str
    cgroup: str
    bundle: Path

    def runc(self, verb: str, *words: str) -> str:
        """Run a verb of runc on the container and return what it printed."""
        output = self.bundle / f"{verb}-output"  # no pipe: the container's program would keep it open
        with output.open("w") as file:
            command = ["runc", "--root", str(self.bundle / "state"), verb, *words, self.id]
            null = subprocess.DEVNULL
            done = subprocess.run(
                command, cwd=self.bundle, stdin=null, stdout=file, stderr=file, timeout=30, check=False
            )
        assert done.returncode == 0, output.read_text()
        return output.read_text()

    def state(self) -> dict[str, object]:
        """Return runc's description: `pid`, `status`…"""
        return dict(json.loads(self.runc("state")))

    @property
    def pid(self) -> int:
        """The host's id of the container's first process."""
        return int(str(self.state()["pid"]))

    def wait(self, *, timeout: float = 20) -> None:
        """Wait until its program has ended."""
        deadline = time.monotonic() + timeout
        while self.state()["status"] != "stopped":
            assert time.monotonic() < deadline, "the container goes on"
            time.sleep(0.05)


@contextlib.contextmanager
def container(folder: Path, script: str, *, cgroup: str, id: str) -> Iterator[Container]:
    """Make a container that is ready to run a script of busybox's shell; it runs from `runc start` on.

    Args:
        folder: for its files; must not exist.
        script: what it runs.
        cgroup: where its processes are to be, as an absolute path below the mount of cgroups.
        id: the container's.
    """
    root = folder / "rootfs"
    for name in ("bin", "dev", "etc", "proc", "sys"):
        (root / name).mkdir(parents=True)
    shutil.copy(BUSYBOX, root / "bin" / "busybox")
    for applet in _APPLETS:
        (root / "bin" / applet).symlink_to("busybox")
    (root / "etc" / "marker").write_text("in the container\n")
    subprocess.run(["runc", "spec"], cwd=folder, check=True)
    configuration = json.loads((folder / "config.json").read_text())
    configuration["process"] |= {"terminal": False, "args": ["/bin/sh", "-c", script]}
    configuration["linux"]["cgroupsPath"] = cgroup
    configuration["hostname"] = "web"
    (folder / "config.json").write_text(json.dumps(configuration))

    made = Container(id, cgroup, folder)
    # runc removes the container's cgroup, but not what it made above it.
    above = [path for path in _above(cgroup) if not path.exists()]
    made.runc("create")
    try:
        yield made
    finally:
        made.runc("delete", "--force")
        for path in above:
            with contextlib.suppress(OSError):
                path.rmdir()


def _above(cgroup: str) -> list[Path]:
    """Return the cgroups above one in all hierarchies, the innermost first."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    tops = [Path(fields[1]) for fields in mounts if fields[2] in ("cgroup", "cgroup2")]
    parents = [parent for parent in Path(cgroup.lstrip("/")).parents if str(parent) != "."]
    return [top / parent for top in tops for parent in parents]
