"""What recording costs, beside the tools that people use today: writes docs/experiments/overhead.md.

Every tool does the same work, interleaved: a round runs each workload under each tool once, so that a noisy minute
hurts all alike. Ratios are of medians, against the bare runs of the same rounds.

    python bench/overhead.py --rounds 5
    python bench/overhead.py --rounds 3 --workloads 'dd*' --tools bare 'replay*' --no-report
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import retrograde
from bench import plot
from bench.tools import Tool, tools
from bench.workloads import FEWER, Workload, prepare
from retrograde.syscalls import load

REPORT = Path(__file__).resolve().parents[1] / "docs" / "experiments" / "overhead.md"
TIMEOUT = 600.0


@dataclass
class Cell:
    """All runs of one workload under one tool.

    Attributes:
        values: s, or requests/s of a server's client, as measured.
        times: how many times fewer calls the tool got.
        idle: s that a tool which got fewer calls took, each round, for a command that does nothing: its begin and end
            do not grow with the calls.
        events, lost, bytes: of the last recording.
        counts: for each expected call, what the last recording holds of it.
        peak: highest resident memory of the capture program, KiB.
        failure: why there is no (further) value.
    """

    values: list[float] = field(default_factory=list)
    times: float = 1
    idle: list[float] = field(default_factory=list)
    events: int = 0
    lost: int = 0
    bytes: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    peak: int = 0
    failure: str | None = None

    def median(self) -> float | None:
        """Return the median for all calls; None where fewer calls do not stand out from the idle time's spread."""
        value = statistics.median(self.values)
        if not self.idle:
            return value
        idle = statistics.median(self.idle)
        calls = value - idle
        return None if calls <= 3 * (max(self.idle) - min(self.idle)) else idle + calls * self.times


def _run(workload: Workload, tool: Tool, folder: Path) -> tuple[float, Path, int]:
    """Run once; return s or requests/s, the tool's output, and the tool's peak resident memory in KiB.

    Args:
        workload: what to run.
        tool: under what.
        folder: for the output.
    """
    output = folder / "output"
    if output.is_dir():
        shutil.rmtree(output)
    else:
        output.unlink(missing_ok=True)
    workload.before()
    command = tool.wrap((workload.fewer if tool.slow else None) or workload.command, output)
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)
    try:
        rate = workload.client(workload.requests // (FEWER if tool.slow else 1)) if workload.client is not None else 0.0
        _, status, usage = os.wait4(process.pid, 0)
    except BaseException:
        os.killpg(process.pid, signal.SIGTERM)
        raise
    seconds = time.perf_counter() - start
    error = process.stderr.read().decode(errors="replace") if process.stderr is not None else ""
    if process.stderr is not None:
        process.stderr.close()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"{command[0]}: exit {process.returncode}: {error.strip()[-400:]}")
    return (rate if workload.client is not None else seconds), output, usage.ru_maxrss


def _count(output: Path, cell: Cell, expected: dict[str, int]) -> None:
    """Read what our recording holds."""
    with retrograde.open(output) as recording:
        end = recording.end or {}
        cell.events, cell.lost = int(end["events"]), int(end["lost"])
        cell.bytes = sum(path.stat().st_size for path in output.iterdir())
        if not expected:
            return
        table = load(recording.arch)
        found: dict[str, int] = {}
        numbers = {name: table.by_name[name].number for name in expected}
        for batch in recording.batches():
            for name, number in numbers.items():
                found[name] = found.get(name, 0) + int(np.count_nonzero((batch.nr == number) & (batch.kind == 1)))
        cell.counts = found


def measure(workloads: list[Workload], chosen: list[Tool], rounds: int, folder: Path) -> dict[tuple[str, str], Cell]:
    """Run everything, interleaved; return the cells by (workload, tool)."""
    cells: dict[tuple[str, str], Cell] = defaultdict(Cell)
    for workload in workloads:  # warms the caches, and is not counted
        _run(workload, chosen[0], folder)
    nothing = Workload("nothing", ["true"])
    idle: dict[str, list[float]] = {tool.name: [] for tool in chosen if tool.slow}
    for number in range(rounds):
        for tool in chosen:
            if tool.slow:
                idle[tool.name].append(_run(nothing, tool, folder)[0])
        for workload in workloads:
            for tool in chosen:
                cell = cells[workload.name, tool.name]
                if cell.failure is not None:
                    continue
                try:
                    value, output, peak = _run(workload, tool, folder)
                    cell.values.append(value)
                    if tool.slow and workload.fewer:
                        cell.idle, cell.times = idle[tool.name], workload.times
                    if tool.ours:
                        cell.peak = max(cell.peak, peak)
                        _count(output, cell, {} if tool.slow else workload.expected)
                except (RuntimeError, OSError) as error:
                    cell.failure = str(error)
                _say(number, workload, tool, cell)
    return cells


def _say(number: int, workload: Workload, tool: Tool, cell: Cell) -> None:
    line = f"round {number + 1}  {workload.name:22} {tool.name:24} "
    if cell.failure is not None:
        line += f"failed: {cell.failure}"
    else:
        line += f"{cell.values[-1]:12.3f}"
        if tool.ours:
            line += f"  {cell.events:>9,} events  {cell.lost:,} lost"
        if cell.counts:
            line += "  " + _balance(workload, cell)
    print(line, file=sys.stderr, flush=True)


def _balance(workload: Workload, cell: Cell) -> str:
    """Say recorded + lost = expected, for each call whose number is known."""
    parts = []
    for name, expected in workload.expected.items():
        recorded = cell.counts[name]
        sign = "=" if recorded + cell.lost >= expected else "!="
        parts.append(f"{name}: {recorded:,} recorded + {cell.lost:,} lost {sign} {expected:,} expected")
    return "; ".join(parts)


def ratio(workload: Workload, bare: Cell, cell: Cell) -> float | None:
    """Return how many times as long it took (for servers: bare throughput by throughput); None if it cannot be told."""
    ours, theirs = cell.median(), statistics.median(bare.values)
    if ours is None:
        return None
    return theirs / ours if workload.client is not None else ours / theirs


def report(workloads: list[Workload], chosen: list[Tool], cells: dict[tuple[str, str], Cell], rounds: int) -> str:
    """Return the report's text."""
    lines = [
        "# The experiment: overhead",
        "",
        f"Written by `make bench`: {rounds} rounds, interleaved (each round runs each work under each tool once), "
        f"medians; ptrace, strace and perf trace got a {FEWER}th of the calls of the first three works and of redis's "
        "requests, and /usr/include in place of /usr; what the calls took beyond the tool's idle time is taken as many "
        "times as there were fewer "
        "(n/a: it is less than three times the idle time's spread). "
        f"Linux {platform.release()}, {os.cpu_count()} CPUs, {platform.machine()}. "
        "A ratio is how many times as long the work took as the bare runs; for redis, bare "
        "requests/s by requests/s.",
        "",
        "*Two empty programs*, at the start and at the end of each call, are the least that recording with eBPF at "
        "the kernel's tracepoints of system calls can cost; they record nothing.",
        "",
        "![Ratios, logarithmic](overhead.svg)",
        "",
        "| work | bare | " + " | ".join(tool.name for tool in chosen[1:]) + " |",
        "|---|---:|" + "---:|" * (len(chosen) - 1),
    ]
    for workload in workloads:
        bare = cells[workload.name, chosen[0].name]
        if not bare.values:
            lines.append(f"| {workload.name} | failed: {bare.failure} |" + " |" * (len(chosen) - 1))
            continue
        unit = "/s" if workload.client is not None else " s"
        row = [workload.name, f"{statistics.median(bare.values):,.3f}{unit}"]
        for tool in chosen[1:]:
            cell = cells[workload.name, tool.name]
            times = ratio(workload, bare, cell) if cell.values else None
            row.append(f"{times:.2f} ×" if times is not None else "n/a" if cell.values else "failed")
        lines.append("| " + " | ".join(row) + " |")
    lines += ["", "## What the recordings hold", "", "| work | tool | events | lost | bytes an event | peak memory | |"]
    lines.append("|---|---|---:|---:|---:|---:|---|")
    for workload in workloads:
        for tool in chosen:
            cell = cells[workload.name, tool.name]
            if tool.ours and cell.values:
                each = cell.bytes / cell.events if cell.events else 0.0
                balance = _balance(workload, cell) if cell.counts else ""
                lines.append(
                    f"| {workload.name} | {tool.name} | {cell.events:,} | {cell.lost:,} | {each:.1f} | "
                    f"{cell.peak / 1024:.0f} MiB | {balance} |"
                )
    failures = [(key, cell.failure) for key, cell in cells.items() if cell.failure is not None]
    if failures:
        lines += ["", "## What failed", ""]
        lines += [f"- {work} under {tool}: `{failure}`" for (work, tool), failure in failures]
    lines += ["", "## Raw figures", "", "Seconds (requests/s for redis) as measured, in the order of the rounds.", ""]
    raw = {f"{work} | {tool}": [round(value, 4) for value in cell.values] for (work, tool), cell in cells.items()}
    for (_, tool), cell in cells.items():
        if cell.idle:
            raw[f"idle | {tool}"] = [round(value, 4) for value in cell.idle]
    lines += ["```json", json.dumps(raw, indent=1), "```", ""]
    return "\n".join(lines)


def main() -> int:
    """Measure, and write the report unless told not to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workloads", nargs="*", default=["*"], metavar="PATTERN")
    parser.add_argument("--tools", nargs="*", default=["*"], metavar="PATTERN")
    parser.add_argument("--no-report", action="store_true", help="print the report instead of writing it")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="retrograde-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        workloads = [
            work
            for work in prepare(folder)
            if any(fnmatch.fnmatch(work.name, pattern) for pattern in arguments.workloads)
            and all(shutil.which(program) for program in work.needs)
        ]
        chosen = [
            tool
            for tool in tools(folder)
            if tool.is_installed and any(fnmatch.fnmatch(tool.name, pattern) for pattern in arguments.tools)
        ]
        cells = measure(workloads, chosen, arguments.rounds, folder)
    text = report(workloads, chosen, cells, arguments.rounds)
    if arguments.no_report:
        print(text)
    else:
        REPORT.write_text(text)
        plot.ratios(
            {
                work.name: {
                    tool.name: times
                    for tool in chosen[1:]
                    if cells[work.name, tool.name].values
                    and (times := ratio(work, cells[work.name, chosen[0].name], cells[work.name, tool.name]))
                    is not None
                }
                for work in workloads
                if cells[work.name, chosen[0].name].values
            },
            REPORT.with_suffix(".svg"),
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
