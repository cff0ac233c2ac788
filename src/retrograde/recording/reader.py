"""The recording: what other parts read."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO

from retrograde.errors import CannotError, FormatError, NotFoundError
from retrograde.events import Event
from retrograde.recording.batch import Batch
from retrograde.recording.blocks import Block, BlockType, Continuity, Problem, parse_object
from retrograde.recording.merge import RowMerger, merge_rows
from retrograde.recording.parser import BlockParser
from retrograde.recording.scan import Scan, check_start, scan_source
from retrograde.recording.sources import Source, open_place
from retrograde.recording.store import resolve
from retrograde.recording.stream import POLL_SECONDS

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

    from retrograde.filters import Filter
    from retrograde.replay.replay import Replay
    from retrograde.state import Process

_CHUNK = 1 << 20


class Recording:
    """A recording, opened for reading.

    Everything streams: however long the recording is, one block is held at a time. What cannot be read is skipped and
    named in :attr:`problems`.

    Args:
        name: a recording's name, or the path of its folder, of a packed file or of a bare block stream.
        follow: whether :meth:`blocks`, :meth:`batches` and :meth:`events` wait for more while the capture goes on; or a
            function that says whether it still does, since a capture that was killed can't.

    Attributes:
        path: where it lies.

    Raises:
        NotFoundError: there is no such recording.
        FormatError: it is not a recording, or of a newer format.
        CannotError: it may not be read.
    """

    def __init__(self, name: str | Path = "latest", *, follow: bool | Callable[[], bool] = False) -> None:
        self.path = resolve(name)
        self.follow = follow
        self._place = open_place(self.path)
        self._problems: dict[tuple[str, int, str], None] = {}
        self._scan: Scan | None = None
        self._processes: list[Process] | None = None
        try:
            self._check()
        except BaseException:
            self.close()
            raise

    def _check(self) -> None:
        numbers = self._place.numbers()
        if not numbers:
            return
        source = self._open_source(numbers[0])
        if source is None:
            return
        try:
            if source.size():
                check_start(source)
        except FormatError as error:
            raise FormatError(f"{self.path} {error.message}", hint=error.hint) from None
        finally:
            source.close()

    def __enter__(self) -> Recording:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the recording's files."""
        self._place.close()

    @property
    def name(self) -> str:
        """The recording's name."""
        return self.path.name.removesuffix(".rgtr")

    @property
    def kind(self) -> str:
        """`folder`, `packed` or `stream`."""
        return self._place.kind

    @property
    def arch(self) -> str:
        """The syscall table's name of the architecture: `x86_64` or `arm64`."""
        name = str(self.info.get("arch", "x86_64"))
        return {"aarch64": "arm64", "amd64": "x86_64"}.get(name, name)

    @property
    def info(self) -> dict[str, Any]:
        """What the INFO block says; empty where it is lost."""
        return self._scanned().info

    @property
    def end(self) -> dict[str, Any] | None:
        """What the END block says; None where the recording was cut off."""
        scan = self._scanned()
        return scan.end if scan.end is not None else self._info_file()

    @property
    def complete(self) -> bool:
        """Whether the capture closed it cleanly and the last block is there."""
        return self._scanned().end is not None and not self._place.incomplete

    @property
    def incomplete(self) -> bool:
        """Whether the capture has not closed it: it still writes, or was killed."""
        return self._place.incomplete

    @property
    def from_start(self) -> bool:
        """Whether the first file is there; a flight recorder has forgotten its oldest ones."""
        return self._place.numbers()[:1] in ([], [0])

    @property
    def losses(self) -> list[dict[str, Any]]:
        """What the capture lost and when, a dictionary for each LOSS block."""
        return self._scanned().losses

    @property
    def lost(self) -> int:
        """Events that the capture lost."""
        return sum(_count(loss.get("lost")) for loss in self.losses)

    @property
    def problems(self) -> list[str]:
        """One line for each thing that is missing or damaged.

        Frames are checked at once; damage inside a block shows when it is read (:meth:`verify` reads all).
        """
        self._scanned()
        return [f"{name}: {text}" if name else text for name, _, text in self._problems]

    @property
    def summary(self) -> Scan:
        """What the headers of the blocks say."""
        return self._scanned()

    @property
    def stored_size(self) -> int:
        """Bytes on disk."""
        return self._place.stored_size()

    @property
    def images(self) -> dict[str, int]:
        """The bytes of each image, the content of a mapped file, by its name."""
        return self._place.images()

    def image(self, name: str) -> BinaryIO:
        """Open an image.

        Args:
            name: 32 hexadecimal digits, as a line of MAPS has them; checked, since it may be anything.

        Returns:
            A file object. What it holds is the recording's, and so from whoever made it.

        Raises:
            FormatError: it is no name of an image, or what is there is no regular file.
            NotFoundError: there is no such image.
            CannotError: it may not be read.
        """
        from retrograde.recording.images import SourceFile, check_name

        check_name(name)
        try:
            return io.BufferedReader(SourceFile(self._place.open_image(name)))
        except FileNotFoundError:
            raise NotFoundError(f"{self.path} holds no image {name}") from None
        except PermissionError:
            raise CannotError(f"the image {name} of {self.path} may not be read") from None
        except OSError as error:
            raise FormatError(f"the image {name} of {self.path} cannot be read: {error.strerror}") from None

    def event_files(self) -> Iterator[tuple[str, BinaryIO]]:
        """Yield the name and the content of each file of the block stream."""
        from retrograde.recording.images import SourceFile

        for number in self._place.numbers():
            source = self._open_source(number)
            if source is not None:
                yield source.name, io.BufferedReader(SourceFile(source))

    def verify(self) -> list[str]:
        """Read every block and return all problems."""
        for _ in self.blocks():
            pass
        return self.problems

    def _continuity(self) -> Continuity:
        return Continuity(from_start=self.from_start)

    def _info_file(self) -> dict[str, Any] | None:
        text = self._place.info()
        try:
            return parse_object(text) if text is not None else None
        except FormatError:
            return None

    def _report(self, name: str, problem: Problem) -> None:
        self._problems.setdefault((name, problem.at, problem.text))

    def _scanned(self) -> Scan:
        # A recording that is still being written has more to say each time.
        if self._scan is None or (self.follow and self._scan.end is None):
            self._scan = self._make_scan()
        return self._scan

    def _make_scan(self) -> Scan:
        scan, continuity = Scan(), self._continuity()
        # What ends inside a block while the capture writes is not cut off: the rest is on its way.
        report = self._forget if self.follow and self._grows() else self._reporter
        for source in self._sources(self._place.numbers()):
            try:
                scan.truncated = False
                scan_source(source, continuity, scan, report(source.name))
            except FormatError as error:
                self._report(source.name, Problem(0, error.message))
            finally:
                source.close()
        if scan.end is None and not scan.truncated and not self.follow:
            self._report("", Problem(-1, self._cut_off(scan, continuity)))
        return scan

    def _cut_off(self, scan: Scan, continuity: Continuity) -> str:
        if not continuity.next_index:
            return "the recording was cut off: it holds no block"
        text = f"the recording was cut off behind block {continuity.next_index - 1}: there is no END block"
        end = self._info_file()
        if end is not None and _count(end.get("events")) > scan.events:
            return f"{text}, and {scan.events} of {end['events']} events are there"
        if self._place.incomplete:
            return f"{text} (the capture was killed, or is still writing)"
        return text

    def _reporter(self, name: str) -> Callable[[Problem], None]:
        return lambda problem: self._report(name, problem)

    @staticmethod
    def _forget(_name: str) -> Callable[[Problem], None]:
        return lambda problem: None

    def _open_source(self, number: int) -> Source | None:
        try:
            return self._place.open(number)
        except OSError as error:
            self._report(f"events-{number:06}", Problem(0, f"cannot be read: {error.strerror}"))
            return None

    def _sources(self, numbers: list[int]) -> Iterator[Source]:
        previous = None
        for number in numbers:
            if previous is not None and number != previous + 1:
                first, last = f"events-{previous + 1:06}", f"events-{number - 1:06}"
                names = f"{first} is" if first == last else f"{first} to {last} are"
                self._report("", Problem(previous + 1, f"{names} missing"))
            previous = number
            source = self._open_source(number)
            if source is not None:
                yield source

    def blocks(self) -> Iterator[Block]:
        """Yield all blocks that are whole and sound, in order."""
        continuity = self._continuity()
        if self.follow:
            yield from self._following_blocks(continuity)
            return
        for source in self._sources(self._place.numbers()):
            yield from self._source_blocks(source, continuity, growing=False)

    def _following_blocks(self, continuity: Continuity) -> Iterator[Block]:
        """Yield the blocks as they are written, until the capture has closed the recording."""
        done = -1
        while True:
            going_on = self._grows()
            numbers = [number for number in self._place.numbers() if number > done]
            if numbers:
                done = numbers[0]
                for source in self._sources([done]):
                    for block in self._source_blocks(source, continuity, growing=True):
                        yield block
                        if block.type == BlockType.END:
                            return
            elif going_on:
                time.sleep(POLL_SECONDS)
            else:
                return

    def _more_than(self, number: int) -> bool:
        """Return whether the file of that number may still grow."""
        return self._grows() and self._place.numbers()[-1:] == [number]

    def _grows(self) -> bool:
        return self._place.incomplete and (self.follow() if callable(self.follow) else True)

    def _source_blocks(self, source: Source, continuity: Continuity, *, growing: bool) -> Iterator[Block]:
        parser = BlockParser(continuity, lenient=True)
        at = 0
        try:
            while True:
                try:
                    item = parser.next()
                except FormatError as error:
                    self._report(source.name, Problem(0, error.message))
                    return
                if isinstance(item, Block):
                    yield item
                    continue
                if item is not None:
                    self._report(source.name, item)
                    continue
                # Asked before the read: what is written meanwhile is read in any case.
                more = growing and self._more_than(source.number)
                data = source.read(at, _CHUNK)
                at += len(data)
                if data:
                    parser.feed(data)
                elif more:
                    time.sleep(POLL_SECONDS)
                elif parser.finished:
                    return
                else:
                    parser.finish()
        finally:
            source.close()

    def batches(self) -> Iterator[Batch]:
        """Yield the events as columns, a block at a time; rows of kind DATA among them."""
        for block in self.blocks():
            if block.type == BlockType.EVENTS:
                yield block.batch()

    def rows(self) -> Iterator[Event]:
        """Yield all rows as events, without what a tracker knows; DATA rows are merged into their event."""
        return merge_rows((event for batch in self.batches() for event in batch.events()), self._note)

    def _note(self, seq: int, text: str) -> None:
        self._report("", Problem(seq, text))

    def events(self, filter: str | None = None) -> Iterator[Event]:
        """Yield the events, with their system call, process and file descriptor.

        Args:
            filter: in the language of filters (``proc.name = nginx and evt.failed = true``); None for all events.

        Raises:
            UsageError: the filter is wrong.
        """
        wanted: Filter | None = None
        if filter is not None and filter.strip():
            from retrograde.filters import parse

            wanted = parse(filter)
        return self._tracked(wanted)

    def _tracked(self, wanted: Filter | None = None) -> Iterator[Event]:
        from retrograde.recording.tracked import TrackedEvents
        from retrograde.state import Context, Tracker

        tracker = Tracker(Context.from_info(self.info))
        source = TrackedEvents(tracker, RowMerger(self._note), wanted)
        for block in self.blocks():
            yield from source.block(block)
        yield from source.finish()

    @property
    def processes(self) -> list[Process]:
        """The processes that the events name, in the order in which they were met, as they were at their end.

        Reads the whole recording, once.
        """
        if self._processes is None:
            # By identity: a reused pid is another process.
            seen = {id(event.process): event.process for event in self._tracked() if event.process is not None}
            self._processes = list(seen.values())
        return list(self._processes)

    def replay(
        self,
        pid: int | None = None,
        *,
        echo: bool = False,
        verify: bool = True,
        debug_directories: Sequence[str | Path] = (),
    ) -> Replay:
        """Run the recorded run again, to look at, forwards and backwards.

        Args:
            pid: the process to look at; the first one where None.
            echo: show again what the program wrote to its terminal.
            verify: compare what the program hands to the kernel with what it did when it was recorded.
            debug_directories: folders of this machine with separate debugging information, such as `/usr/lib/debug`.
                Where empty, nothing outside the recording is read.

        Raises:
            CannotError: it can't be replayed here.
            UsageError: there is no such process.
        """
        from retrograde.replay.replay import Replay

        return Replay(self, pid=pid, echo=echo, verify=verify, debug_directories=debug_directories)

    def record_batches(self) -> pyarrow.RecordBatchReader:
        """Return the events as a stream of Arrow record batches, a block at a time."""
        from retrograde.recording.arrow import record_batches

        return record_batches(self)

    def to_arrow(self, *, streaming: bool = False) -> pyarrow.Table | pyarrow.RecordBatchReader:
        """Return the events as an Arrow table, or as a stream of record batches."""
        reader = self.record_batches()
        return reader if streaming else reader.read_all()

    def to_pandas(self) -> pandas.DataFrame:
        """Return the events as a pandas data frame."""
        return self.record_batches().read_all().to_pandas()

    def to_polars(self) -> polars.DataFrame:
        """Return the events as a polars data frame."""
        try:
            import polars as pl
        except ImportError:
            raise NotFoundError("polars is not installed", hint="pip install 'retrograde[frames]'") from None
        frame = pl.from_arrow(self.record_batches().read_all())
        assert isinstance(frame, pl.DataFrame)
        return frame


def _count(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0
