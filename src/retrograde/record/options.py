"""What a capture is asked to do, and the command-line options that `record`, `trace` and `top` share."""

from __future__ import annotations

import argparse
import difflib
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from retrograde.errors import SyntaxUsageError
from retrograde.record.containers import cgroups_of
from retrograde.syscalls import load

Grade = Literal["observe", "replay"]


@dataclass(slots=True)
class CaptureOptions:
    """What `retrograde-capture` is asked to do; its `--help` describes each option.

    Attributes:
        command: a command to start, whose process tree is captured; or one of
        pids, comms, cgroups, everything: running processes, by id, by name, by cgroup, all there are.
        grade: ``observe`` never disturbs and counts every loss; ``replay`` loses nothing.
        syscalls: names of the calls to capture; None for all.
        switches: capture context switches, too.
        checksums: take checksums of the processes' memory, for a replay to compare.
        checksum_interval: how often, as text with its unit.
        snaplen, buffer_size, duration, max_size, last: as text with its unit, `64M`, `10s`; None for the default.
    """

    command: list[str] = field(default_factory=list)
    pids: list[int] = field(default_factory=list)
    comms: list[str] = field(default_factory=list)
    cgroups: list[str] = field(default_factory=list)
    everything: bool = False
    grade: Grade = "observe"
    syscalls: list[str] | None = None
    switches: bool = False
    checksums: bool = False
    checksum_interval: str | None = None
    backend: str | None = None
    snaplen: str | None = None
    buffer_size: str | None = None
    duration: str | None = None
    max_size: str | None = None
    last: str | None = None
    btf: str | None = None
    user: str | None = None

    def arguments(self, output: str) -> list[str]:
        """Return the arguments of `retrograde-capture` for writing to the folder ``output``."""
        words = ["--quiet", "--grade", self.grade, "--output", output]
        single = {
            "--backend": self.backend,
            "--checksum-interval": self.checksum_interval,
            "--snaplen": self.snaplen,
            "--buffer-size": self.buffer_size,
            "--duration": self.duration,
            "--max-size": self.max_size,
            "--last": self.last,
            "--btf": self.btf,
            "--user": self.user,
            "--syscalls": ",".join(self.syscalls) if self.syscalls is not None else None,
        }
        for option, text in single.items():
            if text is not None:
                words += [option, text]
        for pid in self.pids:
            words += ["--pid", str(pid)]
        for comm in self.comms:
            words += ["--comm", comm]
        for cgroup in self.cgroups:
            words += ["--cgroup", cgroup]
        if self.everything:
            words.append("--all")
        if self.switches:
            words.append("--switches")
        if self.checksums and self.checksum_interval is None:
            words.append("--checksums")
        if self.command:
            words += ["--", *self.command]
        return words


def add_capture_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options about how and how long to capture."""
    how = parser.add_argument_group("how to capture")
    how.add_argument("--backend", choices=["auto", "ebpf", "ptrace"], help="default: eBPF where it is permitted")
    how.add_argument("--syscalls", metavar="LIST", help="only these calls: names or numbers, separated by commas")
    how.add_argument("--switches", action="store_true", help="context switches, too (eBPF)")
    how.add_argument("--snaplen", metavar="BYTES", help="bytes kept of each buffer in observe grade (default 256)")
    how.add_argument("--buffer-size", metavar="SIZE", help="of the ring of each CPU, a power of two (default 8M)")
    how.add_argument("--btf", metavar="FILE", help="BTF of a kernel that ships none")
    how.add_argument("--user", metavar="USER", help="the command runs as this user (under sudo: who called sudo)")
    long = parser.add_argument_group("how long")
    long.add_argument("--duration", metavar="TIME", help="stop after this long (10s, 5m, 1h)")
    long.add_argument("--max-size", metavar="SIZE", help="stop when the recording has this size")
    long.add_argument("--last", metavar="SIZE|TIME", help="a flight recorder: keep only the latest (64M, 30s)")


def add_target_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose running processes."""
    what = parser.add_argument_group("what to capture, unless a command is started")
    what.add_argument("--pid", action="append", type=int, default=[], metavar="PID", help="a process and its children")
    what.add_argument("--comm", action="append", default=[], metavar="NAME", help="whatever runs under this name")
    what.add_argument("--cgroup", action="append", default=[], metavar="FOLDER", help="whatever runs in a cgroup")
    what.add_argument("--container", action="append", default=[], metavar="ID", help="whatever runs in a container")
    what.add_argument("--all", action="store_true", help="the whole system")


def default_user(environment: Mapping[str, str], effective_uid: int) -> str | None:
    """Return whom a started command runs as when nobody said: who called sudo, else None for the caller himself."""
    return environment.get("SUDO_UID") if effective_uid == 0 else None


def _calls(text: str | None) -> list[str] | None:
    """Return the words of a list of system calls.

    Raises:
        SyntaxUsageError: one is not the name of a call of this machine. What numbers there are, the capture says.
    """
    if not text:
        return None
    known = load(platform.machine()).by_name
    position = 0
    for word in text.split(","):
        if word not in known and not word.isdecimal():
            near = difflib.get_close_matches(word, known, n=1)
            raise SyntaxUsageError(
                f"there is no system call {word!r} here",
                text=text,
                position=position,
                length=len(word),
                hint=f"did you mean {near[0]}?" if near else "`retrograde syscalls` lists the calls",
            )
        position += len(word) + 1
    return text.split(",")


def options_from(arguments: argparse.Namespace, *, command: list[str], grade: Grade) -> CaptureOptions:
    """Return the options that a parsed command line asks for."""
    user = arguments.user
    containers: list[str] = getattr(arguments, "container", [])
    if user is None and command:
        user = default_user(os.environ, os.geteuid())
    return CaptureOptions(
        command=command,
        pids=getattr(arguments, "pid", []),
        comms=getattr(arguments, "comm", []),
        cgroups=[*getattr(arguments, "cgroup", []), *(folder for id in containers for folder in cgroups_of(id))],
        everything=getattr(arguments, "all", False),
        grade=grade,
        syscalls=_calls(arguments.syscalls),
        switches=arguments.switches,
        checksums=getattr(arguments, "checksums", False),
        checksum_interval=getattr(arguments, "checksum_interval", None),
        backend=arguments.backend,
        snaplen=arguments.snaplen,
        buffer_size=arguments.buffer_size,
        duration=arguments.duration,
        max_size=arguments.max_size,
        last=arguments.last,
        btf=arguments.btf,
        user=user,
    )
