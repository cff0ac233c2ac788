"""gdb's numbers of signals, which are its own on all systems: include/gdb/signals.def."""

from __future__ import annotations

_UNKNOWN = 143

# Linux's number: gdb's, where they differ.
_DIFFERENT = {
    7: 10,  # SIGBUS
    10: 30,  # SIGUSR1
    12: 31,  # SIGUSR2
    16: _UNKNOWN,  # SIGSTKFLT
    17: 20,  # SIGCHLD
    18: 19,  # SIGCONT
    19: 17,  # SIGSTOP
    20: 18,  # SIGTSTP
    23: 16,  # SIGURG
    29: 23,  # SIGIO
    30: 32,  # SIGPWR
    31: 12,  # SIGSYS
    32: 77,
    64: 78,
    **{linux: linux + 12 for linux in range(33, 64)},
}
_FROM_GDB = {theirs: linux for linux in range(1, 65) if (theirs := _DIFFERENT.get(linux, linux)) != _UNKNOWN}
TRAP = 5
INTERRUPT = 2


def to_gdb(signal: int) -> int:
    """Return gdb's number of Linux's signal."""
    if not 0 <= signal <= 64:
        return _UNKNOWN
    return _DIFFERENT.get(signal, signal)


def from_gdb(signal: int) -> int | None:
    """Return Linux's number of gdb's signal, None where Linux has none."""
    return _FROM_GDB.get(signal)
