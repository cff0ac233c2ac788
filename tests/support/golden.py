"""The golden files: recordings of each version of the format, and what is printed of those that a capture made."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1] / "golden"
PRINTED = ROOT / "printed"

# What is printed of each, by the file that holds it: the words behind `retrograde`, RECORDING for the recording.
PRINTS = {
    "default.txt": ["read", "RECORDING"],
    "enter.txt": ["read", "RECORDING", "--enter", "--latency", "-t", "r", "-n", "80"],
    "strace.txt": ["read", "RECORDING", "--strace"],
    "json.jsonl": ["read", "RECORDING", "--json"],
    "format.txt": [
        *("read", "RECORDING", "evt.is_io = true or evt.failed = true", "-p"),
        "*%evt.num %evt.time %proc.name(%proc.pid) %evt.type %evt.rawres %fd.num %fd.typechar %fd.name %evt.buffer",
    ],
    "stats.json": ["stats", "RECORDING", "--json"],
}


def printed(recording: Path) -> Path:
    """Return the folder of what is printed of a recording: by the version of its format, and its name."""
    return PRINTED / recording.parent.name / recording.name


def captured() -> list[Path]:
    """Return the recordings that a capture made."""
    return sorted(folder for folder in ROOT.glob("v*/*-*/") if printed(folder).is_dir())


def words(name: str, recording: Path) -> list[str]:
    """Return the words that print a file of a recording."""
    return [str(recording) if word == "RECORDING" else word for word in PRINTS[name]]
