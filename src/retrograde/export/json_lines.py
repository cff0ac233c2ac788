"""JSON lines: an object per event with the columns of the table, bytes in base64."""

from __future__ import annotations

import base64
import json
from typing import IO, TYPE_CHECKING, Any

from retrograde.export.select import selected_batches

if TYPE_CHECKING:
    from retrograde.recording import Recording

_ROWS = 1024


def _base64(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode()


def _object(row: dict[str, Any]) -> dict[str, Any]:
    args = [row.pop(f"arg{number}") for number in range(6)]
    data, memory = row.pop("data"), row.pop("memory")
    return {
        **row,
        "args": args,
        "data_base64": _base64(data),
        "memory": [
            {**{key: value for key, value in segment.items() if key != "data"}, "data_base64": _base64(segment["data"])}
            for segment in memory
        ],
    }


def export_json(recording: Recording, output: IO[str], *, filter_text: str | None = None) -> int:
    """Write the events as JSON lines.

    `time` is ns of CLOCK_REALTIME.

    Args:
        recording: to read.
        output: a text file.
        filter_text: which events; None for all.

    Returns:
        The number of lines.

    Raises:
        UsageError: the filter is wrong.
    """
    import pyarrow as pa

    total = 0
    for batch in selected_batches(recording, filter_text):
        plain = batch.set_column(1, "time", batch.column("time").cast(pa.int64()))
        for start in range(0, plain.num_rows, _ROWS):
            rows = plain.slice(start, _ROWS).to_pylist()
            output.writelines(json.dumps(_object(row), ensure_ascii=True) + "\n" for row in rows)
        total += plain.num_rows
    return total
