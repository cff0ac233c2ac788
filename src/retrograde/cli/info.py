"""Tell what a recording holds: how it was made, how much there is, what is missing, and whether it can be replayed.

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
from retrograde.recording.replayable import obstacles, shortened, unfaithful

_MOST_UNFAITHFUL = 20

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
    scan, images = recording.summary, recording.images
    reasons = obstacles(recording)
    return {
        **describe(recording).as_dict(),
        "kind": recording.kind,
        "complete": recording.complete,
        "blocks": dict(scan.blocks),
        "raw_bytes": scan.raw_bytes,
        "stored_bytes": scan.stored_bytes,
        "images": len(images),
        "image_bytes": sum(images.values()),
        "replayable": not reasons,
        "obstacles": reasons,
        "unfaithful": unfaithful(recording.end),
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
        ("cpu", _cpu_text(info.get("cpu"))),
        ("grade", info.get("grade")),
        ("backend", info.get("backend")),
        ("snaplen", info.get("snaplen") if info.get("grade") != "replay" else None),
        ("filter", json.dumps(info["filter"]) if info.get("filter") else None),
        ("made by", f"retrograde {info['version']}" if info.get("version") else None),
        ("events", f"{events:,}"),
        ("lost", f"{content['lost']:,}"),
        ("size", f"{size_text(content['size'])} ({size_text(content['raw_bytes'])} uncompressed{per_event})"),
        ("images", _images_text(content["images"], content["image_bytes"])),
        ("blocks", ", ".join(f"{count} {name}" for name, count in content["blocks"].items())),
        ("ended", end.get("reason")),
        ("error", end.get("error")),
        ("exit", _exit_text(end.get("exit_status"))),
        ("state", content["state"]),
        ("replayable", _replayable_text(content)),
    ]
    for name, value in lines:
        if value not in (None, ""):
            print(f"{name + ':':<11} {printable(str(value))}")
    for each in shortened(content["unfaithful"], _MOST_UNFAITHFUL):
        print(f"{'unfaithful:':<11} {each}")
    for problem in content["problems"]:
        print(f"{'problem:':<11} {printable(problem)}")


def _cpu_text(cpu: object) -> str | None:
    """Name a processor: by its model, on arm64 by its main ID register."""
    if not isinstance(cpu, dict):
        return None
    midr = cpu.get("midr")
    model = cpu.get("model") or (f"MIDR {midr:#x}" if isinstance(midr, int) else None)
    return str(model) if model else None


def _images_text(count: int, size: int) -> str | None:
    """Say what is kept of mapped files."""
    if not count:
        return None
    return f"{count:,} file{'s' if count > 1 else ''} that the program mapped, {size_text(size)}"


def _replayable_text(content: dict[str, Any]) -> str:
    """Say whether it can be replayed, and why not."""
    if content["obstacles"]:
        return f"no: {'; '.join(content['obstacles'])}"
    return "yes, but what is unfaithful may differ" if content["unfaithful"] else "yes"


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
