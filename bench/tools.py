"""What is measured: Retrograde in its three ways, and the tools that people use today."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from retrograde.record.program import find_capture_program


@dataclass(frozen=True)
class Tool:
    """A way to watch system calls.

    Attributes:
        name: as it stands in the report.
        program: what it needs; None for nothing.
        wrap: makes the command line that runs a command under it; the second argument is a path for its output, which
            does not exist.
        ours: whether its output is a recording.
        slow: whether it gets fewer calls where there is such a work.
    """

    name: str
    program: str | None
    wrap: Callable[[list[str], Path], list[str]]
    ours: bool = False
    slow: bool = False

    @property
    def is_installed(self) -> bool:
        """Whether it can be run here."""
        return self.program is None or shutil.which(self.program) is not None


def _ours(*options: str) -> Callable[[list[str], Path], list[str]]:
    program = str(find_capture_program())
    return lambda command, output: [program, *options, "--output", str(output), "--", *command]


_BPFTRACE = 'tracepoint:raw_syscalls:sys_exit /comm != "bpftrace"/ { printf("%d %d %d\\n", tid, args->id, args->ret); }'


def _bpftrace(command: list[str], output: Path) -> list[str]:
    script = output.with_suffix(".sh")  # -c takes words without quotes
    script.write_text(f"exec {shlex.join(command)}\n")
    return ["bpftrace", "-o", str(output), "-e", _BPFTRACE, "-c", f"/bin/sh {script}"]


def _find_clang() -> str | None:
    return next(filter(shutil.which, ("clang", *(f"clang-{version}" for version in range(19, 13, -1)))), None)


def _empty_programs(folder: Path, clang: str | None) -> Callable[[list[str], Path], list[str]]:
    sources = Path(__file__).resolve().parent / "workloads"
    program, object_file = folder / "empty", folder / "empty.bpf.o"

    def wrap(command: list[str], _: Path) -> list[str]:
        if not program.exists():
            source = sources / "empty.bpf.c"
            subprocess.run([str(clang), "-O2", "-target", "bpf", "-c", str(source), "-o", str(object_file)], check=True)
            subprocess.run(["gcc", "-O2", "-o", str(program), str(sources / "empty.c"), "-lbpf"], check=True)
        return [str(program), str(object_file), *command]

    return wrap


def tools(folder: Path) -> list[Tool]:
    """Return the tools; the first one is none at all.

    Args:
        folder: for what has to be built.
    """
    clang = _find_clang()
    return [
        Tool("bare", None, lambda command, _: command),
        Tool("two empty programs", clang or "clang", _empty_programs(folder, clang)),
        Tool("observe", None, _ours("--grade", "observe"), ours=True),
        Tool("replay grade", None, _ours("--grade", "replay"), ours=True),
        Tool("replay grade, 1 MiB ring", None, _ours("--grade", "replay", "--buffer-size", "1M"), ours=True),
        Tool("ptrace", None, _ours("--grade", "observe", "--backend", "ptrace"), ours=True, slow=True),
        Tool("strace -f", "strace", lambda command, output: ["strace", "-f", "-o", str(output), *command], slow=True),
        Tool(
            "strace --seccomp-bpf",
            "strace",
            lambda command, output: ["strace", "-f", "--seccomp-bpf", "-o", str(output), *command],
            slow=True,
        ),
        Tool("perf trace", "perf", lambda command, output: ["perf", "trace", "-o", str(output), *command], slow=True),
        Tool("bpftrace printf", "bpftrace", _bpftrace),
    ]
