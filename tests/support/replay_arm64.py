"""Programs of tests/programs/replay recorded and replayed on arm64: on Debian's kernel under qemu, in one boot."""

from __future__ import annotations

import json
import os
import shlex
from dataclasses import dataclass
from pathlib import Path

from tests.support import vm
from tests.support.replay_programs import ReplayProgram, build, missing_compiler

BUILT = Path(__file__).resolve().parents[2] / "build" / "arm64"
CAPTURE = BUILT / "retrograde-capture"
REPLAY = BUILT / "native" / "replay" / "retrograde-replay"

# Little else than the two programs is started, since under emulation a process takes its time.
_FUNCTIONS = """
ulimit -c 0

run() { # NAME BACKEND PROGRAM ARGUMENT...
    out=/out/$1.$2
    backend=${2%+*}
    record=
    replay=
    case $2 in
    *+checksums) record='--checksum-interval 20ms' replay=--checksums ;;
    esac
    program=$3
    shift 3
    mkdir -p $out /tmp/run
    cd /tmp/run
    timeout -s KILL @SECONDS@ /capture --quiet --grade replay --backend $backend $record --output /tmp/recording \\
        -- /programs/$program "$@" > $out/recorded.out 2> $out/recorded.err < /dev/null
    echo $? > $out/recorded.status
    cp /tmp/recording/info.json $out/
    cd /
    rm -rf /tmp/run
    timeout -s KILL @SECONDS@ /replay --echo $replay /tmp/recording > $out/replayed.out 2> $out/replayed.err < /dev/null
    echo $? > $out/replayed.status
    rm -rf /tmp/recording
}
"""


@dataclass(frozen=True)
class Ended:
    """How a program ended, and what it printed: the status as a shell has it."""

    status: int
    stdout: bytes
    stderr: bytes


@dataclass(frozen=True)
class Run:
    """A program recorded and replayed.

    Attributes:
        recorded: the capture program, with what the recorded one printed.
        program_status: how the recorded program ended, as subprocess says it; None where its recording has no end.
        replayed: the program that replays.
    """

    recorded: Ended
    program_status: int | None
    replayed: Ended

    @property
    def verdict(self) -> str:
        """What was said of the replay."""
        return self.replayed.stderr[self._verdict_at() :].decode(errors="replace")

    @property
    def repeated_stderr(self) -> bytes:
        """What the replayed program printed on stderr."""
        return self.replayed.stderr[: self._verdict_at()]

    def _verdict_at(self) -> int:
        at = self.replayed.stderr.rfind(b"retrograde-replay: ")
        return at if at >= 0 else len(self.replayed.stderr)


def missing() -> str | None:
    """Return why nothing can be recorded and replayed on arm64 here, or None."""
    for program, target in ((CAPTURE, "capture-arm64"), (REPLAY, "replay-arm64")):
        if not os.access(program, os.X_OK):
            return f"{program} is missing: make {target}"
    compiler = missing_compiler("arm64")
    return f"not installed: {compiler}" if compiler else vm.missing()


def run(wanted: list[tuple[ReplayProgram, str]], folder: Path, *, seconds: int = 60) -> dict[tuple[str, str], Run]:
    """Boot, record and replay all, and return what came of each, by the names of program and back end.

    Args:
        wanted: programs and back ends; one called `ebpf+checksums` compares the memory, too.
        folder: for what the machine leaves; must exist.
        seconds: how long a recording or a replay may take, each.

    Raises:
        vm.VmError: the virtual machine did not come to its end.
    """
    vm.prepare()
    build("arm64", [program for program, _ in wanted])
    files = {"/capture": CAPTURE, "/replay": REPLAY}
    lines = [_FUNCTIONS.replace("@SECONDS@", str(seconds))]
    for program, backend in wanted:
        files[f"/programs/{program.source.stem}"] = program.executable("arm64")
        words = ["run", program.name, backend, program.source.stem, *program.arguments]
        lines.append(" ".join(map(shlex.quote, words)))
    done = vm.run(vm.ARM64, files, "\n".join(lines), folder, timeout=300 + 15 * len(wanted))
    return {(program.name, backend): _read(done.folder / f"{program.name}.{backend}") for program, backend in wanted}


def _read(folder: Path) -> Run:
    info = folder / "info.json"
    status = json.loads(info.read_text()).get("exit_status") if info.exists() else None
    recorded, replayed = (
        Ended(
            int((folder / f"{what}.status").read_text()),
            (folder / f"{what}.out").read_bytes(),
            (folder / f"{what}.err").read_bytes(),
        )
        for what in ("recorded", "replayed")
    )
    return Run(recorded, None if status is None else os.waitstatus_to_exitcode(status), replayed)
