"""How fast recordings are read: columns, lines, events and statistics on one core, and the memory that reading takes.

python -m bench.reading [--write docs/experiments/reading.md]
"""

from __future__ import annotations

import argparse
import datetime
import io
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import retrograde
from retrograde.record.program import find_capture_program

ROUNDS = 5
Work = Callable[[Path], None]


class _Nowhere(io.RawIOBase):
    """Takes what is written, as /dev/null does."""

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        return len(data)  # type: ignore[arg-type]


def _capture(folder: Path, *command: str) -> None:
    program = str(find_capture_program())
    words = [program, "--grade", "replay", "--output", str(folder), "--", *command]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def _columns(folder: Path) -> None:
    with retrograde.open(folder) as recording:
        for batch in recording.batches():
            batch.exit, batch.result, batch.args  # noqa: B018 - a column is read when it is asked for


def _events(folder: Path) -> None:
    with retrograde.open(folder) as recording:
        for _ in recording.events():
            pass


def _verb(verb: str, *options: str) -> Work:
    def work(folder: Path) -> None:
        from retrograde.cli import main

        saved, sys.stdout = sys.stdout, io.TextIOWrapper(io.BufferedWriter(_Nowhere()), encoding="utf-8")
        try:
            if main([verb, str(folder), *options]) != 0:
                raise RuntimeError(f"{verb} failed")
            sys.stdout.flush()
        finally:
            sys.stdout = saved

    return work


WORKS: dict[str, Work] = {
    "columns": _columns,
    "`read`": _verb("read"),
    "`read --strace`": _verb("read", "--strace"),
    "`read 'proc.name = ls'`": _verb("read", "proc.name = ls"),
    "`read 'fd.name contains linux'`": _verb("read", "fd.name contains linux"),
    "`read -p '%evt.num %proc.name %fd.name %evt.args'`": _verb("read", "-p", "%evt.num %proc.name %fd.name %evt.args"),
    "`read --json`": _verb("read", "--json"),
    "`Recording.events()`": _events,
    "`stats`": _verb("stats", "--json"),
    "`stats --by file`": _verb("stats", "--by", "file", "--json"),
    "`stats --by peer`": _verb("stats", "--by", "peer", "--json"),
    "`stats 'proc.name = ls'`": _verb("stats", "proc.name = ls", "--json"),
}


def _rates(folder: Path, count: int) -> dict[str, list[float]]:
    """Return the rates of each work, a round after the other so that a busy moment of the machine hits all alike."""
    rates: dict[str, list[float]] = {name: [] for name in WORKS}
    for number in range(ROUNDS + 1):
        for name, work in WORKS.items():
            start = time.process_time()
            work(folder)
            if number:  # the first round imports modules and makes formatters
                rates[name].append(count / (time.process_time() - start))
    return rates


# Not ru_maxrss: a process that was forked inherits its parent's.
_PEAK = """
import sys
from retrograde.cli import main
main(["read", sys.argv[1]])
line = next(line for line in open("/proc/self/status") if line.startswith("VmHWM:"))
print(line.split()[1], file=sys.stderr)
"""


def _peak_of_reading(folder: Path) -> int:
    """Return the peak resident memory, KiB, of a process that prints all lines."""
    words = [sys.executable, "-c", _PEAK, str(folder)]
    done = subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    return int(done.stderr.split()[-1])


def _start_up(*words: str) -> float:
    """Return the median wall-clock time of a command, in seconds."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "retrograde", *words], check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def measure(place: Path, large: int) -> dict[str, object]:
    """Return all figures.

    Args:
        place: an empty folder for recordings.
        large: GiB of the large recording.
    """
    folders = {name: place / name for name in ("dd", "mixed", "large", "tiny")}
    _capture(folders["tiny"], "true")
    _capture(folders["dd"], "dd", "if=/dev/zero", "of=/dev/null", "bs=1", "count=200k", "status=none")
    mixed = "find /usr/share -name '*.h'; ls -lR /usr/include; python3 -c 'import json, http'"
    _capture(folders["mixed"], "sh", "-c", mixed)
    _capture(folders["large"], "dd", "if=/dev/urandom", "of=/dev/null", "bs=64k", f"count={large * 16}k", "status=none")
    result: dict[str, object] = {}
    for name in ("dd", "mixed"):
        with retrograde.open(folders[name]) as recording:
            count = recording.summary.events
        result[name] = {"events": count, "rates": _rates(folders[name], count)}
    result["memory"] = {
        name: {"bytes": sum(path.stat().st_size for path in folder.iterdir()), "peak_kib": _peak_of_reading(folder)}
        for name, folder in folders.items()
    }
    result["start_up"] = {"--help": _start_up("--help"), "read": _start_up("read", str(folders["tiny"]))}
    return result


def _rounded(value: object) -> object:
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_rounded(each) for each in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


def report(result: dict[str, object], load: tuple[float, float, float]) -> str:
    """Return the figures as a page."""
    lines = [
        "# How fast recordings are read",
        "",
        "`make bench-reading` writes this page. One core, processor time (`time.process_time`), warm: a round that",
        f"imports modules goes before; the works take turns, {ROUNDS} rounds; median (least–most).",
        "`dd` is `dd bs=1 count=200k`; `mixed` is `find /usr/share`, `ls -lR /usr/include` and a start of python.",
        "Start-up is wall-clock time with a recording of `true`; memory is the peak (VmHWM) of one that prints all.",
        "",
        f"{datetime.date.today()}, {platform.machine()}, {os.cpu_count()} CPUs, Linux {platform.release()}, Python "
        f"{platform.python_version()}, load average at the start {', '.join(f'{each:.1f}' for each in load)}.",
        "",
    ]
    table: dict[str, list[str]] = {name: [] for name in WORKS}
    heads = []
    for recording in ("dd", "mixed"):
        found: dict[str, object] = result[recording]  # type: ignore[assignment]
        heads.append(f"{recording}, {found['events']:,} events")
        for name, rates in found["rates"].items():  # type: ignore[attr-defined]
            low, middle, high = (round(each / 1000) for each in (min(rates), statistics.median(rates), max(rates)))
            table[name].append(f"{middle} ({low}–{high})")
    lines += [f"| thousand events a second | {' | '.join(heads)} |", "|---|---:|---:|"]
    lines += [f"| {name} | {' | '.join(cells)} |" for name, cells in table.items()]
    lines += ["", "| recording | on disk | peak memory |", "|---|---:|---:|"]
    memory: dict[str, dict[str, int]] = result["memory"]  # type: ignore[assignment]
    for name, each in memory.items():
        lines.append(f"| {name} | {each['bytes'] / (1 << 20):.1f} MiB | {each['peak_kib'] / 1024:.0f} MiB |")
    times: dict[str, float] = result["start_up"]  # type: ignore[assignment]
    lines += ["", "| command | start to end |", "|---|---:|"]
    lines += [f"| `retrograde {name}` | {seconds * 1000:.0f} ms |" for name, seconds in times.items()]
    lines += ["", "Raw figures:", "", "```json", json.dumps(_rounded(result)), "```", ""]
    return "\n".join(lines)


def main() -> int:
    """Measure, and print JSON or write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the page there")
    parser.add_argument("--large", type=int, default=10, metavar="GIB", help="size of the large recording (10)")
    arguments = parser.parse_args()
    load = os.getloadavg()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory(prefix="retrograde-bench-") as name:
        result = measure(Path(name), arguments.large)
    if arguments.write is None:
        print(json.dumps(result, indent=1))
    else:
        arguments.write.write_text(report(result, load), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
