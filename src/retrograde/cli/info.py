"""Tell what a recording holds: how it was made, how much there is, and what is missing.

    retrograde info
    retrograde info nginx-3 --verify

`--verify` reads every block and its checksum; without it the blocks' headers are read, which takes no time.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

from retrograde.cli.ls import duration_text, size_text, started_text
from retrograde.errors import EXIT_DONE, EXIT_FAILED
from retrograde.recording import Recording
from retrograde.recording.describe import command_text, describe, printable

HELP = "what a recording holds"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("recording", nargs="?", default="latest", metavar="RECORDING", help="name or path")
    parser.add_argument("--verify", action="store_true", help="read every block; exit 1 if anything is missing")
    parser.add_argument("--json", action="store_true", help="as a JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Tell."""
    with Recording(arguments.recording) as recording:
        if arguments.verify:
            recording.verify()
        content = _content(recording)
    if arguments.json:
        print(json.dumps(content, indent=2))
    else:
        _print(content)
    return EXIT_FAILED if arguments.verify and content["problems"] else EXIT_DONE


def _content(recording: Recording) -> dict[str, Any]:
    scan = recording.summary
    return {
        **describe(recording).as_dict(),
        "kind": recording.kind,
        "complete": recording.complete,
        "blocks": dict(scan.blocks),
        "raw_bytes": scan.raw_bytes,
        "stored_bytes": scan.stored_bytes,
        "first_ns": scan.time_min,
        "last_ns": scan.time_max,
        "info": recording.info,
        "end": recording.end,
        "losses": recording.losses,
        "problems": recording.problems,
    }


def _print(content: dict[str, Any]) -> None:
    info, end = content["info"], content["end"] or {}
    events = content["events"]
    per_event = f", {content['stored_bytes'] / events:.1f} bytes an event" if events else ""
    lines = [
        ("recording", content["name"]),
        ("path", content["path"]),
        ("command", command_text(content["command"])),
        ("directory", info.get("cwd")),
        ("started", started_text(content["started_ns"])),
        ("duration", duration_text(content["duration_ns"])),
        ("machine", " ".join(str(info[key]) for key in ("hostname", "arch", "kernel") if info.get(key))),
        ("cpus", info.get("cpus")),
        ("grade", info.get("grade")),
        ("backend", info.get("backend")),
        ("snaplen", info.get("snaplen") if info.get("grade") != "replay" else None),
        ("filter", json.dumps(info["filter"]) if info.get("filter") else None),
        ("made by", f"retrograde {info['version']}" if info.get("version") else None),
        ("events", f"{events:,}"),
        ("lost", f"{content['lost']:,}"),
        ("size", f"{size_text(content['size'])} ({size_text(content['raw_bytes'])} uncompressed{per_event})"),
        ("blocks", ", ".join(f"{count} {name}" for name, count in content["blocks"].items())),
        ("ended", end.get("reason")),
        ("error", end.get("error")),
        ("exit", _exit_text(end.get("exit_status"))),
        ("state", content["state"]),
    ]
    for name, value in lines:
        if value not in (None, ""):
            print(f"{name + ':':<11} {printable(str(value))}")
    for problem in content["problems"]:
        print(f"{'problem:':<11} {printable(problem)}")


def _exit_text(status: object) -> str | None:
    """Say what a wait status says."""
    if not isinstance(status, int):
        return None
    number = status & 0x7F
    if number:
        import signal

        try:
            return f"killed by {signal.Signals(number).name}"
        except ValueError:
            return f"killed by signal {number}"
    return f"exit code {status >> 8 & 0xFF}"
