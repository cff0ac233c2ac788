"""Addresses of thread-local variables (qGetTLSAddr), without libthread_db.

glibc finds them by the thread's vector of blocks, the dtv, which its ABI fixes, and by the module's number, which it
keeps in its link map at an offset of its own; it exports that offset for debuggers under the name asked for here.
Source: glibc's nptl_db/td_thr_tlsbase.c and structs.def.
"""

from __future__ import annotations

from retrograde.errors import UsageError
from retrograde.gdbstub.copy import Process
from retrograde.gdbstub.packets import PacketError, from_hex, number, numbers, to_hex

_MODULE_NUMBER = b"_thread_db_link_map_l_tls_modid"
_DTV_FROM_THREAD_POINTER = {"x86_64": 8, "arm64": 0}
_DTV_ENTRY = 16
_UNALLOCATED = (1 << 64) - 1
_MOST_MODULES = 1 << 16


class ThreadLocal:
    """Knows what gdb said of glibc's symbols."""

    def __init__(self) -> None:
        self._description: int | None = None

    def symbol(self, arguments: bytes) -> bytes:
        """Answer qSymbol: ask for the one symbol, once gdb offers to look some up.

        Raises:
            PacketError: the packet is malformed.
        """
        value, _, name = arguments.partition(b":")
        if not name:
            return b"qSymbol:" + to_hex(_MODULE_NUMBER)
        if from_hex(name) == _MODULE_NUMBER and value:
            self._description = number(value)
        return b"OK"

    def address(self, process: Process, tid: int, arguments: bytes) -> bytes:
        """Answer qGetTLSAddr for `OFFSET,LINK_MAP`.

        Raises:
            PacketError: the packet is malformed.
            UsageError: the variable has no address yet, or the C library keeps it in a way of its own.
        """
        offset, link_map = numbers(arguments, b",", 2)
        if self._description is None:
            raise UsageError("thread-local variables are found with glibc alone, and this program has none")
        # Three words of 32 bits: size in bits, number of elements, offset.
        place = int.from_bytes(_read(process, self._description + 8, 4), "little")
        module = int.from_bytes(_read(process, link_map + place, 8), "little")
        if not 0 < module <= _MOST_MODULES:
            raise UsageError("the module has no thread-local variables")
        thread_pointer = process.debuggee.tls(tid)
        vector = _word(process, thread_pointer + _DTV_FROM_THREAD_POINTER[process.debuggee.arch])
        block = _word(process, vector + _DTV_ENTRY * module)
        if block in (0, _UNALLOCATED):
            raise UsageError("the thread has not used the module's thread-local variables yet")
        return b"%x" % ((block + offset) & (1 << 64) - 1)


def _read(process: Process, address: int, length: int) -> bytes:
    data = process.read_memory(address & (1 << 64) - 1, length)
    if len(data) < length:
        raise PacketError("memory that can't be read")
    return data


def _word(process: Process, address: int) -> int:
    return int.from_bytes(_read(process, address, 8), "little")
