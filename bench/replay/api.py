"""Times the Python API: `python -m bench.replay.api RECORDING ADDRESS EVENTS SEED`, the address in hexadecimal."""

from __future__ import annotations

import json
import random
import sys
import time

import retrograde

PLACES = 20


def main() -> int:
    """Print the times as JSON."""
    recording, address, events, seed = sys.argv[1], int(sys.argv[2], 16), int(sys.argv[3]), int(sys.argv[4])
    chosen = random.Random(seed)
    times: dict[str, list[float]] = {"step": [], "last_write": [], "at_end": []}
    with retrograde.open(recording) as opened, opened.replay() as replay:
        for _ in range(PLACES):
            replay.seek(chosen.randrange(1, events))
            replay.step(chosen.randrange(2, 50))
            start = time.perf_counter()
            replay.step(-1)
            times["step"].append(time.perf_counter() - start)
        start = time.perf_counter()
        replay.at_end()
        times["at_end"].append(time.perf_counter() - start)
        start = time.perf_counter()
        replay.last_write(address, 8)
        times["last_write"].append(time.perf_counter() - start)
    print(json.dumps(times))
    return 0


if __name__ == "__main__":
    sys.exit(main())
