"""Reading recordings (docs/reference/recording-format.md).

with Recording("latest") as recording:
    for batch in recording.batches():       # columns, fast
        print((batch.result < 0).sum())
    for event in recording.events("evt.failed = true"):
        print(event.syscall, event.result)
    for line in recording.problems:         # what is missing or damaged
        print(line)
"""

from retrograde.recording.batch import Batch
from retrograde.recording.blocks import Block, BlockType
from retrograde.recording.reader import Recording
from retrograde.recording.store import list_recordings, new_recording_path, recordings_folder, resolve, set_latest
from retrograde.recording.stream import StreamReader

__all__ = [
    "Batch",
    "Block",
    "BlockType",
    "Recording",
    "StreamReader",
    "list_recordings",
    "new_recording_path",
    "recordings_folder",
    "resolve",
    "set_latest",
]
