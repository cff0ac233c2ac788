"""Running the real gdb on a debuggee, without a terminal, as a batch script does."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from retrograde.gdbstub.launch import debug
from retrograde.replay.debuggee import Debuggee, Stop

_SECONDS = 120


def needs_gdb() -> None:
    """Skip the test where there is no gdb."""
    if shutil.which("gdb") is None:
        pytest.skip("gdb is not installed")


def built(folder: Path, name: str, source: str, *options: str, compiler: str = "gcc") -> Path:
    """Compile a program with debugging information, as small as can be."""
    path = folder / name
    code = folder / f"{name}.{'cc' if compiler == 'g++' else 'c'}"
    code.write_text(source)
    subprocess.run([compiler, "-g", "-O0", "-w", "-o", str(path), str(code), *options], check=True, cwd=folder)
    return path


def run_gdb(
    debuggee: Debuggee,
    commands: Sequence[str],
    *,
    to: str | None = None,
    stop: Stop | None = None,
    options: Sequence[str] = ("-nx",),
) -> tuple[int, str]:
    """Run gdb's commands, one after the other even where one fails.

    Returns:
        Its exit status, and what it printed on both streams.
    """
    words = [word for command in commands for word in ("-ex", command)]
    with tempfile.TemporaryFile() as output:
        saved = os.dup(1), os.dup(2)
        before = signal.signal(signal.SIGALRM, _too_long)
        signal.alarm(_SECONDS)
        try:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
            status = debug(debuggee, [*options, "-batch", *words], to=to, stop=stop)
        finally:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, before)
            for stream, descriptor in enumerate(saved, 1):
                os.dup2(descriptor, stream)
                os.close(descriptor)
        output.seek(0)
        return status, output.read().decode()


def _too_long(*_: object) -> None:
    raise TimeoutError(f"gdb has not ended within {_SECONDS} s")
