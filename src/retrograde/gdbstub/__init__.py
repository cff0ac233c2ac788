"""A server of gdb's remote serial protocol over a :class:`retrograde.replay.debuggee.Debuggee`."""

from __future__ import annotations

from retrograde.gdbstub.launch import debug
from retrograde.gdbstub.server import listen_tcp, serve

__all__ = ["debug", "listen_tcp", "serve"]
