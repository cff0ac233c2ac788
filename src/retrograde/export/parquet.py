"""A Parquet dataset: `DIR/recording=NAME/part-00000.parquet`.

The dataset is partitioned by recording, so that any number of recordings can be exported to one folder and queried
together, and each can be replaced alone. Processes would make a worse key: a build forks ten thousand of them, and
a pid is used again. Within a recording rows stay in order of time, so that the row groups' statistics let a query
on a span of time skip the rest, and parts of a million rows give each worker its own.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq

from retrograde.errors import CannotError, UsageError
from retrograde.export.select import selected_batches, with_first
from retrograde.recording.arrow import SCHEMA

if TYPE_CHECKING:
    from retrograde.recording import Recording

PART_ROWS = 1 << 20
_GROUP_ROWS = 1 << 17
_GROUP_BYTES = 64 << 20

# Spark reads timestamps of microseconds at the finest; `exit_ns` is exact.
_SCHEMA = SCHEMA.set(SCHEMA.get_field_index("time"), pa.field("time", pa.timestamp("us", "UTC")))


def _groups(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Gather batches to row groups, bounded in rows and bytes."""
    gathered: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        gathered.append(batch)
        rows += batch.num_rows
        size += batch.nbytes
        if rows >= _GROUP_ROWS or size >= _GROUP_BYTES:
            yield pa.Table.from_batches(gathered)
            gathered, rows, size = [], 0, 0
    if gathered:
        yield pa.Table.from_batches(gathered)


def export_parquet(
    recording: Recording, folder: Path, *, filter_text: str | None = None, force: bool = False
) -> tuple[Path, int]:
    """Write a recording as a partition of a dataset.

    Args:
        recording: to read.
        folder: the dataset's; is made if it is missing.
        filter_text: which events; None for all.
        force: replace the recording's partition.

    Returns:
        The partition's folder and the number of rows.

    Raises:
        UsageError: the partition exists, or the filter is wrong.
        CannotError: it cannot be written.
    """
    partition = folder / f"recording={quote(recording.name, safe='')}"
    if partition.exists() and not force:
        raise UsageError(f"{partition} exists already", hint="replace it with --force")
    batches = with_first(selected_batches(recording, filter_text))
    try:
        partition.mkdir(mode=0o700, parents=True, exist_ok=True)
        _remove_parts(partition)
        try:
            return partition, _write(partition, batches)
        except BaseException:
            # Half a part would make every query of the dataset fail.
            with contextlib.suppress(OSError):
                _remove_parts(partition)
                partition.rmdir()
            raise
    except OSError as error:
        raise CannotError(f"{partition} cannot be written: {error.strerror or error}") from None


def _remove_parts(partition: Path) -> None:
    for part in partition.glob("part-*.parquet"):
        part.unlink()


def _write(partition: Path, batches: Iterator[pa.RecordBatch]) -> int:
    total = part_rows = 0
    part = 0
    writer: pq.ParquetWriter | None = None
    with contextlib.ExitStack() as stack:
        for group in _groups(batches):
            if writer is None or part_rows >= PART_ROWS:
                stack.close()
                path = partition / f"part-{part:05}.parquet"
                writer = stack.enter_context(pq.ParquetWriter(path, _SCHEMA, compression="zstd"))
                path.chmod(0o600)
                part, part_rows = part + 1, 0
            writer.write_table(group.cast(_SCHEMA, safe=False), row_group_size=len(group))
            part_rows += len(group)
            total += len(group)
        if writer is None:  # nothing matched: an empty part still has the columns
            with pq.ParquetWriter(partition / "part-00000.parquet", _SCHEMA):
                pass
    return total
