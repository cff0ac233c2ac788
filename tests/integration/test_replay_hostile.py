"""Recordings that somebody has forged, given to the native replayer: it neither crashes nor does what they want.

What a recording holds runs as machine code under the replayer, so these ask what that code reaches: nothing. A file
that it would make is looked for, and an audit by Retrograde itself sees every system call that the kernel really got.
"""

from __future__ import annotations

import os
import platform
import struct
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import retrograde as api
from tests.support import recording_writer as w
from tests.support.altered import Altered
from tests.support.capturing import event_name
from tests.support.mutations import STUB_CODE, STUB_DATA, STUB_END, mutate
from tests.support.native import find_replay_program
from tests.support.replay_programs import programs

ARCH = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
RUNS = int(os.environ.get("RETROGRADE_FUZZ_RUNS", "600"))
SEED = os.environ.get("RETROGRADE_FUZZ_SEED", "0")
SECONDS = 5.0
SANITIZERS = {
    "ASAN_OPTIONS": "exitcode=99:detect_leaks=0:allocator_may_return_null=0:max_allocation_size_mb=4096",
    "UBSAN_OPTIONS": "halt_on_error=1:exitcode=99:print_stacktrace=1",
}
BASES = ["hello", "threads_join", "fork_and_wait", "signal_nested", "map_private_file", "exec_environment"]
CODE, STACK = 0x400000, 0x500000
PREFIX = "forged-"


@pytest.fixture(scope="session")
def replayer() -> Path:
    """The native replayer."""
    return find_replay_program()


def _replay(replayer: Path, recording: Path, canary: Path) -> subprocess.CompletedProcess[str] | None:
    """Replay in an empty folder; None where it did not end in time."""
    canary.mkdir(exist_ok=True)
    environment = {"PATH": os.environ["PATH"], "HOME": str(canary), **SANITIZERS}
    process = subprocess.Popen(
        [str(replayer), "--echo", "--checksums", str(recording)],
        cwd=canary,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    try:
        out, error = process.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return None
    return subprocess.CompletedProcess(process.args, process.returncode, out, error)


# ---- what is forged on purpose: x86-64's machine code ----

x86_64 = pytest.mark.skipif(ARCH != "x86_64", reason="the forged programs are x86-64's machine code")


def _registers(**named: int) -> bytes:
    values = {"cs": 0x33, "ss": 0x2B, "eflags": 0x202, "rip": CODE, "rsp": STACK + 0x800} | named
    at = {"rip": 16, "cs": 17, "eflags": 18, "rsp": 19, "ss": 20}  # of struct user_regs_struct
    words = [0] * 27
    for name, value in values.items():
        words[at[name]] = value
    return struct.pack("<27Q", *words)


def _call(nr: int, *args: int) -> bytes:
    """Return code that makes a system call."""
    registers = (b"\x48\xbf", b"\x48\xbe", b"\x48\xba", b"\x49\xba", b"\x49\xb8", b"\x49\xb9")
    padded = [*args, *[0] * (6 - len(args))]
    moves = b"".join(code + struct.pack("<Q", value % (1 << 64)) for code, value in zip(registers, padded, strict=True))
    return moves + b"\xb8" + struct.pack("<I", nr) + b"\x0f\x05"


def _makes_a_file(path: str) -> bytes:
    """Return code, for any address, that makes a file and traps."""
    code = b"\xbe\x41\x00\x00\x00\xba\xa4\x01\x00\x00\xb8\x02\x00\x00\x00\x0f\x05\xcc"  # open(…, 0x41, 0644)
    return b"\x48\x8d\x3d" + struct.pack("<i", len(code)) + code + path.encode() + b"\0"


class Forged:
    """A recording of a program of a page of code and a page of stack that make up themselves."""

    def __init__(self, folder: Path, code: bytes, *, maps: bytes = b"", memory: list[w.Memory] | None = None) -> None:
        self.writer = w.RecordingWriter(folder, {"replay": {"cpu": 0, "scheduling": None}})
        self.folder = folder
        (folder / "images").mkdir()
        text = "".join(
            f"{start:x}-{start + 0x1000:x} {permissions} 00000000 00:00 0 - \n"
            for start, permissions in ((CODE, "rwxp"), (STACK, "rw-p"))
        )
        start = w.Row(
            kind=w.START,
            nr=-1,
            args=(CODE + 0x100000, 8 << 20),
            memory=[
                w.Memory(w.REGISTERS, _registers()),
                w.Memory(w.MAPS, text.encode() + maps),
                w.Memory(w.MEMORY, code, address=CODE),
                *(memory or []),
            ],
        )
        self.rows = [start, w.Row(nr=59)]

    def called(self, nr: int, *args: int, result: int = 0) -> None:
        """Record a call as if it had been made."""
        self.rows.append(w.Row(nr=nr, args=tuple(value % (1 << 64) for value in args), result=result))

    def row(self, row: w.Row) -> None:
        """Record an event."""
        self.rows.append(row)

    def write(self) -> Path:
        """Write it."""
        self.writer.events(self.rows)
        self.writer.end()
        return self.folder


def _refuses(replayer: Path, forged: Forged, tmp_path: Path, *, codes: tuple[int, ...] = (1, 3, 4)) -> str:
    done = _replay(replayer, forged.write(), tmp_path / "canary")
    assert done is not None
    assert done.returncode in codes, (done.returncode, done.stderr)
    assert not (tmp_path / "made").exists(), "the recording made a file"
    assert list((tmp_path / "canary").iterdir()) == []
    return done.stderr


@x86_64
def test_a_forged_program_runs(replayer: Path, tmp_path: Path) -> None:
    """As the others do, but for what they are up to."""
    code = _call(1, 1, CODE + 0x200, 6) + _call(231, 0)
    forged = Forged(tmp_path / "r", code.ljust(0x200, b"\xcc") + b"words\n")
    forged.called(1, 1, CODE + 0x200, 6, result=6)
    forged.row(w.Row(kind=w.ENTER, nr=231, args=(0,)))
    forged.row(w.Row(kind=w.EXIT, nr=-1, args=(1,)))
    done = _replay(replayer, forged.write(), tmp_path / "canary")
    assert done is not None
    assert (done.returncode, done.stdout) == (0, "words\n"), done.stderr


@x86_64
@pytest.mark.parametrize("way", ["start", "data", "frame", "result", "mapped"])
def test_the_replayers_own_code_is_not_written(replayer: Path, tmp_path: Path, way: str) -> None:
    """It makes real system calls, so a recording that changed it would make any."""
    bad = w.Memory(w.MEMORY, _makes_a_file(str(tmp_path / "made")), address=STUB_CODE)
    code = _call(9, 0x600000, 4096, 3, 0x32, -1, 0) * 2
    forged = Forged(tmp_path / "r", code, memory=[bad] if way == "start" else [])
    if way == "data":
        forged.rows[0].flags = 4
        forged.rows.insert(1, w.Row(kind=w.DATA, nr=-1, memory=[bad]))
    if way == "frame":
        memory = [w.Memory(w.HANDLER_REGISTERS, _registers()), bad]
        forged.row(w.Row(kind=w.SIGNAL, nr=10, memory=memory))
    if way == "mapped":
        line = b"600000-601000 rw-p 00000000 00:01 7 - /a"
        forged.row(w.Row(kind=w.MAPPED, nr=-1, args=(0x600000, 4096), memory=[w.Memory(w.MAPS, line), bad]))
    row = w.Row(nr=9, args=(0x600000, 4096, 3, 0x32, (1 << 64) - 1, 0), result=0x600000)
    if way == "result":
        row.memory = [w.Memory(0, bad.data, address=STUB_CODE)]
    if way == "mapped":
        row.args = (0x600000, 4096, 3, 0x12, (1 << 64) - 1, 0)
    forged.row(row)
    forged.row(w.Row(nr=9, args=(0x600000, 4096, 3, 0x32, (1 << 64) - 1, 0), result=0x600000))
    _refuses(replayer, forged, tmp_path, codes=(0, 1, 3, 4))


@x86_64
@pytest.mark.parametrize(
    ("nr", "args", "result"),
    [
        (25, (STUB_CODE, 0x1000, 0x1000, 3, 0x700000), 0x700000),  # mremap away
        (25, (STUB_DATA, 0x1000, 0x1000, 3, 0x700000), 0x700000),
        (25, (CODE, 0x1000, 0x1000, 3, STUB_CODE), STUB_CODE),
        (25, (CODE, 0x1000, (1 << 64) - CODE + STUB_END, 3, CODE), CODE),
        (11, (STUB_CODE, 0x1000), 0),  # munmap
        (11, (STUB_CODE - 0x1000, 0x1001), 0),
        (10, (STUB_CODE, 0x1000, 7), 0),  # mprotect
        (329, (STUB_CODE, 0x1000, 7, 0), 0),  # pkey_mprotect
        (28, (STUB_CODE, 0x1000, 4), 0),  # madvise MADV_DONTNEED
        (9, (STUB_CODE, 0x1000, 7, 0x32, (1 << 64) - 1, 0), STUB_CODE),  # mmap
        (9, (0x11000, 0x1000, 7, 0x132, (1 << 64) - 1, 0), 0x11000),
        (12, (STUB_CODE,), STUB_CODE),  # brk
    ],
)
def test_the_replayers_own_pages_stay(
    replayer: Path, tmp_path: Path, nr: int, args: tuple[int, ...], result: int
) -> None:
    forged = Forged(tmp_path / "r", _call(nr, *args))
    forged.called(nr, *args, result=result)
    assert "retrograde-replay: " in _refuses(replayer, forged, tmp_path)


@x86_64
def test_shared_memory_is_detached_where_it_was_attached(replayer: Path, tmp_path: Path) -> None:
    forged = Forged(tmp_path / "r", _call(30, 5, 0, 0) + _call(67, STUB_CODE))
    line = b"20000-30000 rw-s 00000000 00:01 5 - /SYSV00000000"
    forged.row(w.Row(kind=w.MAPPED, nr=-1, args=(STUB_CODE, 4096), memory=[w.Memory(w.MAPS, line)]))
    forged.called(30, 5, 0, 0, result=STUB_CODE)
    forged.called(67, STUB_CODE)
    assert "where the replayer has its own code" in _refuses(replayer, forged, tmp_path)


@x86_64
@pytest.mark.parametrize("instruction", [b"\x0f\x05", b"\xcd\x80", b"\x0f\x34"], ids=["syscall", "int80", "sysenter"])
def test_calls_are_not_carried_out(replayer: Path, tmp_path: Path, instruction: bytes) -> None:
    """However they are made."""
    path = str(tmp_path / "made").encode() + b"\0"
    number = 85 if instruction == b"\x0f\x05" else 8  # creat
    code = _call(number, CODE + 0x200, 0o644)[:-2] + b"\xbb\x00\x02\x40\x00\xb9\xa4\x01\x00\x00" + instruction
    forged = Forged(tmp_path / "r", code.ljust(0x200, b"\xcc") + path)
    forged.called(number, CODE + 0x200, 0o644, result=3)
    _refuses(replayer, forged, tmp_path, codes=(0, 1, 3, 4))


@x86_64
@pytest.mark.parametrize("kind", ["symlink", "pipe", "folder", "name"])
def test_images_are_files_of_the_recording(replayer: Path, tmp_path: Path, kind: str) -> None:
    name = "0123456789abcdef" * 2
    maps = f"600000-601000 r--p 00000000 00:01 7 {'../../secret' if kind == 'name' else name} /a".encode()
    code = _call(1, 1, 0x600000, 6)
    forged = Forged(tmp_path / "r", code, maps=maps)
    forged.called(1, 1, 0x600000, 6, result=6)
    image = tmp_path / "r" / "images" / name
    (tmp_path / "secret").write_text("secret\n" * 1000)
    if kind == "symlink":
        image.symlink_to(tmp_path / "secret")
    elif kind == "pipe":
        os.mkfifo(image)
    elif kind == "folder":
        image.mkdir()
    done = _replay(replayer, forged.write(), tmp_path / "canary")
    assert done is not None, "it waits for a pipe"
    assert done.returncode in (1, 3), done.stderr
    assert "secret" not in done.stdout


def test_event_files_are_files_of_the_recording(replayer: Path, tmp_path: Path) -> None:
    folder = tmp_path / "r"
    folder.mkdir()
    os.mkfifo(folder / "events-000000")
    done = _replay(replayer, folder, tmp_path / "canary")
    assert done is not None, "it waits for a pipe"
    assert done.returncode == 3
    assert "is no regular file" in done.stderr


# ---- what is forged at random ----


@pytest.fixture(scope="session")
def bases(capture_program: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Altered]:
    """Recordings that replay."""
    folder = tmp_path_factory.mktemp("bases")
    found = {}
    for program in programs(ARCH):
        if program.name in BASES:
            backend = "ebpf" if os.geteuid() == 0 else "ptrace"
            command = [str(capture_program), "--quiet", "--backend", backend, "--grade", "replay"]
            command += ["--checksum-interval", "1ms"]
            command += ["--output", str(folder / program.name), "--", str(program.executable(ARCH))]
            subprocess.run(
                [*command, *program.arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd=tmp_path_factory.mktemp("run"),
                timeout=120,
                check=True,
            )
            found[program.name] = Altered.of(folder / program.name)
    assert set(found) == set(BASES)
    return found


def _forged(bases: dict[str, Altered], base: str, folder: Path, number: int) -> tuple[str, Path]:
    seed = f"{SEED}-{base}-{number}"
    return seed, mutate(bases[base], seed).write(folder / f"{PREFIX}{number}")


@pytest.mark.parametrize("base", BASES)
def test_no_recording_makes_it_crash(replayer: Path, tmp_path: Path, bases: dict[str, Altered], base: str) -> None:
    """It says what is wrong, and nothing is made, changed or started outside."""
    ends: Counter[str] = Counter()
    for number in range(RUNS // len(BASES)):
        seed, folder = _forged(bases, base, tmp_path, number)
        before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
        done = _replay(replayer, folder, tmp_path / "canary")
        assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before, seed
        assert list((tmp_path / "canary").iterdir()) == [], seed
        if done is None:
            ends["too long"] += 1
            continue
        assert done.returncode in (0, 1, 3, 4), f"seed {seed}: exit {done.returncode}\n{done.stderr[-3000:]}"
        assert done.returncode == 0 or "retrograde-replay: " in done.stderr, seed
        ends[str(done.returncode)] += 1
    print(base, dict(ends))
    assert ends["1"] + ends["3"] + ends["4"] > 0
    assert ends["too long"] <= sum(ends.values()) // 2


# What a replayed process is asked to do for real: what makes it, and what shapes its memory and threads.
_MAKING = {"read", "close", "setpgid", "set_robust_list", "rt_sigprocmask", "rt_sigaction", "dup2", "dup3",
           "close_range", "execveat", "prctl"}  # fmt: skip
_SHAPING = {"mmap", "munmap", "mprotect", "mremap", "madvise", "openat", "close", "clone", "exit", "rt_sigreturn",
            "remap_file_pages"}  # fmt: skip
_CHANGING = {"connect", "sendto", "sendmsg", "unlink", "unlinkat", "rename", "mkdir", "link", "symlink"}
_WRITING = 0o3  # O_WRONLY, O_RDWR


def _forbidden(recording: api.Recording) -> Iterator[str]:
    """Yield what must not have been done: an event's name and text."""
    replayer = 0
    for event in recording.events():
        name, text = event_name(event), str(event)
        if event.kind == w.EXEC:
            replayer = replayer or event.pid
            if event.pid != replayer and "filename=/memfd:retrograde-stub" not in text and "/dev/fd/101" not in text:
                yield f"exec: {text}"
        # A call that is not carried out has an end and no start (PTRACE_SYSEMU).
        if event.kind != w.SYSCALL or event.enter == event.exit:
            continue
        writes = name == "openat" and int(event.args[2]) & _WRITING and "pathname=/proc/" not in text
        if writes or name in _CHANGING or (event.pid != replayer and name not in _MAKING | _SHAPING):
            yield f"{name}: {text}"


@pytest.mark.parametrize("base", BASES)
def test_nothing_reaches_the_outside(
    replayer: Path, capture_program: Path, as_root: None, tmp_path: Path, bases: dict[str, Altered], base: str
) -> None:
    """Recorded by Retrograde, it and the processes that it replays make the few calls that a replay needs."""
    for number in range(max(1, RUNS // 40 // len(BASES))):
        seed, folder = _forged(bases, base, tmp_path, number)
        audit = tmp_path / f"audit-{number}"
        words = ["--backend", "ebpf", "--grade", "observe", "--duration", f"{SECONDS}s", "--"]
        (tmp_path / "canary").mkdir(exist_ok=True)
        subprocess.run(
            [str(capture_program), "--quiet", "--output", str(audit), *words, str(replayer), str(folder)],
            cwd=tmp_path / "canary",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=60,
            check=True,
        )
        with api.open(audit) as recording:
            assert list(_forbidden(recording)) == [], seed
