"""Serving gdb on a port of this machine's own or on a Unix socket: one client at a time."""

from __future__ import annotations

import contextlib
import select
import socket
from collections.abc import Iterator
from pathlib import Path

from retrograde.errors import CannotError, RetrogradeError
from retrograde.gdbstub.connection import Connection
from retrograde.gdbstub.registers import XsaveLayout
from retrograde.gdbstub.session import Ending, Session
from retrograde.replay.debuggee import Debuggee, Stop

_LOOPBACK = "127.0.0.1"


@contextlib.contextmanager
def listen_tcp(port: int) -> Iterator[socket.socket]:
    """Listen on a port of the loopback interface; 0 takes a free one.

    Raises:
        CannotError: the port is taken.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((_LOOPBACK, port))
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise CannotError(
                f"gdb can't be served on port {port}: {reason}", hint="--port 0   takes a free one"
            ) from None
        listener.listen(1)
        yield listener


@contextlib.contextmanager
def listen_unix(path: Path) -> Iterator[socket.socket]:
    """Listen on a Unix socket, whose folder only its owner may enter."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen(1)
        yield listener


def serve(
    debuggee: Debuggee,
    listener: socket.socket,
    *,
    stop: Stop | None = None,
    layout: XsaveLayout | None = None,
    keep: bool = False,
    until: int | None = None,
) -> RetrogradeError | None:
    """Serve gdb, in the thread that owns the debuggee.

    Args:
        debuggee: what is debugged.
        listener: listens for clients.
        stop: why the debuggee is where it is; a signal is told to gdb.
        layout: of the recording's XSAVE areas; guessed where None.
        keep: serve the next client once one has detached or gone; one that kills ends it.
        until: a descriptor; no client is waited for once it is readable.

    Returns:
        What kept the run from going on as recorded, where something did.
    """
    failure: RetrogradeError | None = None
    while (stream := _accept(listener, until)) is not None:
        ending, failed = _serve_one(debuggee, stream, stop, layout)
        failure = failure or failed
        stop = None
        if ending is Ending.KILLED or not keep:
            break
    return failure


def _accept(listener: socket.socket, until: int | None) -> socket.socket | None:
    waited = [listener.fileno()] if until is None else [listener.fileno(), until]
    ready, _, _ = select.select(waited, [], [])
    if listener.fileno() not in ready:
        return None
    stream, _ = listener.accept()
    if stream.family == socket.AF_INET:
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return stream


def _serve_one(
    debuggee: Debuggee, stream: socket.socket, stop: Stop | None, layout: XsaveLayout | None
) -> tuple[Ending, RetrogradeError | None]:
    connection = Connection(stream)
    with contextlib.closing(connection):
        session = Session(debuggee, connection, stop, layout)
        ending = session.serve()
    return ending, session.motion.failure
