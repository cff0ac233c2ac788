"""Is the information enough? Writes docs/experiments/sufficiency.md.

    python -m bench.sufficiency

The memory oracle (native/oracle) runs real programs, and a small program for each call: here, and on Debian's arm64
kernel under qemu.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from retrograde.syscalls import load
from tests.oracle.conftest import BUILT
from tests.oracle.test_calls import CASES, LACKING, LIMITS, compile_calls
from tests.oracle.test_programs import COMMANDS, prepare
from tests.support import oracle_arm64

ROOT = Path(__file__).resolve().parents[1]
REPORT = ROOT / "docs" / "experiments" / "sufficiency.md"
SECONDS = 60


@dataclass
class Tally:
    """What a group of runs amounts to."""

    runs: int = 0
    absent: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    executables: set[str] = field(default_factory=set)
    calls: Counter[str] = field(default_factory=Counter)
    excluded: Counter[str] = field(default_factory=Counter)
    compared: int = 0
    changed: int = 0
    violations: list[dict[str, Any]] = field(default_factory=list)

    def add(self, name: str, lines: list[dict[str, Any]]) -> None:
        """Count a run."""
        summary = lines[-1]
        self.runs += 1
        self.executables |= set(summary["programs"])
        self.calls.update(summary["calls"])
        self.excluded.update({reason: sum(counts.values()) for reason, counts in summary["excluded"].items()})
        self.compared += summary["bytes_compared"]
        self.changed += summary["bytes_changed_declared"]
        self.violations += [line | {"run": name} for line in lines if line["type"] == "violation"]


@dataclass
class Machine:
    """What was run on one architecture.

    Attributes:
        arch: the table's name of it.
        kernel: which, and where.
        real: the real programs.
        small: the cases, one small program a call.
    """

    arch: str
    kernel: str
    real: Tally
    small: Tally

    @property
    def parts(self) -> dict[str, Tally]:
        """Both, by title."""
        return {"real programs": self.real, "one small program a call": self.small}

    @property
    def calls(self) -> set[str]:
        """The calls of which a run was compared."""
        return set(self.real.calls) | set(self.small.calls)


def _oracle() -> Path:
    found = sorted(ROOT.glob(BUILT), key=lambda path: path.stat().st_mtime)
    if not found:
        raise SystemExit("the memory oracle has not been built: make build")
    return found[-1]


def _run(oracle: Path, folder: Path, command: list[str]) -> list[dict[str, Any]] | None:
    output = folder / "oracle.json"
    words = [str(oracle), "--output", str(output), "--", *command]
    try:
        subprocess.run(words, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return None
    lines = [json.loads(line) for line in output.read_text(errors="surrogateescape").splitlines()]
    return lines if lines and lines[-1]["type"] == "summary" else None


def programs(oracle: Path) -> Tally:
    """Run the real programs."""
    tally = Tally()
    for name, command in COMMANDS.items():
        if shutil.which(command[0]) is None or shutil.which(name.partition("-")[0]) is None:
            tally.absent.append(name)
            continue
        with tempfile.TemporaryDirectory() as folder:
            prepare(Path(folder))
            lines = _run(oracle, Path(folder), command)
        _note(tally, name, lines)
    return tally


def cases(oracle: Path) -> Tally:
    """Run the small program's cases, one for each call."""
    tally = Tally()
    with tempfile.TemporaryDirectory() as build:
        program = compile_calls(Path(build))
        for name in CASES:
            with tempfile.TemporaryDirectory() as folder:
                lines = _run(oracle, Path(folder), [str(program), name])
            if lines and os.waitstatus_to_exitcode(lines[-1]["exit_status"]) == LACKING:
                tally.absent.append(name)
            else:
                _note(tally, name, lines)
    return tally


def arm64() -> Machine:
    """Run both on Debian's arm64 kernel."""
    with tempfile.TemporaryDirectory() as folder:
        outcome = oracle_arm64.run(Path(folder))
    real, small = Tally(), Tally()
    for name, run in outcome.programs.items():
        _note(real, name, run.lines if run.ended else None)
    for name, run in outcome.cases.items():
        if run.ended and run.exit_code == LACKING:
            small.absent.append(name)
        else:
            _note(small, name, run.lines if run.ended else None)
    return Machine("arm64", f"Debian's Linux {outcome.release} under qemu", real, small)


def _note(tally: Tally, name: str, lines: list[dict[str, Any]] | None) -> None:
    if lines is None:
        tally.failed.append(name)
    else:
        tally.add(name, lines)
    print(f"{name:24} {'failed' if lines is None else len(lines) - 1}", file=sys.stderr, flush=True)


def _megabytes(number: int) -> str:
    return f"{number / 1e6:,.1f} MB"


_INTRODUCTION = """\
# The experiment: is the information enough?

A replay has only what the recording holds. So every byte that the kernel writes into a program's memory must
lie in a range that the syscall table declares as `out`: if one does not, the replayed program goes on with a
wrong byte. The memory oracle looks for such bytes. Under ptrace it compares the program's writable memory
before and after every system call, with all its other threads stopped, and reports each changed byte outside
the ranges that the same generated copy plan yields which the capture uses.
"""

_FOUND = """
That the oracle can find something is tested: told to take `uname` for `getppid`, it reports every byte that
`uname` writes (tests/oracle/test_calls.py, and on arm64 tests/vm/test_oracle_arm64.py).

## What was found

All of it has been mended, in the table or in the function that owns the call:

- mincore (a byte a page), clone3 (the words that its structure leads to), process_vm_writev, semctl
  (GETALL), prctl (options that write, PR_SET_MM_MAP_SIZE), bpf (values, logs, what a program's information
  leads to, and batches that end with ENOENT), getsockopt (SO_GET_FILTER counts instructions), keyctl
  (CAPABILITIES clears the rest of its buffer)
- ioctl: commands whose number says no size, and those whose argument leads to further memory (SIOCGIFCONF,
  SIOCETHTOOL, FIEMAP, GETFSMAP, FIDEDUPERANGE, PAGEMAP_SCAN, PROCMAP_QUERY)
- every call that fails with EFAULT: it may have written what stood before the fault

All of it was found on x86-64; arm64, which was looked at after that, has shown nothing more.
"""


def report(machines: list[Machine]) -> str:
    """Return the report's text."""
    lines = [
        *_INTRODUCTION.splitlines(),
        "",
        "Written by `make bench-sufficiency`",
        f"on {', '.join(f'{m.arch} ({m.kernel})' for m in machines)}.",
        "",
        "| | runs | executables | calls checked | different calls | compared | changed, declared | violations |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for machine in machines:
        lines += [
            f"| {machine.arch}, {title} | {tally.runs} | {len(tally.executables)} | {tally.calls.total():,} | "
            f"{len(tally.calls)} | {_megabytes(tally.compared)} | {tally.changed / 1e3:,.0f} kB | "
            f"{len(tally.violations)} |"
            for title, tally in machine.parts.items()
        ]
    share = [f"{len(m.calls)} different calls of the {len(load(m.arch).calls)} of {m.arch}" for m in machines]
    lines += ["", f"Together {', '.join(share)}.", *_FOUND.splitlines(), ""]
    lines += [
        f"Known and not declared, for a faulty program alone, is what {' and '.join(c for c, _ in LIMITS.values())} "
        "write when they fail late",
        "([limits](../limits.md)). A test holds that page to what the oracle sees.",
        "",
    ]
    found = [(m, v) for m in machines for tally in m.parts.values() for v in tally.violations]
    if found:
        lines += ["Open violations of this run:", ""]
        lines += [f"- {m.arch}, {v['run']}: {v['call']}: {v['length']} bytes" for m, v in found]
        lines.append("")
    lines += ["## What was not looked at", ""]
    for machine in machines:
        lines += [*_not_looked_at(machine), ""]
    lines += _beyond_the_table(machines)
    return "\n".join(lines)


def _not_looked_at(machine: Machine) -> list[str]:
    """Return what one machine's runs left out, and why."""
    excluded = machine.real.excluded + machine.small.excluded
    absent = [*machine.real.absent, *machine.small.absent]
    failed = [*machine.real.failed, *machine.small.failed]
    calls = load(machine.arch).calls.values()
    regular = [call.name for call in calls if call.irregular is None and call.unsupported is None]
    never = sorted(name for name in regular if name not in machine.calls)
    lines = [f"On {machine.arch}, calls that were made and not compared:", ""]
    lines += [f"- {count:,}: {reason}" for reason, count in excluded.most_common()] or ["- none"]
    if failed:
        lines += ["", f"Runs that did not come to an end: {', '.join(failed)}."]
    if absent:
        lines += ["", f"Not installed, or not in this kernel: {', '.join(absent)}."]
    if never:
        lines += ["", f"Regular calls of which no run was compared ({len(never)}): {', '.join(never)}."]
    return lines


def _beyond_the_table(machines: list[Machine]) -> list[str]:
    """Return the table of what makes a run differ and is no `out` range of a call."""
    calls = [call for machine in machines for call in load(machine.arch).calls.values()]
    irregular = sorted({call.name for call in calls if call.irregular is not None})
    unsupported = sorted({call.name for call in calls if call.unsupported is not None})
    return [
        "## What a table cannot hold, and how each is dealt with",
        "",
        "| source of difference | how it is dealt with |",
        "|---|---|",
        f"| calls whose memory one line cannot say | irregular: {', '.join(irregular)}; each has a function that "
        "knows, checked by the oracle like the others |",
        f"| calls after which the kernel writes at any time | unsupported: {', '.join(unsupported)}; a recording "
        "names them when they are met |",
        "| memory shared with processes outside the recording | not seen by any system call; the oracle compares "
        "shared mappings only while one traced thread exists. A replay can name the mapping, not its changes |",
        "| time from the vDSO | no system call is made; for a replay the recorder switches the vDSO off "
        "(AT_SYSINFO_EHDR) |",
        "| rdtsc, rdrand, rdseed | instructions, not calls; for a replay they trap, and are recorded |",
        "| the order of threads | events carry the order of calls; for a replay, switches elsewhere are recorded |",
        "| what an ending thread writes (the CLEARTID word, robust futexes) | irregular, owned by exit; not in the "
        "recording. The oracle compares it while the process's other threads are stopped: nothing else changes |",
        "",
    ]


def main() -> int:
    """Run everything and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--no-report", action="store_true", help="print the report instead of writing it")
    arguments = parser.parse_args()
    reason = oracle_arm64.missing()
    if reason:
        raise SystemExit(f"arm64 cannot be run here: {reason}")
    oracle = _oracle()
    arch = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
    here = Machine(arch, f"Linux {platform.release()}", programs(oracle), cases(oracle))
    text = report([here, arm64()])
    if arguments.no_report:
        print(text)
    else:
        REPORT.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
