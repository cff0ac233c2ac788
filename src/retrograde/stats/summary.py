"""What was gathered, as data and as a table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from rich.table import Table

from retrograde.state.text import printable
from retrograde.stats.groups import Group

Sort = Literal["time", "count", "errors", "bytes", "max", "name"]
SORTS: tuple[Sort, ...] = ("time", "count", "errors", "bytes", "max", "name")
_PLURALS = {"syscall": "syscalls", "process": "processes", "file": "files", "peer": "peers"}


@dataclass(slots=True)
class Summary:
    """What events add up to.

    Attributes:
        by: what the groups are: `syscall`, `process`, `file`, `peer`.
        events: that counted, calls and others.
        lost: events that the capture lost.
        duration_s: seconds.
        groups: by name.
        errors: names of the errors that occur, by number.
    """

    by: str
    events: int
    lost: int
    duration_s: float
    groups: dict[str, Group]
    errors: dict[int, str]

    def sorted(self, sort: Sort = "time") -> list[tuple[str, Group]]:
        """Return the groups, the largest first; those that are equal by name."""
        keys: dict[Sort, Callable[[Group], int]] = {
            "time": lambda group: group.total_ns,
            "count": lambda group: group.count,
            "errors": lambda group: group.failed,
            "bytes": lambda group: group.bytes,
            "max": lambda group: group.max_ns,
            "name": lambda group: 0,
        }
        return sorted(self.groups.items(), key=lambda item: (-keys[sort](item[1]), item[0]))

    def json(self, sort: Sort = "time", limit: int | None = None) -> dict[str, Any]:
        """Return it as `--json` prints it; times are in ns."""
        groups = {name: self._group(group) for name, group in self.sorted(sort)[:limit]}
        return {
            "events": self.events,
            "lost": self.lost,
            "duration_s": round(self.duration_s, 9),
            _PLURALS[self.by]: groups,
        }

    def _group(self, group: Group) -> dict[str, Any]:
        return {
            "count": group.count,
            "errors": {self.errors[number]: count for number, count in group.errors.most_common()},
            "unfinished": group.unfinished,
            "total_ns": group.total_ns,
            "p50_ns": group.latency(0.5),
            "p90_ns": group.latency(0.9),
            "p99_ns": group.latency(0.99),
            "max_ns": group.max_ns,
            "bytes": group.bytes,
        }

    def table(self, sort: Sort = "time", limit: int | None = None) -> Table:
        """Return it as a table for people."""
        table = Table(box=None, pad_edge=False, header_style="bold", show_footer=True)
        chosen = self.sorted(sort)
        total = sum(group.total_ns for _, group in chosen)
        calls = sum(group.count for _, group in chosen)
        failed = sum(group.failed for _, group in chosen)
        moved = sum(group.bytes for _, group in chosen)
        lost = f", {self.lost:,} lost" if self.lost else ""
        table.add_column("% time", justify="right")
        table.add_column("total", justify="right", footer=duration(total))
        table.add_column("calls", justify="right", footer=f"{calls:,}")
        table.add_column("errors", justify="right", footer=f"{failed:,}" if failed else "")
        for name in ("p50", "p90", "p99", "max"):
            table.add_column(name, justify="right")
        table.add_column("bytes", justify="right", footer=size(moved))
        table.add_column(self.by, footer=f"{self.events:,} events{lost} in {self.duration_s:.2f} s", overflow="fold")
        table.add_column("errors by name", overflow="fold")
        for name, group in chosen[:limit]:
            table.add_row(
                f"{100 * group.total_ns / total:.1f}" if total else "",
                duration(group.total_ns),
                f"{group.count:,}",
                f"{group.failed:,}" if group.failed else "",
                *(duration(group.latency(share)) for share in (0.5, 0.9, 0.99)),
                duration(group.max_ns),
                size(group.bytes),
                _plain(name),
                " ".join(f"{self.errors[number]}:{count:,}" for number, count in group.errors.most_common(4)),
            )
        return table


def _plain(name: str) -> Any:
    """Return a name from the recording as text that no markup is looked for in."""
    from rich.text import Text

    return Text(printable(name))


def duration(ns: int) -> str:
    """Return ns as people read them, three digits: `1.25ms`."""
    for limit, factor, unit in ((1_000, 1, "ns"), (1_000_000, 1e3, "us"), (1_000_000_000, 1e6, "ms")):
        if ns < limit:
            return (
                f"{ns}ns"
                if unit == "ns"
                else f"{ns / factor:.3g}{unit}"
                if ns / factor < 999.5
                else f"{ns / factor:.0f}{unit}"
            )
    return f"{ns / 1e9:.3g}s" if ns < 999.5e9 else f"{ns / 1e9:,.0f}s"


def size(number: int) -> str:
    """Return bytes as people read them; nothing for none."""
    if not number:
        return ""
    value = float(number)
    for unit in ("", "K", "M", "G", "T"):
        if value < 1024 or unit == "T":
            break
        value /= 1024
    return f"{number}" if not unit else f"{value:.1f}{unit}"
