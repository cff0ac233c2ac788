"""The syscall table: every system call of x86-64 and arm64, one line each (docs/reference/syscall-table.md).

Standard library alone, so that the build can use it before anything is installed.
"""

from __future__ import annotations

from retrograde.syscalls.language import ARCHITECTURES
from retrograde.syscalls.model import FORKS, ConstantSet, Length, Param, Struct, StructField, Syscall, Term, Type
from retrograde.syscalls.problems import Problem, TableError
from retrograde.syscalls.table import Table, load

__all__ = [
    "ARCHITECTURES",
    "FORKS",
    "ConstantSet",
    "Length",
    "Param",
    "Problem",
    "Struct",
    "StructField",
    "Syscall",
    "Table",
    "TableError",
    "Term",
    "Type",
    "load",
]
