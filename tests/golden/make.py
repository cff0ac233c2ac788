"""Makes the golden recordings of the newest format version; those that exist are never made again.

python tests/golden/make.py                        what the documented writer writes
python tests/golden/make.py --captured             what the capture program writes: in virtual machines, with which
                                                   nothing of this one gets into it. `make build capture-arm64` and
                                                   tools/install-packages kernels arm64 first, and be root
python tests/golden/make.py NAME RECORDING         another recording
python tests/golden/make.py --printed              prints all of the capture program's anew, for an intended change of
                                                   what is printed: look at the difference before you commit it
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from retrograde.record.program import find_capture_program
from retrograde.recording import Recording
from tests.support import golden, vm
from tests.support import recording_writer as w

HERE = Path(__file__).parent / f"v{w.VERSION}"
ARM64_CAPTURE = Path(__file__).parents[2] / "build" / "arm64" / "retrograde-capture"

# Files, a pipe, children, calls that fail, a crash (of Debian's static busybox, which has no name service), a socket
# and an alarm, a signal that is caught.
STORY = """
head -n 1 /etc/passwd | tee /tmp/copy
cat /none /tmp/copy
ln -s copy /tmp/link && ls -l /tmp/link
wget -q -T 1 -O - http://127.0.0.1:81/
nc -l -p 81 -w 1
trap 'echo caught; exit 3' USR1
kill -USR1 $$
"""
CAPTURED = {vm.X86_KERNELS[0]: ["x86_64-ebpf", "x86_64-ptrace"], vm.ARM64: ["arm64-ebpf"]}


def expect(folder: Path) -> None:
    """Write what a reader must find."""
    with Recording(folder) as recording:
        events = [
            [e.seq, e.kind, e.flags, e.cpu, e.pid, e.tid, e.nr, e.enter, e.exit, e.result, list(e.args),
             [[s.arg, s.flags, s.address, s.full_length, s.data.hex()] for s in e.segments]]
            for e in recording.rows()
        ]  # fmt: skip
        content = {
            "info": recording.info,
            "end": recording.end,
            "losses": recording.losses,
            "problems": recording.problems,
            "events": events,
        }
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in content.items())
    (folder.parent / f"{folder.name}.json").write_text("{" + lines + "}\n")


def every_kind(folder: Path) -> None:
    """All kinds of event, of block, of segment."""
    snapshot = {"/proc/1000/comm": b"sh\n", "/proc/1000/cmdline": b"sh\0-c\0cat\0", "/proc/1000/fd/0": b"/dev/null"}
    writer = w.RecordingWriter(folder, snapshot=snapshot)
    comm = w.Memory(w.COMM, b"cat\0", w.IN)
    exec_memory = [w.Memory(w.FILENAME, b"/bin/cat\0", w.IN), w.Memory(w.ARGV, b"cat\0f\0", w.IN)]
    writer.events(
        [
            w.Row(nr=-1, kind=w.FORK, pid=1001, args=(1000, 1000, 0, 0, 1)),
            w.Row(nr=-1, kind=w.EXEC, pid=1001, args=(1001, 0, 0, 0, 1), memory=[*exec_memory, comm]),
            w.Row(nr=257, result=3, args=(2**64 - 100, 4096), pid=1001, memory=[w.Memory(1, b"f\0", w.IN)]),
            *w.simple_rows(20),
            w.Row(nr=0, flags=4, result=6, pid=1001, memory=[w.Memory(1, b"abc", address=4096)]),
            w.Row(nr=-1, kind=w.SWITCH, pid=1001, args=(1000, 1)),
            w.Row(nr=0, kind=w.DATA, pid=1001, memory=[w.Memory(1, b"def", address=4099)]),
            w.Row(nr=1, flags=2, result=-14, memory=[w.Memory(1, b"", w.IN | w.FAULT, full_length=99)]),
            w.Row(nr=11, kind=w.SIGNAL, args=(1, 0, 0, 64)),
        ]
    )
    writer.loss(5, by_syscall={"0": 4, "-1": 1})
    writer.events([w.Row(nr=231, kind=w.ENTER, pid=1001, duration=0), w.Row(nr=-1, kind=w.EXIT, pid=1001, args=(1,))])
    writer.end()


# A program's file, and the XXH3-128 hash that its image is named by.
IMAGE, IMAGE_NAME = b"\x7fELF golden cat\n", "dfe6067d1214701e705acd55f4660315"
STACK, TEXT, LIBRARY, HANDLER = 0x7FFC_0000_0000, 0x40_0000, 0x7F00_0000_0000, 0x40_0800


def registers(arch: str, pc: int, sp: int) -> bytes:
    """Return general registers as the regset NT_PRSTATUS has them."""
    # user_regs_struct: rip, cs, eflags, rsp, ss, fs_base, …; user_pt_regs: x0 to x30, sp, pc, pstate
    x86, arm = [*range(16), pc, 0x33, 0x246, sp, 0x2B, 0, 0, 0, 0, 0, 0], [*range(31), sp, pc, 0x1000]
    return b"".join(word.to_bytes(8, "little") for word in (x86 if arch == "x86_64" else arm))


def replayable(folder: Path, arch: str) -> None:
    """What a replay needs: a start, a mapping, an instruction carried out, a signal that is caught, a second thread."""
    x86 = arch == "x86_64"
    cpu = {"model": "A CPU", "features": ["fpu", "tsc"], "xcr0": 7} if x86 else {"midr": 0x410FD0C0, "dczid": 4}
    replay = {"cpu": 1, "scheduling": "fifo", "vetoed": ["io_uring_setup"]}
    info = {"arch": arch, "cpu": cpu, "replay": replay, "backend": "ptrace", "hostname": "vm", "cwd": "/"}
    writer = w.RecordingWriter(folder, info)
    writer.image(IMAGE_NAME, IMAGE)

    def state(number: int, pc: int, sp: int) -> w.Memory:
        return w.Memory(number, registers(arch, pc, sp), 0, 0)

    def row(kind: int, *args: int, **members: Any) -> w.Row:
        return w.Row(**({"nr": -1, "kind": kind, "args": args, "pid": 1001, "duration": 0} | members))

    def fp(number: int) -> w.Memory:
        return w.Memory(number, bytes(576 if x86 else 528), 0, 0)

    maps = (
        f"{TEXT:x}-{TEXT + 0x1000:x} r-xp 00000000 08:01 12 {IMAGE_NAME} /bin/cat\n"
        f"{STACK:x}-{STACK + 0x2000:x} rw-p 00000000 00:00 0 - [stack]\n"
    ).encode()
    library = f"{LIBRARY:x}-{LIBRARY + 0x1000:x} r-xp 00000000 08:01 12 {IMAGE_NAME} /lib/a file\n".encode()
    stack = [w.Memory(w.MEMORY, bytes(0x1000), 0, STACK), w.Memory(w.MEMORY, b"\1" * 0x1000, 0, STACK + 0x1000)]
    start = [state(w.REGISTERS, TEXT + 0x10, STACK + 0x1F00), fp(w.FPREGISTERS), w.Memory(w.MAPS, maps, 0, 0), stack[0]]
    if not x86:
        start.insert(2, w.Memory(w.TLS, bytes(8), 0, 0))
    handler = [
        state(w.REGISTERS, TEXT + 0x22, STACK + 0x1E00), state(w.HANDLER_REGISTERS, HANDLER, STACK + 0x1C00),
        fp(w.HANDLER_FPREGISTERS), w.Memory(w.MEMORY, bytes(440), w.OUT, STACK + 0x1C00),
    ]  # fmt: skip
    at_exec = [w.Memory(w.FILENAME, b"/bin/cat\0", w.IN), w.Memory(w.ARGV, b"cat\0", w.IN), w.Memory(w.COMM, b"cat\0")]
    execve, mmap, read = (59, 9, 0) if x86 else (221, 222, 63)
    trap = row(w.TRAP, 0 if x86 else 3, TEXT + 0x20, memory=[state(w.REGISTERS, TEXT + 0x22, STACK + 0x1E00)])
    running = [w.Memory(w.REGISTERS, registers(arch, TEXT + 0x30, STACK + 0x1E00)[: 168 if x86 else 272], 0, 0)]
    writer.events(
        [
            row(w.EXEC, 1001, 0, 0, 0, 1, memory=at_exec),
            row(w.START, 0x50_0000, 8 << 20, flags=4, memory=start),
            row(w.DATA, memory=[stack[1]]),
            row(w.SYSCALL, TEXT + 0x900, nr=execve, result=0),
            row(w.MAPPED, LIBRARY, 0x1000, memory=[w.Memory(w.MAPS, library, 0, 0)]),
            row(w.SYSCALL, 0, 0x1000, 5, 2, 3, 0, nr=mmap, result=LIBRARY),
            trap,
            row(w.SIGNAL, 0, 1000, 0, 0, HANDLER, nr=10, memory=handler),
            row(w.SWITCH, 1002, 0, 0, memory=running),
            row(w.SWITCH, 1001, 1, 1, tid=1002),
            row(w.SYSCALL, 0, STACK, 3, nr=read, result=3, memory=[w.Memory(1, b"abc", w.OUT, STACK)]),
            row(w.EXIT, 1),
        ]
    )
    writer.end(unfaithful=[{"what": "shared writable mapping of /dev/shm/x", "seq": 5}])


def replayable_x86_64(folder: Path) -> None:
    """A recording that can be replayed."""
    replayable(folder, "x86_64")


def replayable_arm64(folder: Path) -> None:
    """A recording that can be replayed, of the other architecture."""
    replayable(folder, "aarch64")


def cut_off(folder: Path) -> None:
    """A capture that was killed."""
    writer = w.RecordingWriter(folder, stamp=0)
    writer.events(w.simple_rows(5))
    writer.events(w.simple_rows(5, start=5), compress=False)
    with writer.file.open("r+b") as file:
        file.truncate(writer.boundaries[-1] - 9)


def capture(machine: vm.Machine, names: list[str]) -> None:
    """Let the capture program record the story in a virtual machine, with each of the back ends that names end with."""
    program = ARM64_CAPTURE if machine.arch == "arm64" else find_capture_program()
    clean = "env -i PATH=/bin HOME=/ /capture --quiet --grade replay"
    runs = [
        f"{clean} --backend {name.rpartition('-')[2]} --output /out/{name} -- sh -c {shlex.quote(STORY)}"
        for name in names
    ]
    vm.prepare()
    with tempfile.TemporaryDirectory() as folder:
        result = vm.run(machine, {"/capture": program}, "cd /; " + "; rm -f /tmp/*\n".join(runs), Path(folder))
        for name in names:
            shutil.copytree(result.folder / name, HERE / name)
            expect(HERE / name)
            golden.printed(HERE / name).mkdir(parents=True)
            print_lines(HERE / name)


def print_lines(recording: Path) -> None:
    """Write what is printed of a recording."""
    for name in golden.PRINTS:
        command = [sys.executable, "-m", "retrograde", *golden.words(name, recording)]
        done = subprocess.run(command, env={**os.environ, "TZ": "UTC"}, capture_output=True, check=True)
        assert done.stderr == b"", done.stderr
        (golden.printed(recording) / name).write_bytes(done.stdout)


def main() -> None:
    """Make what is missing."""
    HERE.mkdir(exist_ok=True)
    if sys.argv[1:] == ["--captured"]:
        for machine, names in CAPTURED.items():
            missing = [name for name in names if not (HERE / name).exists()]
            if missing:
                capture(machine, missing)
        return
    if sys.argv[1:] == ["--printed"]:
        for recording in golden.captured():
            print_lines(recording)
        return
    if sys.argv[1:]:
        name, source = sys.argv[1:]
        shutil.copytree(source, HERE / name)
        expect(HERE / name)
        return
    for make in (every_kind, replayable_x86_64, replayable_arm64, cut_off):
        folder = HERE / make.__name__.replace("_", "-")
        if not folder.exists():
            make(folder)
            expect(folder)


if __name__ == "__main__":
    main()
