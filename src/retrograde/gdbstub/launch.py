"""Starting gdb on a debuggee."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from retrograde.errors import EXIT_DIVERGED, CannotError
from retrograde.gdbstub.registers import XsaveLayout
from retrograde.gdbstub.server import listen_unix, serve
from retrograde.replay.debuggee import Debuggee, Stop

_COMMANDS = Path(__file__).with_name("commands.py")

# Before the user's gdbinit, which may say otherwise.
_DEFAULTS = ("set sysroot target:", "set debuginfod enabled off", "set remotetimeout 100000")
# A recording is nobody's trusted program: scripts that its files name or hold are never run.
_NO_SCRIPTS = "set auto-load off"


def find_gdb() -> str:
    """Return gdb's path.

    Raises:
        CannotError: there is none.
    """
    path = shutil.which("gdb")
    if path is None:
        raise CannotError("gdb is not installed", hint="sudo apt install gdb")
    return path


def gdb_command(gdb: str, address: str, arguments: Sequence[str] = ()) -> list[str]:
    """Return the command that starts gdb on a server.

    Args:
        gdb: its path.
        address: as `target remote` has it.
        arguments: the user's, which follow.
    """
    before = [word for line in (*_DEFAULTS, _NO_SCRIPTS) for word in ("-iex", line)]
    after = [
        word for line in (_NO_SCRIPTS, f"source {_COMMANDS}", f"retrograde-connect {address}") for word in ("-ex", line)
    ]
    return [gdb, "-q", *before, *after, *arguments]


def debug(
    debuggee: Debuggee,
    arguments: Sequence[str] = (),
    *,
    to: str | None = None,
    stop: Stop | None = None,
    layout: XsaveLayout | None = None,
) -> int:
    """Debug in gdb until the user leaves it.

    Args:
        debuggee: what is debugged; it is used in this thread.
        arguments: more of gdb's.
        to: where to go first, as the command `seek` has it. A debuggee at its start that goes there is better than one
            that is there: gdb takes a static program for the dynamic linker, and steps backwards over all its
            functions, where it meets it after glibc has set up its r_debug (svr4_in_dynsym_resolve_code).
        stop: why the debuggee is where it is.
        layout: of the recording's XSAVE areas; guessed where None.

    Returns:
        gdb's exit status; 4 where it is 0 and the replay did not go as recorded.

    Raises:
        CannotError: gdb is not installed.
    """
    gdb = find_gdb()
    with tempfile.TemporaryDirectory(prefix="retrograde-gdb-") as folder:
        path = Path(folder) / "socket"
        with listen_unix(path) as listener, _interrupts_left_to_gdb():
            first = [] if to is None else ["-ex", f"seek {to}"]
            program = subprocess.Popen(gdb_command(gdb, str(path), [*first, *arguments]))
            ended = os.pidfd_open(program.pid)
            try:
                failure = serve(debuggee, listener, stop=stop, layout=layout, keep=True, until=ended)
            except BaseException:
                program.terminate()
                raise
            finally:
                os.close(ended)
                status = program.wait()
    if status < 0:
        return 128 - status
    if status == 0 and failure is not None and failure.exit_code == EXIT_DIVERGED:
        return EXIT_DIVERGED
    return status


@contextlib.contextmanager
def _interrupts_left_to_gdb() -> Iterator[None]:
    """A ^C on the terminal is gdb's alone to see; it asks for an interrupt through the connection."""
    # A handler, unlike SIG_IGN, is not inherited by gdb.
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
