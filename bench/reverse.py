"""Who wrote this value last? The same question, of the same crash, put to gdb's `record full` and to Retrograde.

The program is bench/replay/programs/bank.c, the example of docs/explanation/reverse-debugging.md. Each round does each
of these once, so that a noisy minute hurts all alike:

- bare: the program alone;
- `record full` as it comes, which the first AVX instruction of the C library stops;
- `record full`, the C library told to do without AVX, with gdb's limit of 200,000 instructions;
- the same without a limit;
- Retrograde, where `retrograde replay` exists: recorded, then asked in gdb through the replay.

    python -m bench.reverse --rounds 3                                          print JSON
    python -m bench.reverse --write docs/explanation/reverse-debugging.md       put the figures between its markers
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROGRAM = HERE / "replay" / "programs" / "bank.c"
SCRIPT = HERE / "replay" / "in_gdb" / "who_wrote.py"
BEGIN, END = "<!-- figures: python -m bench.reverse -->", "<!-- end of figures -->"
TIMEOUT = 600.0

# What glibc would choose by itself has AVX or XSAVE in it: strlen, strcpy, memcpy, and the binding of symbols.
NO_AVX = "glibc.cpu.hwcaps=-AVX2,-AVX512VL,-AVX_Fast_Unaligned_Load,-XSAVEC,-XSAVE"
RECORD_FULL = {
    "as it comes": {},
    "without AVX": {"REVERSE_TUNABLES": NO_AVX},
    "without AVX, no limit": {"REVERSE_TUNABLES": NO_AVX, "REVERSE_LIMIT": "unlimited"},
}


def has_replay() -> bool:
    """Whether this Retrograde replays."""
    done = subprocess.run(
        [sys.executable, "-m", "retrograde", "replay", "--help"], capture_output=True, check=False, timeout=TIMEOUT
    )
    return done.returncode == 0


def _seconds(command: list[str], environment: dict[str, str] | None = None) -> float:
    start = time.perf_counter()
    subprocess.run(command, env=environment, capture_output=True, check=False, timeout=TIMEOUT)
    return time.perf_counter() - start


def _ask(command: list[str], folder: Path, settings: dict[str, str]) -> dict[str, object]:
    """Run gdb, or what leads to it, with the script; return its answer and the time of all of it."""
    output = folder / "answer"
    output.unlink(missing_ok=True)
    seconds = _seconds(command, {**os.environ, **settings, "REVERSE_OUTPUT": str(output)})
    if not output.exists():
        return {"failed": "no answer", "whole": seconds}
    return {**json.loads(output.read_text()), "whole": seconds}


def measure(rounds: int) -> dict[str, object]:
    """Return all figures."""
    result: dict[str, list[object]] = {"bare": [], **{name: [] for name in RECORD_FULL}}
    ours = has_replay()
    if ours:
        result |= {"recorded": [], "retrograde": []}
    gdb = ["gdb", "-q", "-nx", "-batch", "-x", str(SCRIPT)]
    with tempfile.TemporaryDirectory(prefix="retrograde-bench-") as name:
        folder = Path(name)
        program = folder / "bank"
        subprocess.run(["gcc", "-g", "-o", str(program), str(PROGRAM)], check=True)
        _seconds([str(program)])  # warms the caches, and is not counted
        for number in range(rounds):
            result["bare"].append(_seconds([str(program)]))
            for way, settings in RECORD_FULL.items():
                result[way].append(_ask([*gdb, str(program)], folder, {"REVERSE_RECORD": "1", **settings}))
            if ours:
                verb = [sys.executable, "-m", "retrograde"]
                recording = folder / "recording"
                record = [*verb, "record", "-q", "--force", "-o", str(recording), "--", str(program)]
                result["recorded"].append(_seconds(record))
                replay = [*verb, "replay", "--quiet", str(recording), "--", *gdb[2:]]
                result["retrograde"].append(_ask(replay, folder, {}))
            print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)
    return result


def _median(answers: list[dict[str, object]], field: str) -> str:
    values = [float(str(each[field])) for each in answers if field in each]
    if not values:
        return ""
    return f"{statistics.median(values):.2f} s ({min(values):.2f}–{max(values):.2f})"


def _place(answer: dict[str, object], field: str) -> str:
    place = answer.get(field)
    if not isinstance(place, dict):
        return ""
    if place.get("function") == "open_account":
        return f"the write: `open_account`, line {place['line']}, owner {place['owner']}"
    return f"not found; history ended in `{place['function']}`"


def figures(result: dict[str, object]) -> str:
    """Return what stands between the page's markers."""
    gdb = subprocess.run(["gdb", "--version"], capture_output=True, text=True, check=True).stdout.split("\n")[0]
    bare = statistics.median(result["bare"])  # type: ignore[type-var]
    lines = [
        f"Measured with {re.sub(r'^GNU gdb ', 'gdb ', gdb)} on {platform.machine()}, {os.cpu_count()} CPUs, Linux "
        f"{platform.release()}; {len(result['bare'])} rounds, each doing every row once; medians "  # type: ignore[arg-type]
        f"(least–most). The program alone, from start to crash, takes {bare * 1000:.1f} ms.",
        "",
        "| | instructions | kept | to the crash | times bare | `reverse-continue` took | and found "
        "| peak memory of gdb |",
        "|---|---:|---:|---:|---:|---:|---|---:|",
    ]
    ours: list[dict[str, object]] = result.get("retrograde", [])  # type: ignore[assignment]
    answered = bool(ours) and not any("failed" in each for each in ours)
    if ours and not answered:
        print("the replay gave no answer, and is left out", file=sys.stderr)
    names = [*RECORD_FULL, *(["retrograde"] if answered else [])]
    for name in names:
        answers: list[dict[str, object]] = result[name]  # type: ignore[assignment]
        last = answers[-1]
        label = "Retrograde's replay" if name == "retrograde" else f"`record full`, {name}"
        if "failed" in last:
            lines.append(f"| {label} | | | {last['failed']} | | | | |")
            continue
        if not last["crashed"]:
            stopped = f"stopped at `{last['refused']}`" if "refused" in last else "stopped before the crash"
            lines.append(f"| {label} | {last['instructions']:,} | {last['kept']:,} | {stopped} | | | | |")
            continue
        forward = statistics.median(float(str(each["forward"])) for each in answers if "forward" in each)
        counts = [f"{last[field]:,}" if field in last else "" for field in ("instructions", "kept")]
        memory = f"{max(int(str(each['peak_kib'])) for each in answers) / 1024:.0f} MiB"
        row = [label, *counts, _median(answers, "forward"), f"{forward / bare:,.0f} ×"]
        lines.append(
            "| "
            + " | ".join([*row, _median(answers, "reverse"), _place(last, "place"), memory]).replace("  ", " ")
            + " |"
        )
        if "place_software" in last:
            again = ["… with software watchpoints", "", "", "", "", _median(answers, "reverse_software")]
            lines.append("| " + " | ".join([*again, _place(last, "place_software"), ""]) + " |")
    if answered:
        recorded = statistics.median(result["recorded"])  # type: ignore[type-var]
        lines += ["", f"Recording the program with Retrograde took {recorded:.2f} s, start and end included."]
    return "\n".join(lines)


def main() -> int:
    """Measure, and print JSON or write the figures into the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the figures between the markers of this page")
    arguments = parser.parse_args()
    result = measure(arguments.rounds)
    if arguments.write is None:
        print(json.dumps(result, indent=1))
        return 0
    text = arguments.write.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    arguments.write.write_text(f"{before}{BEGIN}\n\n{figures(result)}\n\n{END}{after}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
