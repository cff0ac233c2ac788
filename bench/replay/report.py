"""Writes docs/experiments/replay.md."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Sequence
from typing import Any

from bench.replay.numbers import NUMBERS
from bench.replay.runs import RUNS

Row = dict[str, Any]

_METHOD = """\
Each run is a real program at work, in a folder of its own that is made afresh each time, with a check that its work was
done. It is run bare, bound to one CPU (`taskset`), and recorded, taking turns, {timings} times each; every recording is
replayed to its end with `replay --check`, which compares every system call, the data written, and the end; the last one
is replayed {rounds} times in a row. A run *replays* if all of those did, with no divergence; the verdict says how many
they were. Times are wall-clock medians of the whole command, start and end of Retrograde included; the ratios are of
those medians."""


def median(values: Sequence[float]) -> float:
    """Return the median."""
    return statistics.median(values)


def _time(values: Sequence[float]) -> str:
    return f"{median(values):.2f} s" if values else ""


def _times(values: Sequence[float], others: Sequence[float]) -> str:
    return f"{median(values) / median(others):.2f} ×" if values and others else ""


def _range(counts: Sequence[int]) -> str:
    least, most = min(counts, default=0), max(counts, default=0)
    return f"{least}" if least == most else f"{least} to {most}"


def _table(rows: dict[str, Row]) -> list[str]:
    lines = [
        "| run | bare | one CPU | recorded | × bare | × one CPU | events | size | replayed | × bare | verdict |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|",
    ]
    group = ""
    for run in RUNS:
        row = rows.get(run.name)
        if row is None:
            continue
        if run.group != group:
            group = run.group
            lines.append(f"| **{group}** |" + " |" * 10)
        bare, bound, recorded, replayed = (row[stage] for stage in ("bare", "bound", "recorded", "replayed"))
        verdict = row["verdict"] + (f", {len(replayed)} of {len(replayed)}" if row["verdict"] == "replays" else "")
        cells = [
            run.name,
            _time(bare),
            _time(bound),
            _time(recorded),
            _times(recorded, bare),
            _times(recorded, bound),
            f"{row['events']:,}",
            f"{row['bytes'] / (1 << 20):.1f} MiB",
            _time(replayed),
            _times(replayed, bare),
            verdict,
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _numbers(rows: dict[str, Row]) -> list[str]:
    lines = ["| what | at least | measured |", "|---|---|---|"]
    for number in NUMBERS:
        if number.name in rows:
            row = rows[number.name]
            lines.append(
                f"| {number.title} | {number.wanted} | {row.get('text', 'failed: ' + row.get('message', ''))} |"
            )
    return lines


def report(rows: dict[str, Row], remark: str | None = None) -> str:
    """Return the page.

    Args:
        rows: the results by name, runs and numbers.
        remark: what a reader must know besides.
    """
    runs = [rows[run.name] for run in RUNS if run.name in rows]
    replayed = [row for row in runs if row["replayed"]]
    good = [row for row in replayed if row["verdict"] == "replays"]
    commits = ", ".join(sorted({row["commit"] for row in rows.values()}))
    method = _METHOD.format(
        timings=_range([len(row["recorded"]) for row in runs if row["recorded"]]),
        rounds=_range([row["rounds"] for row in runs]),
    )
    lines = [
        "# The experiment: does it replay?",
        "",
        "Written by `make bench-replay`.",
        "",
        method,
        "",
        *([remark, ""] if remark else []),
        f"Linux {platform.release()}, {platform.machine()}, {os.cpu_count()} CPUs; Retrograde {commits}.",
        "",
    ]
    if replayed:
        share = 100 * len(good) / len(runs)
        events = sum(row["events"] for row in runs)
        lines += [
            f"**{len(good)} of {len(runs)} runs replay ({share:.1f} %)**; {events:,} events, "
            f"{sum(row['lost'] for row in runs):,} lost.",
            "",
        ]
    if any(number.name in rows for number in NUMBERS):
        lines += ["## Numbers", "", *_numbers(rows), ""]
    lines += ["## The runs", "", *_table(rows), ""]
    bad = [row for row in runs if row["message"]]
    if bad:
        lines += ["## What does not replay", ""]
        for row in bad:
            message = " ".join(row["message"].split())
            lines.append(f"- {row['name']} {row['verdict']}: `{message[:400].replace('`', chr(39))}`")
        lines.append("")
    absent = [run.name for run in RUNS if run.name not in rows]
    if absent:
        lines += ["Not run here, because a program was missing or it was not asked for: " + ", ".join(absent) + ".", ""]
    lines += ["## Raw figures", "", "Seconds as measured, in their order.", "", "```json"]
    lines += [json.dumps(row) for row in rows.values()]
    lines += ["```", ""]
    return "\n".join(lines)
