"""Is the information enough? Writes docs/experiments/sufficiency.md.

    python -m bench.sufficiency

The memory oracle (native/oracle) runs real programs, and a small program for each call.
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
from tests.oracle.test_calls import CASES, LACKING, compile_calls
from tests.oracle.test_programs import COMMANDS, prepare

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


def _oracle() -> Path:
    found = sorted(ROOT.glob("build/*/native/oracle/memory-oracle"), key=lambda path: path.stat().st_mtime)
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


def _note(tally: Tally, name: str, lines: list[dict[str, Any]] | None) -> None:
    if lines is None:
        tally.failed.append(name)
    else:
        tally.add(name, lines)
    print(f"{name:24} {'failed' if lines is None else len(lines) - 1}", file=sys.stderr, flush=True)


def _megabytes(number: int) -> str:
    return f"{number / 1e6:,.1f} MB"


def report(real: Tally, small: Tally) -> str:
    """Return the report's text."""
    names = set(real.calls) | set(small.calls)
    table = load({"aarch64": "arm64"}.get(platform.machine(), "x86_64"))
    regular = [call for call in table.calls.values() if call.irregular is None and call.unsupported is None]
    irregular = [call for call in table.calls.values() if call.irregular is not None]
    unsupported = [call for call in table.calls.values() if call.unsupported is not None]
    never = sorted(call.name for call in regular if call.name not in names)
    lines = [
        "# The experiment: is the information enough?",
        "",
        "A replay has only what the recording holds. So every byte that the kernel writes into a program's memory must",
        "lie in a range that the syscall table declares as `out`: if one does not, the replayed program goes on with a",
        "wrong byte. The memory oracle looks for such bytes. Under ptrace it compares the program's writable memory",
        "before and after every system call, with all its other threads stopped, and reports each changed byte outside",
        "the ranges that the same generated copy plan yields which the capture uses.",
        "",
        f"Written by `make bench-sufficiency` on Linux {platform.release()}, {platform.machine()}.",
        "",
        "| | runs | executables | calls checked | different calls | compared | changed, declared | violations |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for title, tally in (("real programs", real), ("one small program a call", small)):
        lines.append(
            f"| {title} | {tally.runs} | {len(tally.executables)} | {tally.calls.total():,} | {len(tally.calls)} | "
            f"{_megabytes(tally.compared)} | {_megabytes(tally.changed)} | {len(tally.violations)} |"
        )
    lines += [
        "",
        f"Together {len(names)} different calls of the {len(table.calls)} of this architecture.",
        "",
        "That the oracle can find something is tested: told to take `uname` for `getppid`, it reports every byte that",
        "`uname` writes (tests/oracle/test_calls.py).",
        "",
        "## What was found",
        "",
        "All of it has been mended, in the table or in the function that owns the call:",
        "",
        "- mincore (a byte a page), clone3 (the words that its structure leads to), process_vm_writev, semctl",
        "  (GETALL), prctl (options that write, PR_SET_MM_MAP_SIZE), bpf (values, logs, what a program's information",
        "  leads to, and batches that end with ENOENT), getsockopt (SO_GET_FILTER counts instructions), keyctl",
        "  (CAPABILITIES clears the rest of its buffer)",
        "- ioctl: commands whose number says no size, and those whose argument leads to further memory (SIOCGIFCONF,",
        "  SIOCETHTOOL, FIEMAP, GETFSMAP, FIDEDUPERANGE, PAGEMAP_SCAN, PROCMAP_QUERY)",
        "- every call that fails with EFAULT: it may have written what stood before the fault",
        "",
        "Known and not declared, for a faulty program alone: recvfrom with a negative `*addrlen` fails with EINVAL",
        "after it has filled the buffer, and recvmmsg fills the message after the last that it counts if its name",
        "faults.",
        "",
    ]
    if real.violations or small.violations:
        lines += ["Open violations of this run:", ""]
        lines += [f"- {v['run']}: {v['call']}: {v['length']} bytes" for v in [*real.violations, *small.violations]]
        lines.append("")
    lines += ["## What was not looked at", "", "Calls that were made and not compared:", ""]
    excluded = real.excluded + small.excluded
    lines += [f"- {count:,}: {reason}" for reason, count in excluded.most_common()] or ["- none"]
    if real.failed or small.failed:
        lines += ["", f"Runs that did not come to an end: {', '.join([*real.failed, *small.failed])}."]
    if real.absent or small.absent:
        lines += ["", f"Not installed, or not in this kernel: {', '.join([*real.absent, *small.absent])}."]
    lines += ["", f"Regular calls of which no run was compared ({len(never)}): {', '.join(never)}.", ""]
    lines += [
        "## What a table cannot hold, and how each is dealt with",
        "",
        "| source of difference | how it is dealt with |",
        "|---|---|",
        "| calls whose memory one line cannot say | irregular: "
        + ", ".join(sorted(call.name for call in irregular))
        + "; each has a function that knows, checked by the oracle like the others |",
        "| calls after which the kernel writes at any time | unsupported: "
        + ", ".join(sorted(call.name for call in unsupported))
        + "; a recording names them when they are met |",
        "| memory shared with processes outside the recording | not seen by any system call; the oracle compares "
        "shared mappings only while one traced thread exists. A replay can name the mapping, not its changes |",
        "| time from the vDSO | no system call is made; the replay-grade recorder has to switch the vDSO off "
        "(AT_SYSINFO_EHDR), which it does not do yet |",
        "| rdtsc, rdrand, cpuid | instructions, not calls; trapping them belongs to replay and is not done yet |",
        "| the order of threads | events carry the order of calls; switches elsewhere belong to replay |",
        "| what an ending thread writes (the CLEARTID word, robust futexes) | irregular, owned by exit; not compared, "
        "since the thread is gone |",
        "",
    ]
    return "\n".join(lines)


def main() -> int:
    """Run everything and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--no-report", action="store_true", help="print the report instead of writing it")
    arguments = parser.parse_args()
    oracle = _oracle()
    text = report(programs(oracle), cases(oracle))
    if arguments.no_report:
        print(text)
    else:
        REPORT.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
