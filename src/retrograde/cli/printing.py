"""How the verbs that print events do it: options, and the printer that takes blocks and writes lines."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, BinaryIO

from retrograde.errors import UsageError
from retrograde.events import Event
from retrograde.printer.colours import PLAIN, palette
from retrograde.printer.defaults import DEFAULT_FORMAT
from retrograde.printer.lines import LinePrinter, LineStyle, write_lines
from retrograde.printer.merger import MOST_BYTES, Merger
from retrograde.printer.times import TIME_FORMATS
from retrograde.recording.batch import Batch
from retrograde.recording.blocks import Block, BlockType
from retrograde.recording.tracked import TrackedEvents
from retrograde.state import Context, Tracker

if TYPE_CHECKING:
    from retrograde.filters import Filter


def add_output_arguments(
    parser: argparse.ArgumentParser, *, format_option: tuple[str, ...] = ("-p", "--format")
) -> None:
    """Add the options that say how events are printed.

    Args:
        parser: of the verb.
        format_option: names of the option for a format.
    """
    group = parser.add_argument_group("output")
    group.add_argument(
        *format_option,
        dest="format",
        metavar="FORMAT",
        help=f"fields to print: %%field, %%Nfield for N characters, a leading * to print <NA> for what is missing "
        f"(default: '{DEFAULT_FORMAT.replace('%', '%%')}')",
    )
    group.add_argument("--json", action="store_true", help="one JSON object a line; with -p: those fields")
    group.add_argument("--strace", action="store_true", help="lines as strace prints them")
    times = ", ".join(f"{letter} {words}" for letter, words in TIME_FORMATS.items())
    group.add_argument("-t", "--time", dest="time", choices=list(TIME_FORMATS), help=f"which time to print: {times}")
    group.add_argument("--latency", action="store_true", help="print how long each call took")
    group.add_argument("-n", "--count", type=_positive, metavar="COUNT", help="stop after so many lines")
    group.add_argument(
        "--color", choices=["auto", "always", "never"], default="auto", help="colours (default: on a terminal)"
    )


def _positive(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: needed is a number from 1")
    return number


def check_output_arguments(arguments: argparse.Namespace) -> None:
    """Refuse options that exclude each other, and formats that are wrong, before anything is opened.

    Raises:
        UsageError: they do.
    """
    looks = [name for name, given in (("--json", arguments.json), ("--strace", arguments.strace)) if given]
    if arguments.format is not None and arguments.strace:
        looks = ["-p", "--strace"]
    if len(looks) > 1:
        raise UsageError(f"{looks[0]} and {looks[1]} exclude each other: name one of them")
    if arguments.format is not None:
        from retrograde.printer.format import Format

        Format(arguments.format)


class EventPrinter:
    """Takes the blocks of a recording in their order and writes what its options ask for.

    Args:
        arguments: parsed by :func:`add_output_arguments`.
        info: the recording's INFO.
        filter: which events; None for all.
        output: where the lines go, in UTF-8; stdout if None.

    Attributes:
        tracker: what is known of processes.
        done: whether as many lines as were asked for are written.
        printed: lines written.
    """

    def __init__(
        self,
        arguments: argparse.Namespace,
        info: dict[str, object],
        filter: Filter | None = None,
        output: BinaryIO | None = None,
    ) -> None:
        self.tracker = Tracker(Context.from_info(info))
        self.filter = filter
        self.printed = 0
        self.limit: int | None = arguments.count
        self._output = output if output is not None else sys.stdout.buffer
        structured = arguments.json or arguments.format is not None
        style = LineStyle(
            "strace" if arguments.strace else "sysdig",
            arguments.time,
            arguments.latency,
            PLAIN if structured else palette(arguments.color, sys.stdout),
        )
        self._lines = LinePrinter(self.tracker, style)
        self._line_of: Callable[[Event], str | None] = self._lines.event_line
        fields: list[str] = []
        if structured:
            from retrograde.printer.format import Format
            from retrograde.printer.jsonlines import JsonLines
        if arguments.format is not None:
            chosen = Format(arguments.format, self._lines.time_text)
            fields = [field.name for field in chosen.fields]
            self._line_of = JsonLines(chosen.fields).line if arguments.json else chosen.line
        elif arguments.json:
            self._line_of = JsonLines().line
        self._fast = filter is None and not structured
        self._source = TrackedEvents(self.tracker, Merger(MOST_BYTES), filter, frozenset(fields))

    @property
    def done(self) -> bool:
        """Whether as many lines as were asked for are written."""
        return self.limit is not None and self.printed >= self.limit

    def block(self, block: Block) -> None:
        """Take a block."""
        if block.type == BlockType.SNAPSHOT:
            self.tracker.load_snapshot(block.snapshot())
        elif block.type == BlockType.EVENTS:
            self.batch(block.batch())

    def batch(self, batch: Batch) -> None:
        """Take a batch of events and write the lines of those that are whole."""
        if self._fast:
            self._write(self._lines.feed(batch))
        else:
            self._write(self._event_lines(batch))

    def flush(self) -> None:
        """Hand on what is written, for those who look on."""
        self._output.flush()

    def finish(self) -> None:
        """Write what was held back for a continuation that never came."""
        self._write(self._lines.flush() if self._fast else self._event_lines(None))
        self.flush()

    def events(self, events: Iterable[Event]) -> None:
        """Take whole events, in order, and write the lines of those that are wanted."""
        self._write([line for event in events for line in self._event_line(event)])

    def _event_line(self, event: Event) -> Iterator[str]:
        self.tracker.apply(event)
        if self.filter is None or self.filter.matches(event):
            line = self._line_of(event)
            if line is not None:
                yield line

    def _write(self, lines: list[str]) -> None:
        if self.limit is not None:
            lines = lines[: self.limit - self.printed]
        if lines:
            self.printed += len(lines)
            self._output.write(write_lines(lines))

    # ---- event by event ----

    def _event_lines(self, batch: Batch | None) -> list[str]:
        events = self._source.finish() if batch is None else self._source.batch(batch)
        lines = (self._line_of(event) for event in events)
        return [line for line in lines if line is not None]
