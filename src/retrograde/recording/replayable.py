"""Whether a recording can be replayed, and what a replay may not repeat."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrograde.recording.describe import printable

if TYPE_CHECKING:
    from retrograde.recording.reader import Recording

_LONGEST = 200


def obstacles(recording: Recording) -> list[str]:
    """Return why a recording cannot be replayed, a reason each; none where it can."""
    info = recording.info
    found = []
    if info.get("grade") != "replay":
        found.append("it is not of replay grade")
    elif not isinstance(info.get("replay"), dict):
        found.append("it does not hold the start of a command")
    if recording.kind == "stream":
        found.append("a bare stream holds no images of what was mapped")
    if not recording.from_start:
        found.append("its beginning is not there any more")
    if recording.lost:
        found.append("an event was lost" if recording.lost == 1 else f"{recording.lost:,} events were lost")
    return found


def unfaithful(end: dict[str, object] | None) -> list[str]:
    """Return what the capture says that a replay may not be able to repeat, each once, with the event near it.

    Args:
        end: what the END block says, which may be anything; None where there is none.
    """
    listed = (end or {}).get("unfaithful")
    found: dict[str, str] = {}
    for each in listed if isinstance(listed, list) else ():
        what = each.get("what") if isinstance(each, dict) else None
        if not isinstance(what, str):
            continue
        text = printable(what[:_LONGEST])
        seq = each.get("seq")
        near = f" (near event {seq})" if isinstance(seq, int) and 0 <= seq < 1 << 63 else ""
        found.setdefault(text, text + near)
    return list(found.values())


def shortened(lines: list[str], most: int) -> list[str]:
    """Return lines, of many the first ones and how many more there are."""
    return lines if len(lines) <= most else [*lines[:most], f"and {len(lines) - most:,} more"]
