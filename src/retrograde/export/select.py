"""The events of a recording as record batches, those that match a filter alone."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from retrograde.recording import Recording


def selected_batches(recording: Recording, filter_text: str | None) -> Iterator[pa.RecordBatch]:
    """Yield the rows of the matching events, in order; a row of kind `data` goes with its event's number only.

    Raises:
        UsageError: the filter is wrong.
    """
    reader = recording.record_batches()
    if not filter_text:
        return iter(reader)
    # The filter's events come in the order of the rows, so that two readings side by side need no list of them.
    numbers = (event.seq for event in recording.events(filter_text))
    return _matching(reader, numbers)


def _matching(reader: pa.RecordBatchReader, numbers: Iterator[int]) -> Iterator[pa.RecordBatch]:
    number = next(numbers, None)
    for batch in reader:
        if not batch.num_rows:
            continue
        first = batch.column("seq")[0].as_py()
        chosen = []
        while number is not None and number < first + batch.num_rows:
            chosen.append(number - first)
            number = next(numbers, None)
        if chosen:
            yield batch.take(pa.array(np.array(chosen, np.int64)))


def with_first(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Return the same batches after reading the first, so that what cannot be read fails before output begins."""
    first = next(batches, None)
    return iter(()) if first is None else chain([first], batches)
