"""The values that a field may have, where they can be listed: a misspelt one is told then, not silently never met."""

from __future__ import annotations

import functools
import os

CATEGORIES = (
    "file",
    "memory",
    "process",
    "net",
    "signal",
    "time",
    "ipc",
    "event",
    "system",
    "sched",
    "security",
)

# Events that are no system call (retrograde.printer.arguments.event_type).
OTHER_EVENTS = ("clone", "procexec", "procexit", "signaldeliver", "switch", "start", "mapped", "trap")


@functools.cache
def syscalls() -> frozenset[str]:
    """Return the names of the calls of all architectures, 32-bit ones included.

    They are the first column of numbers.tsv: loading the tables would take much longer than most filters.
    """
    from retrograde.syscalls.table import DATA

    with open(os.path.join(DATA, "numbers.tsv"), encoding="utf-8") as file:
        lines = [line for line in file.read().splitlines() if line and not line.startswith("#")]
    return frozenset(line.split("\t", 1)[0] for line in lines[1:])


@functools.cache
def event_types() -> frozenset[str]:
    """Return all values of `evt.type`."""
    return syscalls() | frozenset(OTHER_EVENTS)


@functools.cache
def results() -> frozenset[str]:
    """Return all values of `evt.res`; the kernel's own errors (ERESTARTSYS) show where a signal interrupts a call."""
    from retrograde.printer.renderer import KERNEL_ERRORS
    from retrograde.syscalls import ARCHITECTURES, load

    tables = [load(arch).errno.values() for arch in ARCHITECTURES]
    return frozenset({"SUCCESS", *KERNEL_ERRORS.values()}.union(*tables))
