"""Fields of the process and the thread: `proc.*`, `thread.*`, `user.*`, `group.*`, `container.*`."""

from __future__ import annotations

import itertools
import posixpath
from collections.abc import Callable

from retrograde.events import Event
from retrograde.fields.registry import Element, Extract, FieldType, Value, define, define_family
from retrograde.state import Process

_SHELLS = frozenset({"sh", "bash", "dash", "zsh", "fish", "ksh", "mksh", "tcsh", "csh", "ash", "busybox"})


def _field(
    name: str, kind: FieldType, description: str, element: Element = "str"
) -> Callable[[Callable[[Process], Value | None]], Extract]:
    """Enter a function of the process as a field of the event."""

    def enter(of_process: Callable[[Process], Value | None]) -> Extract:
        def extract(event: Event) -> Value | None:
            return of_process(event.process) if event.process is not None else None

        return define(name, kind, description, element=element)(extract)

    return enter


@define("proc.pid", "int", "the process's id", kernel="pid")
def _pid(event: Event) -> int:
    return event.pid


@define("proc.name", "str", "the thread's name as ps shows it (comm, at most 15 characters)", kernel="comm")
def _name(event: Event) -> str | None:
    return (event.process.thread_name(event.tid) or None) if event.process is not None else None


@define("proc.duration", "int", "ns from the process's start to the event", unit="ns")
def _duration(event: Event) -> int | None:
    if event.process is None or event.process.start is None:
        return None
    return max(0, event.exit - event.process.start)


@_field("proc.exe", "str", "first argument, which is usually the program's name (argv[0])")
def _exe(process: Process) -> str | None:
    return process.exe or None


@_field("proc.exepath", "str", "absolute path of the program")
def _exepath(process: Process) -> str | None:
    return process.exepath or None


@_field("proc.args", "str", "arguments behind the first, joined by blanks")
def _args(process: Process) -> str | None:
    return " ".join(process.args) if process.exe else None


@_field("proc.cmdline", "str", "the whole command line")
def _cmdline(process: Process) -> str | None:
    return process.cmdline or None


@_field("proc.cwd", "str", "current directory")
def _cwd(process: Process) -> str | None:
    return process.cwd


@_field("proc.env", "str", "environment at the last exec, as NAME=value joined by blanks")
def _env(process: Process) -> str | None:
    return " ".join(process.environ) if process.environ is not None else None


@_field("proc.ppid", "int", "the parent's process id")
def _ppid(process: Process) -> int | None:
    return process.ppid or None


@_field("proc.pname", "str", "the parent's name")
def _pname(process: Process) -> str | None:
    return (process.parent.name or None) if process.parent is not None else None


@_field("proc.pcmdline", "str", "the parent's command line")
def _pcmdline(process: Process) -> str | None:
    return (process.parent.cmdline or None) if process.parent is not None else None


@_field("proc.aname", "list", "names of all known ancestors, the parent first")
def _aname(process: Process) -> list[str]:
    return [ancestor.name for ancestor in process.ancestors()]


@_field("proc.apid", "list", "process ids of all known ancestors, the parent first", "int")
def _apid(process: Process) -> list[int]:
    return [ancestor.pid for ancestor in process.ancestors()]


def _ancestor(event: Event, level: int) -> Process | None:
    """Return the ancestor so many levels up; level 0 is the process itself."""
    if event.process is None or level == 0:
        return event.process
    return next(itertools.islice(event.process.ancestors(), level - 1, None), None)


@define_family("proc.aname[N]", "str", "name of the ancestor N levels up; 0 is the process, 1 its parent")
def _aname_at(parameter: str) -> Extract:
    level = int(parameter)

    def extract(event: Event) -> str | None:
        ancestor = _ancestor(event, level)
        return (ancestor.name or None) if ancestor is not None else None

    return extract


@define_family("proc.apid[N]", "int", "process id of the ancestor N levels up; 0 is the process, 1 its parent")
def _apid_at(parameter: str) -> Extract:
    level = int(parameter)

    def extract(event: Event) -> int | None:
        ancestor = _ancestor(event, level)
        return ancestor.pid if ancestor is not None else None

    return extract


@_field("proc.tty", "int", "device number of the controlling terminal, 0 for none")
def _tty(process: Process) -> int | None:
    return process.tty


@_field("proc.vpid", "int", "process id in its own pid namespace")
def _vpid(process: Process) -> int | None:
    return process.vpid


@_field("proc.sid", "int", "session id")
def _sid(process: Process) -> int | None:
    return process.sid


@_field("proc.loginshellid", "int", "process id of the oldest shell among the process and its ancestors")
def _loginshellid(process: Process) -> int | None:
    oldest = None
    for candidate in (process, *process.ancestors()):
        # A login shell's argv[0] has a hyphen before its name (login(1)).
        if candidate.name in _SHELLS or posixpath.basename(candidate.exe).lstrip("-") in _SHELLS:
            oldest = candidate.pid
    return oldest


@define("thread.tid", "int", "the thread's id")
def _tid(event: Event) -> int:
    return event.tid


@define("thread.vtid", "int", "the thread's id in its own pid namespace")
def _vtid(event: Event) -> int | None:
    return event.process.vtids.get(event.tid) if event.process is not None else None


@define("thread.ismain", "bool", "whether it is the process's first thread")
def _ismain(event: Event) -> bool:
    return event.tid == event.pid


@_field("user.uid", "int", "effective user id")
def _uid(process: Process) -> int | None:
    return process.uid


@_field("user.name", "str", "name of the user, if the recording was made on this machine")
def _user_name(process: Process) -> str | None:
    return process.context.users.get(process.uid) if process.uid is not None else None


@_field("user.loginuid", "int", "user id that logged in (audit), -1 for none")
def _loginuid(process: Process) -> int | None:
    return process.loginuid


@_field("group.gid", "int", "effective group id")
def _gid(process: Process) -> int | None:
    return process.gid


@_field("group.name", "str", "name of the group, if the recording was made on this machine")
def _group_name(process: Process) -> str | None:
    return process.context.groups.get(process.gid) if process.gid is not None else None


@_field("container.id", "str", "id of the container that the cgroup's path names, 12 characters; `host` outside of any")
def _container_id(process: Process) -> str | None:
    if process.cgroup is None:
        return None
    return process.container_id or "host"


@_field("container.name", "str", "name of the container, where the cgroup's path says it (lxc, nspawn)")
def _container_name(process: Process) -> str | None:
    return process.container_name
