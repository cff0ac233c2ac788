"""Packets of gdb's protocol, and what a hostile client can make the server do."""

from __future__ import annotations

import contextlib
import random
import socket
import struct
import sys
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrograde.errors import RetrogradeError
from retrograde.gdbstub.connection import Connection
from retrograde.gdbstub.packets import (
    PACKET_SIZE,
    Control,
    FloodError,
    Unframer,
    error_text,
    escape,
    frame,
    unescape,
)
from retrograde.gdbstub.server import listen_tcp
from retrograde.gdbstub.session import Ending, Session
from retrograde.gdbstub.signals import from_gdb, to_gdb
from retrograde.replay.debuggee import BreakpointKind, Direction, Scratch, Stop, StopReason
from tests.support.core_debuggee import StillDebuggee

_STACK = 0x7FFF0000
_DATA = 0x600000
_TID = 4242


def _general() -> bytes:
    words = list(range(27))
    words[16], words[19] = 0x401000, _STACK + 0x800
    return struct.pack("<27Q", *words)


class _Endless(StillDebuggee):
    """Its run goes on until it is interrupted."""

    def __init__(self) -> None:
        xsave = bytearray(832)
        struct.pack_into("<Q", xsave, 464, 7)
        super().__init__(
            "x86_64",
            "/bin/true",
            {_TID: _general(), _TID + 1: _general()},
            {_TID: bytes(xsave), _TID + 1: bytes(xsave)},
            [(_DATA, bytes(range(256)) * 16, "rw-p"), (_STACK, bytes(4096), "rw-p")],
        )
        self.interrupts = threading.Event()
        self.resumed = threading.Event()

    def resume(self, direction: Direction = Direction.FORWARD) -> Stop:
        self.resumed.set()
        assert self.interrupts.wait(20)
        self.interrupts.clear()
        return Stop(StopReason.INTERRUPTED, _TID)

    def interrupt(self) -> None:
        self.interrupts.set()

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Scratch]:
        yield _Copy(self)


class _Copy:
    """A copy that crashes at once where it is run."""

    def __init__(self, process: StillDebuggee) -> None:
        self._general, self._floating = process.registers(_TID), process.fp_registers(_TID)
        self._read = process.read_memory
        self._written: dict[int, int] = {}

    def registers(self) -> bytes:
        return self._general

    def set_registers(self, registers: bytes) -> None:
        assert len(registers) == len(self._general)
        self._general = registers

    def fp_registers(self) -> bytes:
        return self._floating

    def set_fp_registers(self, registers: bytes) -> None:
        assert len(registers) == len(self._floating)
        self._floating = registers

    def set_tls(self, value: int) -> None:
        assert 0 <= value < 1 << 64

    def read_memory(self, address: int, length: int) -> bytes:
        data = self._read(address, length)
        return bytes(self._written.get(address + at, byte) for at, byte in enumerate(data))

    def write_memory(self, address: int, data: bytes) -> None:
        assert len(self._read(address, len(data))) == len(data)
        self._written |= {address + at: byte for at, byte in enumerate(data)}

    def resume(self, step: bool = False) -> Stop:
        return Stop(StopReason.SIGNAL, _TID, 11)

    def add_breakpoint(self, kind: BreakpointKind, address: int, length: int) -> None:
        if kind is not BreakpointKind.SOFTWARE:
            raise RetrogradeError("no room")

    def remove_breakpoint(self, kind: BreakpointKind, address: int, length: int) -> None:
        assert kind is BreakpointKind.SOFTWARE


def _items(unframer: Unframer) -> Iterator[bytes | Control]:
    while (item := unframer.next()) is not None:
        yield item


@given(st.binary())
def test_binary_data_survives_escaping(data: bytes) -> None:
    escaped = escape(data)
    assert not {0x23, 0x24, 0x2A} & set(escaped)
    assert unescape(escaped) == data


@given(st.lists(st.binary(max_size=50)), st.lists(st.integers(1, 20), min_size=1))
def test_packets_are_found_however_the_stream_is_cut(payloads: list[bytes], cuts: list[int]) -> None:
    stream = b"+".join(frame(escape(payload)) for payload in payloads)
    unframer, found, at, turn = Unframer(), [], 0, 0
    while at < len(stream):
        unframer.feed(stream[at : at + cuts[turn % len(cuts)]])
        at, turn = at + cuts[turn % len(cuts)], turn + 1
        found += [unescape(item) for item in _items(unframer) if isinstance(item, bytes)]
    assert found == payloads


def test_a_wrong_checksum_is_told() -> None:
    unframer = Unframer()
    unframer.feed(b"$g#68$g#67$g#zz-\x03")
    assert list(_items(unframer)) == [Control.BROKEN, b"g", Control.BROKEN, Control.AGAIN, Control.INTERRUPT]


def test_a_packet_that_was_cut_off_is_left_out() -> None:
    unframer = Unframer()
    unframer.feed(b"$m1234,$g#67")
    assert list(_items(unframer)) == [b"g"]


def test_a_packet_without_end_is_refused() -> None:
    unframer = Unframer()
    unframer.feed(b"$" + b"x" * (PACKET_SIZE + 10))
    with pytest.raises(FloodError):
        unframer.next()
    with pytest.raises(FloodError):
        unframer.feed(b"x" * (4 * PACKET_SIZE))


def test_an_error_is_one_line_without_the_framing_characters() -> None:
    assert error_text("there is no #3\nnor $4 or é") == b"E.there is no ?3 nor ?4 or ?"


def test_signals_have_gdbs_numbers() -> None:
    assert {name: to_gdb(number) for name, number in (("BUS", 7), ("USR1", 10), ("CHLD", 17), ("SEGV", 11))} == {
        "BUS": 10, "USR1": 30, "CHLD": 20, "SEGV": 11}  # fmt: skip
    assert to_gdb(34) == 46
    assert all(from_gdb(to_gdb(signal)) == signal for signal in range(1, 65) if signal != 16)


# --- a session without gdb ---


def _session(debuggee: StillDebuggee) -> tuple[Session, Connection, socket.socket]:
    ours, theirs = socket.socketpair()
    connection = Connection(ours)
    return Session(debuggee, connection, None), connection, theirs


@pytest.fixture
def debuggee() -> _Endless:
    return _Endless()


@pytest.fixture
def session(debuggee: _Endless) -> Iterator[Session]:
    session, connection, theirs = _session(debuggee)
    yield session
    connection.close()
    theirs.close()


@pytest.mark.parametrize(
    ("packet", "reply"),
    [
        (b"m600001,3", b"010203"),
        (b"m0,4", b"E0e"),
        (b"m,", b"E16"),
        (b"mffffffffffffffff,ffffffffffffffff", b"E0e"),
        (b"x600023,2", b"b}\x03}\x04"),
        (b"M600000,1:zz", b"E16"),
        (b"M600000,2:00", b"E16"),
        (b"M600000,1:00", b"OK"),
        (b"M600000,1:01", b"OK"),
        (b"Me00000,1:01", b"E0e"),
        (b"P10=00", b"E16"),
        (b"P10=0000000000000000", b"OK"),
        (b"p10", b"0010400000000000"),
        (b"pffff", b"E16"),
        (b"Hg1092", b"OK"),
        (b"Hg7", b"E16"),
        (b"T1093", b"OK"),
        (b"T1094", b"E16"),
        (b"vMustReplyEmpty", b""),
        (b"Z9,0,1", b""),
        (b"Z0,401000,1;X3,220027", b"OK"),
        (b"qSearch:memory:600000;1000;\x10\x11", b"1,600010"),
        (b"qSearch:memory:600000;1000;", b"E16"),
        (b"vRun;2f62696e2f7368", b"E.a recorded run starts no program; `run` goes back to its start"),
        (b"qThreadExtraInfo,1093", b"746872656164203c313e"),
        (b"qXfer:exec-file:read:1092:0,100", b"l/bin/true"),
        (b"qXfer:exec-file:read:1:0,100", b"E16"),
        (b"qXfer:features:read:../../etc/passwd:0,100", b"E16"),
        (b"qXfer:memory-map:read::0,100", b""),
        (b"vCont;x", b"E16"),
        (b"\xff\xfe", b""),
        (b"", b""),
    ],
)
def test_replies(session: Session, packet: bytes, reply: bytes) -> None:
    assert session.answer(packet) == reply


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "/proc/self/maps", f"/proc/{_TID}/../self/environ", f"/proc/{_TID}/task/1/maps", "/proc/1/maps",
     "..", "etc/passwd", "", f"/proc/{_TID}/environ", f"/proc/{_TID}/root/etc/passwd", "/dev/stdin", "\0/etc/passwd"],
)  # fmt: skip
def test_no_file_of_this_machine_is_opened(session: Session, path: str) -> None:
    name = path.encode().hex().encode()
    with _opened() as opened:
        assert session.answer(b"vFile:open:" + name + b",0,0") == b"F-1,2"
        assert session.answer(b"vFile:readlink:" + name) == b"F-1,2"
    assert opened == []


def test_files_are_not_written(session: Session) -> None:
    name = f"/proc/{_TID}/maps".encode().hex().encode()
    assert session.answer(b"vFile:open:" + name + b",241,1a4") == b"F-1,1e"
    assert session.answer(b"vFile:unlink:" + name) == b"F-1,1e"
    handle = session.answer(b"vFile:open:" + name + b",0,0")[1:]
    assert session.answer(b"vFile:pread:" + handle + b",1000,0").endswith(b"rw-p 00000000 00:00 0\n")
    assert session.answer(b"vFile:pread:" + handle + b",1000,ffffffffffffffff") == b"F-1,16"
    assert session.answer(b"vFile:close:" + handle) == b"F0"
    assert session.answer(b"vFile:close:" + handle) == b"F-1,9"


class _opened:  # noqa: N801
    """Collects the files that are opened meanwhile."""

    _now: list[str] | None = None
    _hooked = False

    def __enter__(self) -> list[str]:
        if not _opened._hooked:
            sys.addaudithook(_opened._hook)
            _opened._hooked = True
        _opened._now = []
        return _opened._now

    def __exit__(self, *_: object) -> None:
        _opened._now = None

    @staticmethod
    def _hook(event: str, arguments: tuple[object, ...]) -> None:
        if _opened._now is not None and event in ("open", "os.listdir", "os.exec", "subprocess.Popen", "os.remove"):
            _opened._now.append(f"{event} {arguments[0]!r}")


_SEEDS = [
    b"?", b"g", b"p1f", b"P10=0011223344556677", b"G" + b"00" * 600, b"m600000,100", b"M600000,2:0011", b"X600000,1:a",
    b"x7fff0000,20", b"Hgp1092.1092", b"Hc-1", b"Tp1092.1093", b"Z0,401000,1", b"z0,401000,1", b"Z2,600000,8", b"bs",
    b"vCont;s:p1092.1092;c", b"vCont?", b"vCont;r401000,401010:1092", b"s", b"R00", b"!",
    b"qSupported:multiprocess+;swbreak+;hwbreak+;exec-events+", b"qXfer:features:read:target.xml:0,fff",
    b"qXfer:auxv:read::0,1000", b"qXfer:threads:read::0,1000", b"qXfer:siginfo:read::0,80", b"qC", b"qAttached:1092",
    b"qfThreadInfo", b"qsThreadInfo", b"qThreadExtraInfo,p1092.1092", b"qSymbol::",
    b"qSymbol:601000:5f7468726561645f64625f6c696e6b5f6d61705f6c5f746c735f6d6f646964", b"qGetTLSAddr:1092,10,600000",
    b"qSearch:memory:600000;1000;ab", b"qRcmd,7365656b2037", b"qRcmd,6576656e7473", b"qRcmd,636865636b706f696e74",
    b"qRcmd,726573746172742031", b"qRcmd,68656c70", b"vFile:open:2f6574632f706173737764,0,0", b"vFile:setfs:0",
    b"vFile:pread:3,1000,0", b"vFile:fstat:3", b"vFile:close:3", b"vFile:readlink:2f70726f632f73656c662f657865",
    b"QPassSignals:e;14;17", b"QNonStop:1", b"vKillX;1",
]  # fmt: skip


def _mutated(chance: random.Random) -> bytes:
    packet = bytearray(chance.choice(_SEEDS))
    for _ in range(chance.choice((0, 1, 1, 2, 5, 20))):
        at = chance.randrange(len(packet) + 1)
        match chance.randrange(4):
            case 0:
                packet[at:at] = bytes((chance.randrange(256),))
            case 1:
                packet[at:at] = chance.choice((b",", b";", b":", b"f" * 16, b"-1", b"p0.0", b"=", b"00"))
            case 2:
                del packet[at : at + chance.randrange(1, 4)]
            case _:
                packet[at:] = chance.choice(_SEEDS)[chance.randrange(4) :]
    return bytes(packet)


@pytest.mark.parametrize("seed", range(5))
def test_a_hostile_client_gets_answers_alone(session: Session, debuggee: _Endless, seed: int) -> None:
    chance = random.Random(seed)
    with _opened() as opened:
        for _ in range(4000):
            packet = _mutated(chance) if chance.random() < 0.9 else chance.randbytes(chance.randrange(60))
            debuggee.interrupts.set()
            assert isinstance(session.answer(packet), bytes), packet
    assert opened == []


def _serve(debuggee: StillDebuggee) -> tuple[socket.socket, threading.Thread, list[Ending]]:
    session, connection, theirs = _session(debuggee)
    theirs.settimeout(20)
    endings: list[Ending] = []

    def run() -> None:
        endings.append(session.serve())
        connection.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return theirs, thread, endings


@pytest.mark.parametrize("seed", range(20))
def test_random_bytes_end_the_session_at_most(debuggee: _Endless, seed: int) -> None:
    chance = random.Random(seed)
    client, thread, endings = _serve(debuggee)

    def drain() -> None:
        with contextlib.suppress(OSError):
            while client.recv(65536):
                pass

    threading.Thread(target=drain, daemon=True).start()
    with contextlib.suppress(OSError):
        for _ in range(60):
            noise = chance.randbytes(chance.randrange(200))
            client.sendall(noise + frame(_mutated(chance)) + b"\x03" * chance.randrange(3))
    debuggee.interrupt()
    client.shutdown(socket.SHUT_WR)
    thread.join(20)
    assert len(endings) == 1
    client.close()


def _received(client: socket.socket, until: bytes) -> bytes:
    data = b""
    while until not in data:
        part = client.recv(4096)
        assert part, f"the connection ended after {data!r}"
        data += part
    return data


def test_an_interrupt_stops_the_run(debuggee: _Endless) -> None:
    client, thread, endings = _serve(debuggee)
    client.sendall(frame(b"QStartNoAckMode"))
    _received(client, b"$OK#9a")
    client.sendall(b"+" + frame(b"vCont;c"))
    assert debuggee.resumed.wait(20)
    client.sendall(b"\x03")
    assert b"$T02thread:1092;" in _received(client, b"#")
    client.sendall(frame(b"D"))
    assert _received(client, b"#9a") == b"$OK#9a"
    thread.join(20)
    assert endings == [Ending.DETACHED]
    client.close()


@pytest.mark.parametrize(
    ("sent", "interrupts"),
    [
        (frame(b"vCont;c"), False),
        (frame(b"vCont;c") + b"\x03", True),
        (b"\x03" + frame(b"Z0,401000,1") + frame(b"QPassSignals:e") + frame(b"vCont;c"), True),
        # It was sent as the program had just stopped: gdb has looked at that, and then goes on.
        (b"\x03" + frame(b"m600000,4") + frame(b"vCont;c"), False),
    ],
)
def test_an_interrupt_about_the_time_that_the_run_begins(sent: bytes, interrupts: bool) -> None:
    ours, theirs = socket.socketpair()
    connection = Connection(ours)
    theirs.sendall(sent)
    while connection.receive() != b"vCont;c":
        pass
    calls: list[int] = []
    with connection.watched(lambda: calls.append(1)):
        pass
    connection.close()
    theirs.close()
    assert bool(calls) is interrupts


def test_the_run_stops_once_the_client_has_gone(debuggee: _Endless) -> None:
    client, thread, endings = _serve(debuggee)
    client.sendall(frame(b"vCont;c"))
    assert debuggee.resumed.wait(20)
    client.close()
    thread.join(20)
    assert endings == [Ending.GONE]


def test_a_lost_reply_is_sent_again(debuggee: _Endless) -> None:
    client, thread, _ = _serve(debuggee)
    client.sendall(frame(b"qAttached"))
    assert _received(client, b"#31") == b"+$1#31"
    client.sendall(b"-")
    assert _received(client, b"#31") == b"$1#31"
    client.sendall(b"+" + frame(b"k"))
    thread.join(20)
    assert not thread.is_alive()
    client.close()


def test_the_port_is_this_machines_alone() -> None:
    with listen_tcp(0) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"
        with pytest.raises(RetrogradeError, match="can't be served on port"), listen_tcp(listener.getsockname()[1]):
            pass


def test_no_memory_of_a_hostile_recording_makes_the_library_walk_endless(debuggee: _Endless) -> None:
    # The linker's list leads into itself, and has names without end.
    data = bytearray(4096)
    struct.pack_into("<2I6Q", data, 0, 6, 4, 0, _DATA, 0, 0, 0, 0)
    struct.pack_into("<2I6Q", data, 56, 2, 4, 0, _DATA + 512, 0, 0, 0, 0)
    struct.pack_into("<2Q", data, 512, 21, _DATA + 1024)
    struct.pack_into("<2Q", data, 1024, 1, _DATA + 2048)
    struct.pack_into("<5Q", data, 2048, 0, _DATA + 3000, _DATA, _DATA + 2048, 0)
    data[3000:] = b"/" * (4096 - 3000)
    debuggee._segments[0] = (_DATA, bytes(data), "rw-p")
    debuggee._auxv = struct.pack("<6Q", 3, _DATA, 5, 1 << 60, 0, 0)
    session, connection, theirs = _session(debuggee)
    assert session.answer(b"vFile:open:2f6c69622f6c6962632e736f,0,0") == b"F-1,2"
    connection.close()
    theirs.close()


def test_a_processor_whose_registers_the_recording_does_not_hold_is_refused(debuggee: _Endless) -> None:
    xsave = bytearray(600)
    struct.pack_into("<Q", xsave, 464, 0xE7)
    debuggee._floating[_TID] = bytes(xsave)
    with pytest.raises(RetrogradeError, match="registers of the processor need"):
        _session(debuggee)


def test_usage_errors_of_commands_are_told_in_the_console(debuggee: _Endless) -> None:
    client, thread, _ = _serve(debuggee)
    client.sendall(frame(b"qRcmd," + b"restart 9".hex().encode()))
    text = _received(client, b"$OK#9a")
    assert b"there is no checkpoint 9".hex().encode() in text
    client.close()
    thread.join(20)
