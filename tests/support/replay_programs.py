"""The programs of tests/programs/replay: how each ends, what it needs, and its executables.

The first lines of a source say so, one comment each:

    /* exit: 42 */  or  /* signal: SIGSEGV */   how it ends
    /* args: a b */                             its arguments
    /* arch: x86_64 */                          the one architecture that it is for: x86_64 or arm64
    /* needs: root */
    /* flaky: why */                            it may end otherwise now and then, bare too
    /* case NAME: a b | exit: 42 */             one run of several, instead of exit, signal and args

What else a file begins with must not look so: a comment of one line that begins with a small word and a colon is
refused. The standard input is to be empty. Executables lie in build/replay-programs, and are built anew where a source
has changed.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "tests" / "programs" / "replay"
BUILT = ROOT / "build" / "replay-programs"

FLAGS = ("-std=gnu11", "-O1", "-g", "-pthread", "-Wall", "-Wextra", "-Werror")
# The virtual machine for arm64 has no libraries.
COMPILERS = {"x86_64": ("gcc",), "arm64": ("aarch64-linux-gnu-gcc", "-static")}

_HEADER = re.compile(r"/\* (?:case (?P<case>\w+)|(?P<key>[a-z]+)): (?P<value>.*) \*/")
_KEYS = {"exit", "signal", "args", "arch", "needs", "flaky"}


@dataclass(frozen=True)
class ReplayProgram:
    """A program and one way to run it.

    Attributes:
        name: that of the source, or of the case.
        source: the C file; several cases share one.
        arguments: what follows the program's name.
        exit_status: how it exits, or None where a signal ends it.
        signal: the number of that signal, or None.
        needs_root: whether it does its work for root alone.
        arch: the only architecture it is for (x86_64, arm64), or None for all.
        flaky: why it may end otherwise now and then, or None.
    """

    name: str
    source: Path
    arguments: tuple[str, ...]
    exit_status: int | None
    signal: int | None
    needs_root: bool
    arch: str | None
    flaky: str | None

    def __str__(self) -> str:
        return self.name

    @property
    def returncode(self) -> int:
        """How it ends, as subprocess says it: the exit status, or the signal's number below zero."""
        return self.exit_status if self.exit_status is not None else -(self.signal or 0)

    def runs_on(self, arch: str) -> bool:
        """Return whether the program is for this architecture."""
        return self.arch in (None, arch)

    def executable(self, arch: str = "x86_64") -> Path:
        """Return the built program: dynamic for x86_64, static for arm64.

        Raises:
            ValueError: the program is not for this architecture, or does not build without warnings.
        """
        if not self.runs_on(arch):
            raise ValueError(f"{self.name} is for {self.arch} alone")
        return _built(self.source, arch)


def missing_compiler(arch: str) -> str | None:
    """Return the name of the compiler for an architecture if it is not installed, else None."""
    name = COMPILERS[arch][0]
    return None if shutil.which(name) else name


def programs(arch: str | None = None, folder: Path = SOURCES) -> list[ReplayProgram]:
    """Return the programs by name: all, or those for one architecture.

    Raises:
        ValueError: a header is not as it should be, or two programs have one name.
    """
    found = [program for source in sorted(folder.glob("*.c")) for program in _parse(source)]
    names = [program.name for program in found]
    if len(set(names)) != len(names):
        raise ValueError(f"a name twice: {sorted(name for name in set(names) if names.count(name) > 1)}")
    return [program for program in found if arch is None or program.runs_on(arch)]


def build(arch: str, chosen: Iterable[ReplayProgram], *, jobs: int = 2) -> dict[str, str]:
    """Build programs in parallel; return what the compiler said of those it did not take, by the source's name."""
    sources = sorted({program.source for program in chosen if program.runs_on(arch)})

    def complaint(source: Path) -> str | None:
        try:
            _built(source, arch)
        except ValueError as error:
            return str(error)
        return None

    with ThreadPoolExecutor(jobs) as pool:
        said = dict(zip((source.stem for source in sources), pool.map(complaint, sources), strict=True))
    return {name: text for name, text in said.items() if text is not None}


def _parse(source: Path) -> list[ReplayProgram]:
    values: dict[str, str] = {}
    cases: list[tuple[str, str, str]] = []  # name, arguments, end
    for line in source.read_text().splitlines():
        match = _HEADER.fullmatch(line)
        if match is None:
            break
        if match["case"]:
            arguments, bar, end = match["value"].rpartition("|")
            if not bar:
                raise ValueError(f"{source.name}: a case is 'NAME: arguments | exit: N', not {line}")
            cases.append((match["case"], arguments, end.strip()))
        elif match["key"] in _KEYS:
            values[match["key"]] = match["value"]
        else:
            raise ValueError(f"{source.name}: {line}")
    ends = [f"{key}: {values[key]}" for key in ("exit", "signal") if key in values]
    if len(ends) != (0 if cases else 1):
        raise ValueError(f"{source.name}: one of exit, signal and cases, not {ends or 'none'}")
    if values.get("arch", "x86_64") not in COMPILERS or values.get("needs", "root") != "root":
        raise ValueError(f"{source.name}: {values}")
    runs = []
    for name, arguments, end in cases or [(source.stem, values.get("args", ""), ends[0])]:
        key, _, value = end.partition(": ")
        if key not in ("exit", "signal"):
            raise ValueError(f"{source.name}: {name} ends by exit or signal, not {end}")
        runs.append(
            ReplayProgram(
                name=name,
                source=source,
                arguments=tuple(arguments.split()),
                exit_status=int(value) if key == "exit" else None,
                signal=int(signal.Signals[value]) if key == "signal" else None,
                needs_root="needs" in values,
                arch=values.get("arch"),
                flaky=values.get("flaky"),
            )
        )
    return runs


def _built(source: Path, arch: str) -> Path:
    executable = BUILT / arch / source.stem
    newest = max(file.stat().st_mtime for file in (source, *source.parent.glob("*.h")))
    if executable.exists() and executable.stat().st_mtime > newest:
        return executable
    executable.parent.mkdir(parents=True, exist_ok=True)
    compiler, *more = COMPILERS[arch]
    handle, partial = tempfile.mkstemp(prefix=f"{source.stem}.", dir=executable.parent)
    os.close(handle)
    try:
        command = [compiler, *FLAGS, *more, "-o", partial, str(source)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ValueError(f"{' '.join(command)}:\n{done.stderr}")
        Path(partial).chmod(0o755)  # one that may not be read can't be recorded by a user without privileges
        Path(partial).replace(executable)
    finally:
        Path(partial).unlink(missing_ok=True)
    return executable
