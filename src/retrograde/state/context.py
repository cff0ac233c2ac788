"""What holds for a whole recording: its architecture, its clock, the names of its users."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from retrograde.state.process import Process


def _architecture(name: str) -> str:
    """Return the syscall table's name of an architecture that uname calls ``name``."""
    return {"aarch64": "arm64", "amd64": "x86_64"}.get(name, name)


@dataclass(slots=True)
class Context:
    """What the fields of an event need beyond the event and its process.

    Attributes:
        arch: ``x86_64`` or ``arm64``.
        realtime_offset: ns to add to a time of CLOCK_BOOTTIME to get one of CLOCK_REALTIME.
        start_ns: exit time of the first event, ns of CLOCK_BOOTTIME; None before it.
        previous_ns: exit time of the event before the current one; None at the first.
        current_ns: exit time of the current event.
        users, groups: names of user and group ids, as far as they are known.
        processes: the processes that live at the moment, by pid.
    """

    arch: str = "x86_64"
    realtime_offset: int = 0
    start_ns: int | None = None
    previous_ns: int | None = None
    current_ns: int | None = None
    users: dict[int, str] = field(default_factory=dict)
    groups: dict[int, str] = field(default_factory=dict)
    processes: dict[int, Process] = field(default_factory=dict, repr=False)

    @classmethod
    def from_info(cls, info: Mapping[str, Any]) -> Context:
        """Return the context of a recording whose INFO block is ``info`` (it may be empty).

        Names of users are taken from this machine's databases only if the recording was made here: a number that
        is honest beats a name that belongs to someone else.
        """
        boottime, realtime = info.get("boottime_ns"), info.get("realtime_ns")
        offset = realtime - boottime if isinstance(boottime, int) and isinstance(realtime, int) else 0
        context = cls(_architecture(str(info.get("arch", "x86_64"))), offset, users={0: "root"}, groups={0: "root"})
        if info.get("hostname") == os.uname().nodename:
            context.users.update((user.pw_uid, user.pw_name) for user in pwd.getpwall())
            context.groups.update((group.gr_gid, group.gr_name) for group in grp.getgrall())
        return context

    def advance(self, time_ns: int) -> None:
        """Note that the event at ``time_ns`` is the current one."""
        if self.start_ns is None:
            self.start_ns = time_ns
        self.previous_ns, self.current_ns = self.current_ns, time_ns
