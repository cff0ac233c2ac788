"""Run by gdb in a replay of fails_late.c: times reverse-stepi and reverse-next at random places.

PLACES says how many, EVENTS how many events the recording has, SEED which; the times go to ANSWER, as JSON.
A place is up to 15 calls of `tick` and 50 instructions after an event. `elsewhere` has an entry for each step back
after which a step forward did not lead to where it had begun.
"""

import json
import os
import random
import time

import gdb


def _run(command):
    gdb.execute(command, to_string=True)


def _timed(command):
    start = time.perf_counter()
    _run(command)
    return time.perf_counter() - start


def _pc():
    return int(gdb.parse_and_eval("$pc"))


def main():
    for setting in ("pagination off", "confirm off", "debuginfod enabled off"):
        gdb.execute(f"set {setting}")
    chosen = random.Random(int(os.environ["SEED"]))
    answer = {"reverse-stepi": [], "reverse-next": [], "elsewhere": []}
    events = int(os.environ["EVENTS"])
    for _ in range(int(os.environ["PLACES"])):
        _run(f"seek {chosen.randrange(events // 2, events - 4)}")
        ticks = gdb.Breakpoint("tick", internal=True)
        for _ in range(chosen.randrange(1, 15)):
            _run("continue")
        ticks.delete()
        _run(f"stepi {chosen.randrange(10, 50)}")
        before = _pc()
        answer["reverse-stepi"].append(_timed("reverse-stepi"))
        _run("stepi")
        if _pc() != before:
            answer["elsewhere"].append(before)
        answer["reverse-next"].append(_timed("reverse-next"))
    with open(os.environ["ANSWER"], "w") as file:
        json.dump(answer, file)


main()
