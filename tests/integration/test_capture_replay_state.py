"""What a replay-grade capture of a command records for a replay: docs/reference/recording-format.md."""

from __future__ import annotations

import errno
import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

import retrograde as api
from retrograde.events import Event, Kind, SegmentFlag
from tests.support.capturing import capture, sound_events
from tests.support.commands import compiled, retrograde

PAGE = 4096
REGISTERS, FPREGISTERS, MAPS, MEMORY, HANDLER_REGISTERS, HANDLER_FPREGISTERS = 21, 22, 24, 25, 26, 27
RAX, RDX, RIP, RSP = 10, 12, 16, 19  # of struct user_regs_struct
RDRAND = 4
AT_IGNORE, AT_SYSINFO_EHDR, AT_ENTRY = 1, 33, 9


@pytest.fixture(params=["ebpf", "ptrace"])
def backend(request: pytest.FixtureRequest) -> str:
    """Each back end: eBPF's needs root."""
    if request.param == "ebpf":
        request.getfixturevalue("as_root")
    return str(request.param)


def _record(capture_program: Path, folder: Path, backend: str, *words: str) -> list[Event]:
    capture(capture_program, folder, "--backend", backend, "--grade", "replay", "--", *words)
    return sound_events(folder)


def _bytes(event: Event, arg: int) -> list[tuple[int, bytes]]:
    return [(segment.address, bytes(segment.data)) for segment in event.segments if segment.arg == arg]


def _map(event: Event) -> list[list[str]]:
    text = b"".join(data for _, data in _bytes(event, MAPS)).decode()
    return [line.split(" ", 6) for line in text.splitlines()]


def _of_kind(events: list[Event], kind: Kind) -> list[Event]:
    return [event for event in events if event.kind == kind]


def _memory(event: Event, address: int, length: int) -> bytes:
    for start, data in _bytes(event, MEMORY):
        if start <= address and address + length <= start + len(data):
            return data[address - start : address - start + length]
    raise AssertionError(f"{address:#x} is in no segment")


def _auxiliary_vector(start: Event, sp: int) -> dict[int, int]:
    def word(at: int) -> int:
        return int(struct.unpack("<Q", _memory(start, at, 8))[0])

    at = sp + 8 * (1 + word(sp) + 1)
    while word(at):
        at += 8
    at += 8
    vector: dict[int, int] = {}
    while word(at):
        vector[word(at)] = word(at + 8)
        at += 16
    return vector


def test_the_start_is_recorded(capture_program: Path, tmp_path: Path, backend: str) -> None:
    events = _record(capture_program, tmp_path / "r", backend, "/bin/true", "word")
    assert [Kind(event.kind) for event in events[:3]] == [Kind.EXEC, Kind.START, Kind.SYSCALL]
    start = events[1]
    registers = struct.unpack("<27Q", _bytes(start, REGISTERS)[0][1])
    pc, sp = registers[16], registers[19]
    assert len(_bytes(start, FPREGISTERS)[0][1]) >= 512
    stack = next(line for line in _map(start) if line[-1] == "[stack]")
    stack_end = int(stack[0].split("-")[1], 16)
    assert b"word\0" in _memory(start, sp, stack_end - sp)
    vector = _auxiliary_vector(start, sp)
    assert AT_SYSINFO_EHDR not in vector
    assert AT_IGNORE in vector
    assert vector[AT_ENTRY] > 0
    code = [line for line in _map(start) if "x" in line[1] and line[5] != "-"]
    ranges = [tuple(int(number, 16) for number in line[0].split("-")) for line in code]
    assert any(begin <= pc < end for begin, end in ranges)
    vdso = next(line for line in _map(start) if line[-1] == "[vdso]")
    assert _memory(start, int(vdso[0].split("-")[0], 16), 4) == b"\x7fELF"
    brk = next(event for event in events if event.syscall is not None and event.syscall.name == "brk")
    assert start.args[0] == brk.result


def test_images_hold_the_mapped_files(capture_program: Path, tmp_path: Path, backend: str) -> None:
    events = _record(capture_program, tmp_path / "r", backend, "/bin/true")
    images = tmp_path / "r" / "images"
    assert images.stat().st_mode & 0o777 == 0o700
    named = set()
    for event in (*_of_kind(events, Kind.START), *_of_kind(events, Kind.MAPPED)):
        for line in _map(event):
            if line[4] != "0":
                named.add(line[5])
                assert (images / line[5]).read_bytes() == Path(line[6]).read_bytes()
                assert (images / line[5]).stat().st_mode & 0o777 == 0o600
    assert {path.name for path in images.iterdir()} == named
    for event in _of_kind(events, Kind.MAPPED):
        call = events[events.index(event) + 1]
        assert call.syscall is not None
        assert call.syscall.name == "mmap"
        assert (call.tid, call.result) == (event.tid, event.args[0])
    mapped = [e for e in events if e.syscall is not None and e.syscall.name == "mmap" and not e.args[3] & 0x20]
    assert len(mapped) == len(_of_kind(events, Kind.MAPPED)) > 0


def test_the_content_of_shared_writable_memory_is_recorded(capture_program: Path, tmp_path: Path, backend: str) -> None:
    file = tmp_path / "shared"
    file.write_bytes(b"abc" * 1000)
    script = f"import mmap; f = open({str(file)!r}, 'r+b'); m = mmap.mmap(f.fileno(), 0); m[0:3] = b'xyz'"
    events = _record(capture_program, tmp_path / "r", backend, sys.executable, "-S", "-c", script)
    event = next(event for event in _of_kind(events, Kind.MAPPED) if _map(event)[0][-1] == str(file))
    ((address, data),) = _bytes(event, MEMORY)
    assert address == event.args[0]
    assert data == b"abc" * 1000 + bytes(PAGE - 3000)


def test_a_pipe_takes_the_content_of_files_too(capture_program: Path, tmp_path: Path, backend: str) -> None:
    stream = tmp_path / "stream"
    command = [str(capture_program), "--backend", backend, "--grade", "replay", "--output", "-", "--", "/bin/true"]
    with stream.open("wb") as out:
        subprocess.run(command, stdout=out, stderr=subprocess.DEVNULL, check=True, timeout=60)
    with api.open(stream) as recording:
        events = list(recording.events())
    start = _of_kind(events, Kind.START)[0]
    registers = struct.unpack("<27Q", _bytes(start, REGISTERS)[0][1])
    assert all(line[5] == "-" for line in _map(start))
    assert len(_memory(start, registers[16], 16)) == 16


def test_information_tells_the_processor(capture_program: Path, tmp_path: Path, backend: str) -> None:
    _record(capture_program, tmp_path / "r", backend, "/bin/true")
    with api.open(tmp_path / "r") as recording:
        info = recording.info
    assert info["format"] == 2
    assert info["page_size"] == PAGE
    assert "fpu" in info["cpu"]["features"]
    assert info["cpu"]["xcr0"] & 3 == 3
    assert info["replay"]["cpu"] >= 0


def _registers(event: Event, arg: int = REGISTERS) -> tuple[int, ...]:
    return struct.unpack("<27Q", _bytes(event, arg)[0][1])


def test_signals_are_recorded_with_their_frames(capture_program: Path, tmp_path: Path, backend: str) -> None:
    events = _record(capture_program, tmp_path / "r", backend, str(compiled("struck", tmp_path)))
    written = next(event for event in events if event.syscall is not None and event.syscall.name == "write")
    assert bytes(written.segments[0].data) == b"2 1 1 1\n"
    signals = _of_kind(events, Kind.SIGNAL)
    names = [signal.Signals(event.nr).name for event in signals]
    assert names[0] == "SIGUSR1"
    assert len(names) >= 14
    assert set(names[1:-3]) == {"SIGALRM"}
    assert names[-3:] == ["SIGSEGV", "SIGUSR1", "SIGALRM"]
    for event in signals:
        there = _registers(event, HANDLER_REGISTERS)
        assert there[RIP] == event.args[4]
        ((address, frame),) = (
            (segment.address, bytes(segment.data))
            for segment in event.segments
            if segment.arg == MEMORY and segment.flags & SegmentFlag.OUT
        )
        assert address == there[RSP]
        # struct rt_sigframe: a return address, struct ucontext, in it struct sigcontext (arch/x86/include/uapi/asm)
        saved = struct.unpack_from("<18Q", frame, 8 + 40)
        struck = _registers(event)
        if event.nr != signal.SIGUSR1:
            assert (saved[15], saved[16]) == (struck[RSP], struck[RIP])
        assert len(_bytes(event, HANDLER_FPREGISTERS)[0][1]) >= 512
    # A fault of the program itself is no trap.
    assert signals[-3].args[3] == 8
    # The second of two strikes at the first instruction of the first's handler.
    assert _registers(signals[-1])[RIP] == signals[-2].args[4]


def test_the_counter_is_read_for_the_program(capture_program: Path, tmp_path: Path, backend: str) -> None:
    events = _record(capture_program, tmp_path / "r", backend, str(compiled("struck", tmp_path)))
    traps = _of_kind(events, Kind.TRAP)
    assert len(traps) >= 2
    before, after = (_registers(event) for event in traps[-2:])
    assert before[RAX] | before[RDX] << 32 < after[RAX] | after[RDX] << 32
    assert all(_registers(event)[RIP] == event.args[1] + 2 for event in traps if event.args[0] == 0)


def test_random_numbers_that_cannot_be_told_from_other_bytes_are_named(
    capture_program: Path, tmp_path: Path, backend: str
) -> None:
    source, program = tmp_path / "bare.c", tmp_path / "bare"
    source.write_text("int main(void) { unsigned n; return !__builtin_ia32_rdrand32_step(&n); }")
    options = ["-mrdrnd", "-O1", "-fno-asynchronous-unwind-tables", "-Wl,--no-eh-frame-hdr"]
    subprocess.run(["gcc", *options, "-o", str(program), str(source)], check=True)
    events = _record(capture_program, tmp_path / "r", backend, str(program))
    assert not [event for event in _of_kind(events, Kind.TRAP) if event.args[0] == RDRAND]
    with api.open(tmp_path / "r") as recording:
        assert recording.end is not None
        (what,) = [each["what"] for each in recording.end["unfaithful"]]
    assert what == f"random numbers from instructions (rdrand, rdseed) of {program}"


def test_a_program_that_outlives_its_capture_asks_the_processor_itself(
    capture_program: Path, tmp_path: Path, backend: str
) -> None:
    program = compiled("struck", tmp_path)
    words = ["--backend", backend, "--grade", "replay", "--duration", "300ms", "--output", str(tmp_path / "r")]
    with (tmp_path / "out").open("w") as out:
        command = [str(capture_program), *words, "--", str(program), "2"]
        subprocess.run(command, stdout=out, stderr=subprocess.DEVNULL, check=True, timeout=60)
    deadline = time.monotonic() + 10
    while (tmp_path / "out").read_text() != "done\n":
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _names(events: list[Event]) -> list[str]:
    return [event.syscall.name if event.syscall is not None else Kind(event.kind).name for event in events]


def test_threads_share_a_cpu(capture_program: Path, tmp_path: Path, as_root: None) -> None:
    events = _record(capture_program, tmp_path / "r", "ebpf", str(compiled("serialised", tmp_path)))
    written = next(event for event in events if event.syscall is not None and event.syscall.name == "write")
    cpus = len(os.sched_getaffinity(0))
    assert bytes(written.segments[0].data).decode() == f"2000 {cpus} {errno.ENOSYS} {errno.ENOSYS} 0 0\n"
    with api.open(tmp_path / "r") as recording:
        replay = recording.info["replay"]
    assert replay["scheduling"] == "rr"
    assert {"io_uring_setup", "rseq"} <= set(replay["vetoed"])
    assert {event.cpu for event in events if event.kind == Kind.SYSCALL} == {replay["cpu"]}
    switches = _of_kind(events, Kind.SWITCH)
    assert switches
    for event in switches:
        lengths = [len(data) for _, data in _bytes(event, REGISTERS)]
        assert lengths == [] or (lengths == [21 * 8] and not event.args[2])
    assert any(_bytes(event, REGISTERS) for event in switches)
    affinity = next(
        event for event in events if event.syscall is not None and event.syscall.name == "sched_getaffinity"
    )
    assert sum(byte.bit_count() for byte in affinity.segments[0].data) == cpus
    answered = [
        e for e in events if e.syscall is not None and e.syscall.name in ("sched_setaffinity", "io_uring_setup")
    ]
    assert [event.result for event in answered] == [0, -errno.ENOSYS]
    assert answered[0].args[1] == 128


def test_the_only_cpu_is_shared_with_the_capture(capture_program: Path, tmp_path: Path, as_root: None) -> None:
    """The capture, which goes first there, lets a thread run that is on its way into a handler."""
    words = [capture_program, "--quiet", "--grade", "replay", "--output", tmp_path / "r", "--"]
    cpu = str(min(os.sched_getaffinity(0)))
    subprocess.run(["taskset", "-c", cpu, *words, compiled("wandered", tmp_path)], check=True, timeout=60)
    done = retrograde("replay", "--check", str(tmp_path / "r"))
    assert done.returncode == 0, done.stderr


def test_a_single_thread_has_no_switches(capture_program: Path, tmp_path: Path, as_root: None) -> None:
    events = _record(capture_program, tmp_path / "r", "ebpf", "/bin/sleep", "0.1")
    assert "SWITCH" not in _names(events)


def test_what_a_replay_may_not_repeat_is_named(capture_program: Path, tmp_path: Path, backend: str) -> None:
    file = tmp_path / "shared"
    file.write_bytes(b"abc")
    script = f"import mmap; f = open({str(file)!r}, 'r+b'); m = mmap.mmap(f.fileno(), 0)"
    events = _record(capture_program, tmp_path / "r", backend, sys.executable, "-S", "-c", script)
    with api.open(tmp_path / "r") as recording:
        assert recording.end is not None
        (thing,) = recording.end["unfaithful"]
    assert str(file) in thing["what"]
    assert events[thing["seq"] - 1].kind in (Kind.MAPPED, Kind.SYSCALL)


def _written(events: list[Event]) -> list[tuple[int, bytes, int]]:
    """Return (offset, bytes, size of the file) of each WRITTEN event; a call comes behind it."""
    found = []
    for index, event in enumerate(events):
        if event.kind == Kind.WRITTEN:
            assert events[index + 1].kind == Kind.SYSCALL
            assert events[index + 1].tid == event.tid
            data = b"".join(data for _, data in _bytes(event, MEMORY)).strip(b"\0")
            found.append((event.args[3], data, event.args[4]))
    return found


def test_what_calls_write_to_mapped_files_is_recorded(capture_program: Path, tmp_path: Path, backend: str) -> None:
    file = tmp_path / "mapped"
    file.write_bytes(bytes(5000))
    script = f"""
import mmap, os
f = open({str(file)!r}, "r+b", buffering=0)
m = mmap.mmap(f.fileno(), 5000, prot=mmap.PROT_READ)
os.pwrite(f.fileno(), b"abc", 4000)
os.writev(f.fileno(), [b"de", b"fgh"])
os.ftruncate(f.fileno(), 6000)
other = os.open({str(file)!r}, os.O_WRONLY | os.O_APPEND)
os.pwrite(other, b"end", 0)
os.truncate({str(file)!r}, 5500)
os.open({str(file) + ".not"!r}, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
os.close(os.open({str(file)!r}, os.O_WRONLY | os.O_TRUNC))
m.close()
"""
    events = _record(capture_program, tmp_path / "r", backend, sys.executable, "-S", "-c", script)
    expected = [
        (4000, b"abc", 5000),
        (0, b"defgh", 5000),
        (0, b"", 6000),
        (6000, b"end", 6003),
        (0, b"", 5500),
        (0, b"", 0),
    ]
    assert _written(events) == expected
    status = file.stat()
    mapped = next(event for event in _of_kind(events, Kind.MAPPED) if _map(event)[0][-1] == str(file))
    assert mapped.args[2] == 5000
    rows = _of_kind(events, Kind.WRITTEN)
    assert {(row.args[0], row.args[2]) for row in rows} == {(0, status.st_ino)}
    with api.open(tmp_path / "r") as recording:
        assert recording.end is not None
        assert (
            f"{rows[0].args[1] >> 32:02x}:{rows[0].args[1] & 0xFFFFFFFF:02x} {status.st_ino}"
            in recording.end["written"]
        )


def test_what_is_written_to_another_process_is_recorded(capture_program: Path, tmp_path: Path, backend: str) -> None:
    script = """
import ctypes, os
text = ctypes.create_string_buffer(b"before")
file = os.open(f"/proc/{os.getpid()}/mem", os.O_RDWR)
os.pwrite(file, b"after!", ctypes.addressof(text))
os.write(1, f"{os.getpid()} {ctypes.addressof(text)}".encode())
"""
    events = _record(capture_program, tmp_path / "r", backend, sys.executable, "-c", script)
    (row,) = _of_kind(events, Kind.WRITTEN)
    printed = [event for event in events if event.syscall is not None and event.syscall.name == "write"][-1]
    pid, address = (int(word) for word in bytes(printed.segments[0].data).split())
    assert row.args[:2] == (1, pid)
    assert _bytes(row, MEMORY) == [(address, b"after!")]


def test_a_restarted_call_has_its_memory(capture_program: Path, tmp_path: Path, backend: str) -> None:
    script = """
import os, select, signal, time
r, w = os.pipe()
child = os.fork()
if child == 0:
    polled = select.poll()
    polled.register(r, select.POLLIN)
    polled.poll(60000)
    os._exit(0)
time.sleep(0.3)
for number in (signal.SIGSTOP, signal.SIGCONT):
    os.kill(child, number)
    time.sleep(0.1)
os.write(w, b"x")
os.waitpid(child, 0)
"""
    events = _record(capture_program, tmp_path / "r", backend, sys.executable, "-S", "-c", script)
    (restarted,) = [e for e in events if e.syscall is not None and e.syscall.name == "restart_syscall"]
    assert restarted.result == 1
    (polled,) = [data for _, data in _bytes(restarted, 0)]
    assert struct.unpack("<ihh", polled)[1:] == (1, 1)


def test_interrupted_threads_tell_what_lies_on_their_stack_and_in_reach(
    capture_program: Path, tmp_path: Path, backend: str
) -> None:
    events = _record(capture_program, tmp_path / "r", backend, str(compiled("serialised", tmp_path)))
    running = [event for event in _of_kind(events, Kind.SWITCH) if _bytes(event, REGISTERS)]
    for event in running:
        sp = struct.unpack("<21Q", _bytes(event, REGISTERS)[0][1])[RSP]
        if not (memory := _bytes(event, MEMORY)):
            continue
        (address, data), *reach = memory
        assert address <= sp < address + len(data)
        assert len(data) <= 640
        assert all(len(piece) <= 64 for _, piece in reach)
    assert not running or any(len(_bytes(event, MEMORY)) > 1 for event in running)


def test_programs_are_shown_the_scheduling_that_they_asked_for(
    capture_program: Path, tmp_path: Path, backend: str, as_root: None
) -> None:
    script = """
import errno, os

def error_of(function, *arguments):
    try:
        function(*arguments)
    except OSError as error:
        return error.errno
    return 0

def real():  # the 41st field: what the kernel knows
    with open("/proc/self/stat") as file:
        return int(file.read().rpartition(")")[2].split()[38])

cpus = os.sched_getaffinity(0)
assert os.sched_getscheduler(0) == os.SCHED_OTHER and real() == os.SCHED_RR
os.sched_setaffinity(0, {min(cpus)})
assert os.sched_getaffinity(0) == {min(cpus)}
assert error_of(os.sched_setaffinity, 0, []) == errno.EINVAL
os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
assert os.sched_getscheduler(0) == os.SCHED_BATCH and real() == os.SCHED_RR
assert error_of(os.sched_setparam, 0, os.sched_param(5)) == errno.EINVAL
assert error_of(os.sched_setparam, 0, os.sched_param(0)) == 0
assert error_of(os.sched_setscheduler, 0, os.SCHED_FIFO, os.sched_param(500)) == errno.EINVAL
assert error_of(os.sched_setscheduler, 0x3fffffff, os.SCHED_BATCH, os.sched_param(0)) == errno.ESRCH
child = os.fork()
if child == 0:
    assert os.sched_getaffinity(os.getppid()) == os.sched_getaffinity(0) == {min(cpus)}
    os.sched_setscheduler(os.getppid(), os.SCHED_FIFO, os.sched_param(7))
    assert os.sched_getscheduler(0) == os.SCHED_BATCH
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert os.sched_getscheduler(0) == os.SCHED_FIFO and os.sched_getparam(0).sched_priority == 7
assert real() == os.SCHED_RR
"""
    events = _record(capture_program, tmp_path / "r", backend, sys.executable, "-c", script)
    assert _of_kind(events, Kind.EXIT)[-1].result == 0
    if backend == "ebpf":
        with api.open(tmp_path / "r") as recording:
            cpu = recording.info["replay"]["cpu"]
        assert {event.cpu for event in events if event.kind == Kind.SYSCALL} == {cpu}
