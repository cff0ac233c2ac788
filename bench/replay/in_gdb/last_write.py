"""Run by gdb at the end of a replay of fails_late.c: goes back to the last write of `victim`, and to the end again.

The times go to ANSWER, as JSON.
"""

import json
import os
import time

import gdb


def _timed(command):
    start = time.perf_counter()
    gdb.execute(command, to_string=True)
    return time.perf_counter() - start


def main():
    for setting in ("pagination off", "confirm off", "debuginfod enabled off"):
        gdb.execute(f"set {setting}")
    gdb.execute("watch -location victim", to_string=True)
    backward = _timed("reverse-continue")
    names, frame = [], gdb.newest_frame()
    while frame is not None:
        names.append(frame.name())
        frame = frame.older()
    if "corrupt" not in names:
        raise gdb.GdbError(f"not at the write, but in {names}")
    gdb.execute("delete")
    forward = _timed("continue")
    with open(os.environ["ANSWER"], "w") as file:
        json.dump({"backward": [backward], "forward": [forward]}, file)


main()
