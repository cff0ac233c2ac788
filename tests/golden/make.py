"""Makes the golden recordings of the newest format version; those that exist are never made again.

python tests/golden/make.py                        what the documented writer writes
python tests/golden/make.py NAME RECORDING         what the capture program wrote
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from retrograde.recording import Recording
from tests.support import recording_writer as w

HERE = Path(__file__).parent / "v1"


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


def main() -> None:
    """Make what is missing."""
    HERE.mkdir(exist_ok=True)
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
