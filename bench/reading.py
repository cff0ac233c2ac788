"""How fast recordings are read: columns, lines and events per second on one core, and the memory that reading takes.

python bench/reading.py
"""

from __future__ import annotations

import io
import json
import os
import resource
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


def _capture(folder: Path, *command: str) -> None:
    program = str(find_capture_program())
    words = [program, "--grade", "replay", "--output", str(folder), "--", *command]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def _columns(folder: Path) -> int:
    with retrograde.open(folder) as recording:
        return sum(batch.count + int(batch.exit[-1] & 0) for batch in recording.batches())


def _lines(folder: Path) -> int:
    from retrograde.cli import main

    saved, sys.stdout = sys.stdout, io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    try:
        main(["read", str(folder)])
        sys.stdout.flush()
        return sys.stdout.buffer.getvalue().count(b"\n")  # type: ignore[attr-defined]
    finally:
        sys.stdout = saved


def _events(folder: Path) -> int:
    with retrograde.open(folder) as recording:
        return sum(1 for _ in recording.events())


def _rate(work: Callable[[Path], int], folder: Path) -> tuple[float, int]:
    rates = []
    for _ in range(ROUNDS):
        start = time.process_time()
        count = work(folder)
        rates.append(count / (time.process_time() - start))
    return statistics.median(rates), count


def _peak_of_reading(folder: Path) -> int:
    """Return the peak resident memory, KiB, of a process that reads all columns."""
    code = "import sys, retrograde\nwith retrograde.open(sys.argv[1]) as r:\n    for b in r.batches(): b.exit"
    process = subprocess.Popen([sys.executable, "-c", code, str(folder)])
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = status
    if status != 0:
        raise RuntimeError(f"reading {folder} failed: {status}")
    return usage.ru_maxrss


def main() -> int:
    """Measure and print JSON."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory(prefix="retrograde-bench-") as name:
        dd, mixed, large = Path(name) / "dd", Path(name) / "mixed", Path(name) / "large"
        _capture(dd, "dd", "if=/dev/zero", "of=/dev/null", "bs=1", "count=500k", "status=none")
        _capture(mixed, "sh", "-c", "find /usr/share -name '*.h'; ls -lR /usr/include; python3 -c 'import json, http'")
        _capture(large, "dd", "if=/dev/urandom", "of=/dev/null", "bs=64k", "count=16k", "status=none")
        result: dict[str, object] = {}
        for label, folder in (("dd", dd), ("mixed", mixed)):
            for what, work in (("columns", _columns), ("lines", _lines), ("events", _events)):
                rate, count = _rate(work, folder)
                result[f"{label} {what}/s"] = round(rate)
                result[f"{label} {what}"] = count
        result["peak KiB reading dd"] = _peak_of_reading(dd)
        size = sum(path.stat().st_size for path in large.iterdir())
        result[f"peak KiB reading {size >> 20} MiB of random data"] = _peak_of_reading(large)
        result["own peak KiB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps(result, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
