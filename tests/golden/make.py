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

sys.path.insert(0, str(Path(__file__).parents[2]))

from retrograde.record.program import find_capture_program
from retrograde.recording import Recording
from tests.support import golden, vm
from tests.support import recording_writer as w

HERE = Path(__file__).parent / "v1"
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
            (golden.PRINTED / name).mkdir(parents=True)
            print_lines(HERE / name)


def print_lines(recording: Path) -> None:
    """Write what is printed of a recording."""
    for name in golden.PRINTS:
        command = [sys.executable, "-m", "retrograde", *golden.words(name, recording)]
        done = subprocess.run(command, env={**os.environ, "TZ": "UTC"}, capture_output=True, check=True)
        assert done.stderr == b"", done.stderr
        (golden.PRINTED / recording.name / name).write_bytes(done.stdout)


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
    for make in (every_kind, cut_off):
        folder = HERE / make.__name__.replace("_", "-")
        if not folder.exists():
            make(folder)
            expect(folder)


if __name__ == "__main__":
    main()
