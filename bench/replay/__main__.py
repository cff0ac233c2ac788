"""Does it replay? Records and replays real programs, again and again: writes docs/experiments/replay.md.

    python -m bench.replay --rounds 20 --write docs/experiments/replay.md    the real thing; hours
    python -m bench.replay --only sqlite3,make-j4,dd                         a quick look
    python -m bench.replay --list

What was measured is kept, a line for each run as it comes, in build/bench-replay/results.jsonl: started again, it goes
on with what is missing there. A run that was measured is measured again when it is named with --only, or with --again.
A recording that does not replay is kept beside it.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from bench.replay import harness, numbers, report
from bench.replay.runs import RUNS, Run

FOLDER = Path(__file__).resolve().parents[2] / "build" / "bench-replay"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1, help="replays in a row of each run's last recording (1)")
    parser.add_argument("--timings", type=int, help="how often each is run bare and recorded (3, or --rounds if fewer)")
    parser.add_argument("--only", metavar="NAME,…", help="these runs and numbers, measured again")
    parser.add_argument("--again", action="store_true", help="forget what was measured before")
    parser.add_argument("--no-replay", action="store_true", help="stop after recording")
    parser.add_argument("--results", type=Path, default=FOLDER / "results.jsonl", help="where they are kept")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the report there")
    parser.add_argument("--remark", metavar="TEXT", help="what a reader of the report must know besides")
    parser.add_argument("--list", action="store_true", help="name the runs and numbers, and what is missing here")
    return parser.parse_args()


def _kept(path: Path) -> dict[str, dict[str, object]]:
    """Return the results by name; a line that was cut off is left out."""
    rows: dict[str, dict[str, object]] = {}
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                row = json.loads(line)
            except ValueError:
                continue
            rows[row["name"]] = row
    return rows


def is_enough(row: dict[str, object] | None, rounds: int) -> bool:
    """Whether a result is of as many rounds as are asked for now."""
    return row is not None and int(str(row["rounds"])) >= rounds


def _say_list() -> None:
    for run in RUNS:
        missing = f"  (missing here: {', '.join(run.missing())})" if run.missing() else ""
        print(f"{run.name:22} {run.group}{missing}")
    for number in numbers.NUMBERS:
        print(f"{number.name:22} number: {number.title}")


def _line(outcome: harness.Outcome) -> str:
    def middle(values: list[float]) -> str:
        return f"{report.median(values):8.3f}" if values else f"{'':8}"

    return (
        f"{outcome.name:22}{middle(outcome.bare)} bare{middle(outcome.bound)} one CPU"
        f"{middle(outcome.recorded)} recorded"
        f"{middle(outcome.replayed)} replayed {outcome.events:>9,} events  {outcome.verdict}"
    )


def _chosen(only: str | None) -> tuple[list[Run], list[numbers.Number]]:
    if only is None:
        return [run for run in RUNS if not run.missing()], list(numbers.NUMBERS)
    names = set(only.split(","))
    unknown = names - {each.name for each in RUNS} - {each.name for each in numbers.NUMBERS}
    if unknown:
        sys.exit(f"bench.replay: there is no {', '.join(sorted(unknown))}; --list names all")
    return [run for run in RUNS if run.name in names], [each for each in numbers.NUMBERS if each.name in names]


def main() -> int:
    """Measure what is asked for."""
    arguments = _arguments()
    if arguments.list:
        _say_list()
        return 0
    harness.no_core_dumps()
    timings = arguments.timings or min(3, arguments.rounds)
    replays = not arguments.no_replay and harness.has_replay()
    runs, chosen = _chosen(arguments.only)
    arguments.results.parent.mkdir(parents=True, exist_ok=True)
    if arguments.again and arguments.only is None:
        arguments.results.unlink(missing_ok=True)
    rows = {} if arguments.only is not None else _kept(arguments.results)
    with arguments.results.open("a", encoding="utf-8") as file:

        def keep(row: dict[str, object]) -> None:
            file.write(json.dumps(row) + "\n")
            file.flush()

        for run in runs:
            if is_enough(rows.get(run.name), arguments.rounds if replays else 0):
                continue
            outcome = harness.experiment(
                run, rounds=arguments.rounds, timings=timings, replays=replays, keep=arguments.results.parent / "kept"
            )
            print(_line(outcome), flush=True)
            if outcome.message:
                print(f"    {outcome.message}".replace("\n", "\n    "), flush=True)
            keep(outcome.row())
        for number in chosen if replays else []:
            if is_enough(rows.get(number.name), timings):
                continue
            row = numbers.measure(number, timings)
            print(f"{number.name:22} {row.get('text', row.get('message'))}", flush=True)
            keep(row)
    if arguments.write is not None:
        arguments.write.write_text(report.report(_kept(arguments.results), arguments.remark), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
