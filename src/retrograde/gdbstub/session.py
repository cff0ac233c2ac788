"""One gdb's session: which packet is answered by what."""

from __future__ import annotations

import enum
from collections.abc import Callable
from xml.sax.saxutils import quoteattr

from retrograde.errors import RetrogradeError
from retrograde.gdbstub.connection import Connection
from retrograde.gdbstub.copy import Process
from retrograde.gdbstub.description import target_xml
from retrograde.gdbstub.files import Files
from retrograde.gdbstub.monitor import Monitor
from retrograde.gdbstub.motion import Action, Motion, parse_actions
from retrograde.gdbstub.packets import (
    PACKET_SIZE,
    PacketError,
    console,
    error_text,
    escape,
    from_hex,
    number,
    numbers,
    to_hex,
    unescape,
)
from retrograde.gdbstub.registers import XsaveLayout, register_file
from retrograde.gdbstub.stops import stop_reply
from retrograde.gdbstub.threads import belongs, checked_process, parse_thread
from retrograde.gdbstub.tls import ThreadLocal
from retrograde.replay.debuggee import BreakpointKind, Debuggee, Direction, Stop, StopReason

_MOST_READ = PACKET_SIZE // 2 - 16
_MOST_SEARCHED = 1 << 32
_SEARCHED_AT_ONCE = 1 << 20
_CONSOLE_AT_ONCE = 4000
_MALFORMED = b"E16"  # EINVAL
_NO_MEMORY = b"E0e"  # EFAULT
_FEATURES = (
    "QStartNoAckMode+;qXfer:features:read+;qXfer:auxv:read+;qXfer:exec-file:read+;qXfer:threads:read+;"
    "qXfer:siginfo:read+;multiprocess+;swbreak+;hwbreak+;ReverseStep+;ReverseContinue+;vContSupported+;"
    "QPassSignals+;exec-events+;binary-upload+"
)


class Ending(enum.Enum):
    """How a session has ended."""

    DETACHED = "the client has detached"
    KILLED = "the client wants the replay ended"
    GONE = "the connection has ended"


class Session:
    """Answers the packets of one client.

    Args:
        debuggee: what is debugged.
        connection: to gdb.
        stop: why it is where it is.
        layout: of the recording's XSAVE areas; guessed where None.
    """

    def __init__(
        self, debuggee: Debuggee, connection: Connection, stop: Stop | None, layout: XsaveLayout | None = None
    ) -> None:
        self._debuggee = debuggee
        self._connection = connection
        self._registers = register_file(debuggee.arch, debuggee.fp_registers(debuggee.current_thread), layout)
        self._process = Process(debuggee, self._registers)
        self.motion = Motion(self._process, connection)
        self._monitor = Monitor(self._process)
        self._files = Files(debuggee)
        self._thread_local = ThreadLocal()
        if stop is None or stop.reason is not StopReason.SIGNAL:
            stop = Stop(StopReason.STEP, debuggee.current_thread)
        self._stop = stop
        self._tid = self._stop.tid
        self._program = self._running_program()
        self._held: Stop | None = None
        self._features: frozenset[bytes] = frozenset()
        self._objects: dict[bytes, bytes] = {}
        self._ending: Ending | None = None
        self._by_letter: dict[bytes, Callable[[bytes], bytes]] = {
            b"?": lambda _: self._stop_reply(),
            b"g": self._read_registers,
            b"G": self._write_registers,
            b"p": self._read_register,
            b"P": self._write_register,
            b"m": self._read_memory,
            b"x": self._read_memory_binary,
            b"M": self._write_memory,
            b"X": self._write_memory_binary,
            b"H": self._select_thread,
            b"T": self._is_alive,
            b"Z": lambda text: self._breakpoint(text, self._process.add_breakpoint),
            b"z": lambda text: self._breakpoint(text, self._process.remove_breakpoint),
            b"c": lambda _: self._go(Action()),
            b"C": lambda _: self._go(Action()),
            b"s": lambda _: self._go(Action(self._tid)),
            b"S": lambda _: self._go(Action(self._tid)),
            b"b": self._backward,
            b"k": lambda _: self._end(Ending.KILLED, b""),
            b"D": self._detach,
            b"R": self._restart,
            b"!": lambda _: b"OK",
        }
        self._by_name: dict[bytes, Callable[[bytes], bytes]] = {
            b"qSupported": self._supported,
            b"QStartNoAckMode": self._stop_acknowledging,
            b"QPassSignals": self._pass_signals,
            b"qXfer": self._transfer,
            b"qC": lambda _: b"QC" + self._name(self._tid),
            b"qAttached": lambda _: b"1",
            b"qfThreadInfo": lambda _: b"m" + b",".join(map(self._name, self._debuggee.threads)),
            b"qsThreadInfo": lambda _: b"l",
            b"qThreadExtraInfo": self._extra_info,
            b"qSymbol": self._thread_local.symbol,
            b"qGetTLSAddr": self._tls_address,
            b"qSearch": self._search,
            b"qRcmd": self._command,
            b"vCont?": lambda _: b"vCont;c;C;s;S;r",
            b"vCont": lambda text: self._go(parse_actions(text, self._debuggee.pid, self._tid)),
            b"vKill": lambda _: self._end(Ending.KILLED, b"OK"),
            b"vRun": lambda _: error_text("a recorded run starts no program; `run` goes back to its start"),
            b"vFile": self._file,
        }

    def serve(self) -> Ending:
        """Answer until the session ends."""
        try:
            while self._ending is None:
                packet = self._connection.receive()
                if packet is None:
                    return Ending.GONE
                reply = self.answer(packet)
                if packet[:1] not in (b"k", b"R"):
                    self._connection.send(reply)
                if packet == b"QStartNoAckMode":
                    self._connection.stop_acknowledging()
            return self._ending
        finally:
            self._files.close()
            self._process.forget()
            self._process.remove_breakpoints()
            self._monitor.close()

    def answer(self, packet: bytes) -> bytes:
        """Return the reply to one packet; it is empty where the packet is not known."""
        handler, arguments = self._handler(packet)
        if handler is None:
            return b""
        try:
            return handler(arguments)
        except PacketError:
            return _MALFORMED
        except RetrogradeError as error:
            return error_text(error.message)

    def _handler(self, packet: bytes) -> tuple[Callable[[bytes], bytes] | None, bytes]:
        if packet[:1] not in (b"q", b"Q", b"v"):
            return self._by_letter.get(packet[:1]), packet[1:]
        if packet.startswith(b"qThreadExtraInfo,"):
            return self._extra_info, packet[17:]
        end = next((at for at, letter in enumerate(packet) if letter in b":;,"), len(packet))
        return self._by_name.get(packet[:end]), packet[end + 1 :]

    # --- what is agreed on ---

    def _supported(self, text: bytes) -> bytes:
        self._features = frozenset(text.split(b";"))
        return f"PacketSize={PACKET_SIZE:x};{_FEATURES}".encode("ascii")

    def _stop_acknowledging(self, _: bytes) -> bytes:
        return b"OK"

    def _pass_signals(self, text: bytes) -> bytes:
        self.motion.pass_signals(text)
        return b"OK"

    # --- threads ---

    def _name(self, tid: int) -> bytes:
        if b"multiprocess+" in self._features:
            return b"p%x.%x" % (self._debuggee.pid, tid)
        return b"%x" % tid

    def _thread(self, text: bytes) -> int:
        """Read the id of a thread that lives; `any` is the one that runs next."""
        thread = parse_thread(text)
        tid = thread.one or (self._tid if self._tid in self._debuggee.threads else self._debuggee.current_thread)
        if not belongs(thread, self._debuggee.pid) or tid not in self._debuggee.threads:
            raise PacketError("no such thread")
        return tid

    def _select_thread(self, text: bytes) -> bytes:
        tid = self._thread(text[1:])
        if text[:1] not in (b"g", b"c"):
            return b""
        self._tid = tid
        return b"OK"

    def _is_alive(self, text: bytes) -> bytes:
        self._thread(text)
        return b"OK"

    def _extra_info(self, text: bytes) -> bytes:
        return to_hex(self._debuggee.thread_name(self._thread(text)).encode("utf-8", "replace"))

    def _live_tid(self) -> int:
        return self._thread(b"0")

    # --- registers and memory ---

    def _read_registers(self, _: bytes) -> bytes:
        values = self._process.values(self._live_tid())
        parts = []
        for register in self._registers.registers:
            value = values.read(register)
            parts.append(b"xx" * register.width if value is None else to_hex(value))
        return b"".join(parts)

    def _write_registers(self, text: bytes) -> bytes:
        self._process.write_registers(self._live_tid(), from_hex(text))
        return b"OK"

    def _read_register(self, text: bytes) -> bytes:
        at = number(text)
        if at >= len(self._registers.registers):
            return _MALFORMED
        register = self._registers.registers[at]
        value = self._process.values(self._live_tid()).read(register)
        return b"xx" * register.width if value is None else to_hex(value)

    def _write_register(self, text: bytes) -> bytes:
        name, equals, value = text.partition(b"=")
        at = number(name)
        if not equals or at >= len(self._registers.registers):
            return _MALFORMED
        register = self._registers.registers[at]
        data = from_hex(value)
        if len(data) != register.width:
            return _MALFORMED
        self._process.write_register(self._live_tid(), register, data)
        return b"OK"

    def _memory(self, text: bytes) -> bytes:
        address, length = numbers(text, b",", 2)
        return self._process.read_memory(address, min(length, _MOST_READ, (1 << 64) - address))

    def _read_memory(self, text: bytes) -> bytes:
        data = self._memory(text)
        return to_hex(data) if data or text.endswith(b",0") else _NO_MEMORY

    def _read_memory_binary(self, text: bytes) -> bytes:
        data = self._memory(text)
        return b"b" + escape(data) if data or text.endswith(b",0") else _NO_MEMORY

    def _write_memory(self, text: bytes) -> bytes:
        place, _, data = text.partition(b":")
        return self._write(place, from_hex(data))

    def _write_memory_binary(self, text: bytes) -> bytes:
        place, _, data = text.partition(b":")
        return self._write(place, unescape(data))

    def _write(self, place: bytes, data: bytes) -> bytes:
        address, length = numbers(place, b",", 2)
        if length != len(data) or address + length > 1 << 64:
            return _MALFORMED
        if not data:
            return b"OK"
        return b"OK" if self._process.write_memory(self._live_tid(), address, data) else _NO_MEMORY

    def _search(self, text: bytes) -> bytes:
        if not text.startswith(b"memory:"):
            return b""
        start, _, rest = text[7:].partition(b";")
        size, semicolon, pattern = rest.partition(b";")
        pattern = unescape(pattern)
        if not semicolon or not pattern:
            return _MALFORMED
        address, end = number(start), number(start) + min(number(size), _MOST_SEARCHED)
        while address + len(pattern) <= end:
            length = min(end - address, _SEARCHED_AT_ONCE + len(pattern))
            data = self._process.read_memory(address, length)
            found = data.find(pattern)
            if found >= 0:
                return b"1,%x" % (address + found)
            if len(data) < length:
                break
            address += length - len(pattern) + 1
        return b"0"

    def _tls_address(self, text: bytes) -> bytes:
        thread, comma, rest = text.partition(b",")
        if not comma:
            return _MALFORMED
        return self._thread_local.address(self._process, self._thread(thread), rest)

    # --- breakpoints and motion ---

    def _breakpoint(self, text: bytes, change: Callable[[BreakpointKind, int, int], None]) -> bytes:
        # What follows a semicolon are conditions and commands, which gdb evaluates itself.
        kind, address, length = numbers(text.partition(b";")[0], b",", 3)
        if kind > max(BreakpointKind):
            return b""
        change(BreakpointKind(kind), address, length)
        return b"OK"

    def _backward(self, text: bytes) -> bytes:
        if text == b"c":
            return self._go(Action(direction=Direction.BACKWARD))
        if text == b"s":
            return self._go(Action(self._steps_back(), direction=Direction.BACKWARD))
        return b""

    def _steps_back(self) -> int:
        """Return the thread that steps back.

        `bs` names none, nor does gdb select it before: what it has selected last may have been read for a list alone.
        """
        threads = self._debuggee.threads
        named = self._monitor.take_thread()
        return next((tid for tid in (named, self._stop.tid) if tid in threads), self._live_tid())

    def _go(self, action: Action) -> bytes:
        self._monitor.take_thread()  # it was named for one step back
        move = self._monitor.take_move()
        if move is not None:
            stop, self._monitor.refusal = self.motion.go_to(move)
        elif self._held is not None:
            stop = self._held
        elif self._is_for_made_access(action):
            stop = Stop(StopReason.STEP, self._stop.tid)
        else:
            stop = self.motion.go(action)
        self._held = None
        self._moved(self._after_exec(stop))
        return self._stop_reply()

    def _is_for_made_access(self, action: Action) -> bool:
        """Tell if gdb wants to make an access that a watchpoint has stopped at, and that has been made.

        gdb takes arm64 to stop before what it watches (gdbarch_have_nonsteppable_watchpoint), in both directions: it
        takes its watchpoints out, steps once, and looks at the value. The run stops behind it, on all architectures.
        """
        return (
            self._debuggee.arch == "arm64"
            and self._stop.reason is StopReason.WATCHPOINT
            and action.step == self._stop.tid
            and not self._process.has_watchpoint(self._stop.address)
        )

    def _running_program(self) -> tuple[str, bytes]:
        return self._debuggee.exec_file(), self._debuggee.auxv()

    def _after_exec(self, stop: Stop) -> Stop:
        """Tell gdb first where the process is another program than it knows.

        It reads symbols and addresses anew at an exec alone, so it is told of one where the run went back over an exec,
        or was sent beyond one; it lets the program go on then, and is told of the stop itself.
        """
        program = self._running_program()
        if program == self._program:
            return stop
        self._program = program
        # gdb takes its breakpoints for gone, too.
        self._process.remove_breakpoints()
        if stop.reason is StopReason.EXEC or b"exec-events+" not in self._features:
            return stop
        self._held = stop
        return Stop(StopReason.EXEC, stop.tid, path=program[0])

    def _moved(self, stop: Stop) -> None:
        threads = self._debuggee.threads
        if stop.tid not in threads:
            stop = Stop(stop.reason, self._debuggee.current_thread, stop.signal, stop.address, stop.kind, stop.status,
                        stop.path)  # fmt: skip
        self._stop = stop
        self._tid = stop.tid

    def _stop_reply(self) -> bytes:
        name = self._name(self._stop.tid)
        return stop_reply(self._process, self._stop, name, self._features, self.motion.is_step_pretended)

    def _restart(self, _: bytes) -> bytes:
        self._process.forget()
        self._moved(self._debuggee.seek(0))
        return b""

    def _end(self, ending: Ending, reply: bytes) -> bytes:
        self._ending = ending
        return reply

    def _detach(self, text: bytes) -> bytes:
        if text:
            checked_process(text[1:], self._debuggee.pid)
        return self._end(Ending.DETACHED, b"OK")

    # --- objects and files ---

    def _transfer(self, text: bytes) -> bytes:
        kind, _, rest = text.partition(b":")
        operation, _, rest = rest.partition(b":")
        annex, colon, place = rest.rpartition(b":")
        if operation != b"read" or not colon:
            return b""
        offset, length = numbers(place, b",", 2)
        name = kind + b":" + annex
        if offset == 0 or name not in self._objects:
            data = self._object(kind, annex)
            if data is None:
                return b""
            self._objects = {name: data}
        data = self._objects[name]
        part = data[offset : offset + min(length, _MOST_READ)]
        return (b"m" if offset + len(part) < len(data) else b"l") + escape(part)

    def _object(self, kind: bytes, annex: bytes) -> bytes | None:
        match kind:
            case b"features":
                if annex != b"target.xml":
                    raise PacketError("one description, target.xml")
                return target_xml(self._registers)
            case b"auxv":
                return self._debuggee.auxv()
            case b"exec-file":
                if annex:
                    checked_process(annex, self._debuggee.pid)
                return self._debuggee.exec_file().encode("utf-8", "surrogateescape")
            case b"siginfo":
                return self._debuggee.siginfo(self._live_tid())
            case b"threads":
                return self._threads_xml()
        return None

    def _threads_xml(self) -> bytes:
        lines = ["<threads>"]
        for tid in self._debuggee.threads:
            name = "".join(letter if letter.isprintable() else "?" for letter in self._debuggee.thread_name(tid))
            lines.append(f'<thread id="{self._name(tid).decode()}" name={quoteattr(name)}/>')
        return "".join([*lines, "</threads>"]).encode("utf-8", "replace")

    def _file(self, text: bytes) -> bytes:
        operation, _, arguments = text.partition(b":")
        answer = self._files.answer(operation, arguments)
        return b"" if answer is None else answer

    def _command(self, text: bytes) -> bytes:
        try:
            said = self._monitor.run(from_hex(text).decode("utf-8", "replace"))
        except RetrogradeError as error:
            said = f"retrograde: {error}\n"
        for at in range(0, len(said), _CONSOLE_AT_ONCE):
            self._connection.send(console(said[at : at + _CONSOLE_AT_ONCE]))
        return b"OK"
