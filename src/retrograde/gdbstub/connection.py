"""One connection to gdb: packets in, packets out, and a watch on it while the program runs."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
from collections.abc import Callable, Iterator

from retrograde.gdbstub.packets import Control, FloodError, Unframer, frame

_AGAIN_MS = 50
_LOOKING = (b"?", b"T", b"g", b"m", b"p", b"q", b"x", b"vFile")


class Connection:
    """Packets over a stream socket.

    Reading and writing are the business of the thread that calls; only in :meth:`watched` a second one reads.
    """

    def __init__(self, stream: socket.socket) -> None:
        self._stream = stream
        self._unframer = Unframer()
        self._acknowledging = True
        self._last = b""
        self._ended = False
        self._interrupted = False
        self._wake_read, self._wake_write = os.pipe()
        self._go = threading.Semaphore(0)
        self._idle = threading.Semaphore(0)
        self._interrupt: Callable[[], None] | None = None
        self._watcher: threading.Thread | None = None

    def close(self) -> None:
        """End the watch and close the socket."""
        if self._watcher is not None:
            self._interrupt = None
            self._go.release()
            self._watcher.join()
        for descriptor in (self._wake_read, self._wake_write):
            os.close(descriptor)
        self._stream.close()

    def stop_acknowledging(self) -> None:
        """Leave out `+` and `-` from now on."""
        self._acknowledging = False

    def receive(self) -> bytes | None:
        """Return the next packet's payload, None once the connection has ended."""
        while not self._ended:
            try:
                item = self._unframer.next()
            except FloodError:
                self._ended = True
                break
            if item is None:
                self._read()
            elif isinstance(item, bytes):
                if self._acknowledging:
                    self._write(b"+")
                # An interrupt may come before the packet that lets the program run, amid those that insert breakpoints;
                # one after which gdb looks at the program has come too late, when the program had stopped.
                self._interrupted = self._interrupted and not item.startswith(_LOOKING)
                return item
            elif item is Control.INTERRUPT:
                self._interrupted = True
            elif item is Control.BROKEN:
                self._write(b"-" if self._acknowledging else b"")
            elif item is Control.AGAIN and self._acknowledging:
                self._write(self._last)
        return None

    def send(self, payload: bytes) -> None:
        """Send one packet; nothing happens where the client has gone."""
        self._last = frame(payload)
        self._write(self._last)

    @property
    def ended(self) -> bool:
        """The client has gone."""
        return self._ended

    def _read(self) -> None:
        try:
            data = self._stream.recv(1 << 16)
            self._unframer.feed(data)
        except (OSError, FloodError):
            data = b""
        if not data:
            self._ended = True

    def _write(self, data: bytes) -> None:
        try:
            self._stream.sendall(data)
        except OSError:
            self._ended = True

    @contextlib.contextmanager
    def watched(self, interrupt: Callable[[], None]) -> Iterator[None]:
        """While the program runs, call `interrupt`, in another thread, when gdb asks for it or goes away.

        It is called again and again until the program has stopped, for it may have come before the program ran.
        """
        if self._watcher is None:
            self._watcher = threading.Thread(target=self._watch, name="gdb-interrupts", daemon=True)
            self._watcher.start()
        self._interrupt = interrupt
        self._go.release()
        try:
            yield
        finally:
            os.write(self._wake_write, b"\0")
            self._idle.acquire()

    def _watch(self) -> None:
        while True:
            self._go.acquire()
            interrupt = self._interrupt
            if interrupt is None:
                return
            try:
                self._watch_once(interrupt)
            finally:
                self._idle.release()

    def _watch_once(self, interrupt: Callable[[], None]) -> None:
        poll = select.poll()
        poll.register(self._wake_read, select.POLLIN)
        poll.register(self._stream, select.POLLIN)
        wanted = self._unframer.take_interrupt() or self._interrupted
        self._interrupted = False
        while True:
            if wanted:
                interrupt()
            ready = dict(poll.poll(_AGAIN_MS if wanted else None))
            if self._wake_read in ready:
                os.read(self._wake_read, 1)
                return
            if ready:
                self._read()
                wanted = wanted or self._unframer.take_interrupt() or self._ended
                if self._ended:
                    poll.unregister(self._stream)
