"""Run by gdb: goes to the crash of bank.c, asks who wrote the broken pointer last, and says how long each took.

The environment says how: REVERSE_RECORD=1 runs the program under gdb's own `record full`, REVERSE_LIMIT is its limit of
instructions, REVERSE_TUNABLES is GLIBC_TUNABLES for the program, and REVERSE_OUTPUT is where the answer goes, as JSON.
Without REVERSE_RECORD the program is there already, at its start, as a replay is.
"""

import json
import os
import re
import time

import gdb


def _timed(command):
    start = time.perf_counter()
    try:
        text = gdb.execute(command, to_string=True)
    except gdb.error as error:
        text = str(error)
    return time.perf_counter() - start, text


def _place():
    """Return the innermost frame of bank.c: its function, and who is the owner there."""
    frame = gdb.newest_frame()
    while frame is not None and frame.name() not in ("open_account", "add_interest", "total", "main"):
        frame = frame.older()
    if frame is None:
        return {"function": None}
    place = {"function": frame.name(), "line": frame.find_sal().line}
    if frame.name() == "open_account":
        place["owner"] = frame.read_var("owner").string()
    return place


def main():
    stops = []
    gdb.events.stop.connect(lambda event: stops.append(getattr(event, "stop_signal", "")))
    for setting in ("pagination off", "confirm off", "debuginfod enabled off"):
        gdb.execute(f"set {setting}")
    answer = {}
    if os.environ.get("REVERSE_RECORD"):
        if "REVERSE_TUNABLES" in os.environ:
            gdb.execute(f"set environment GLIBC_TUNABLES={os.environ['REVERSE_TUNABLES']}")
        if "REVERSE_LIMIT" in os.environ:
            gdb.execute(f"set record full insn-number-max {os.environ['REVERSE_LIMIT']}")
        gdb.execute("break main", to_string=True)
        gdb.execute("run", to_string=True)
        gdb.execute("delete")
        gdb.execute("record full")
    answer["forward"], text = _timed("continue")
    answer["crashed"] = stops[-1:] == ["SIGSEGV"]
    if os.environ.get("REVERSE_RECORD"):
        status = gdb.execute("info record", to_string=True)
        answer["instructions"] = int(re.search(r"Highest recorded instruction number is (\d+)", status)[1])
        answer["kept"] = int(re.search(r"Log contains (\d+)", status)[1])
        refused = re.search(r"does not support instruction (0x[0-9a-f]+)", text)
        if refused is not None:
            answer["refused"] = gdb.execute("x/i $pc", to_string=True).split(":", 1)[1].strip()
    if answer["crashed"]:
        gdb.execute("set $link = link")
        gdb.execute("watch -location *$link", to_string=True)
        answer["reverse"], _ = _timed("reverse-continue")
        answer["place"] = _place()
        if os.environ.get("REVERSE_RECORD"):  # once more without the processor's watchpoints
            gdb.execute("delete")
            gdb.execute("record goto end", to_string=True)
            gdb.execute("set can-use-hw-watchpoints 0")
            gdb.execute("watch -location *$link", to_string=True)
            answer["reverse_software"], _ = _timed("reverse-continue")
            answer["place_software"] = _place()
    with open("/proc/self/status") as lines:
        answer["peak_kib"] = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
    with open(os.environ["REVERSE_OUTPUT"], "w") as file:
        json.dump(answer, file)


main()
