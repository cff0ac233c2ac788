"""Containers, as far as a cgroup's path names them."""

from __future__ import annotations

import re

ID_LENGTH = 12  # as `docker ps` shortens them

# docker-<id>.scope, libpod-<id>.scope, cri-containerd-<id>.scope, crio-<id>.scope; /docker/<id>, /libpod-<id>;
# below kubepods both `cri-containerd-<id>.scope` (systemd driver) and a plain `<id>` (cgroupfs driver).
# Not libpod-conmon-<id>.scope, crio-conmon-<id>.scope: the monitor runs outside of the container.
_LONG_ID = re.compile(r"(?:^|[-/:])(?<!conmon-)([0-9a-f]{64})(?:\.scope)?(?=/|$)")
_LXC = re.compile(r"/lxc(?:\.payload|\.monitor)?[./]([^/]+)")
_NSPAWN = re.compile(r"/machine\.slice/(?:systemd-nspawn@([^/]+)\.service|machine-([^/]+)\.scope)")
_SYSTEMD_ESCAPE = re.compile(r"\\x([0-9a-f]{2})")


def _unescape(name: str) -> str:
    """Undo systemd's escaping of unit names (systemd-escape(1))."""
    return _SYSTEMD_ESCAPE.sub(lambda match: chr(int(match[1], 16)), name)


def container_of(cgroup: str | None) -> tuple[str | None, str | None]:
    """Return (id, name) of the container whose processes live in a cgroup; None for what its path does not say.

    Docker, podman, containerd and CRI-O (Kubernetes) name their cgroups by a 64-digit id; lxc and systemd-nspawn by
    the container's name, which then serves as id too.
    """
    if not cgroup:
        return None, None
    ids = _LONG_ID.findall(cgroup)
    if ids:
        return ids[-1][:ID_LENGTH], None  # the innermost one of nested containers
    match = _LXC.search(cgroup) or _NSPAWN.search(cgroup)
    if match:
        name = _unescape(next(group for group in match.groups() if group))
        return name, name
    return None, None
