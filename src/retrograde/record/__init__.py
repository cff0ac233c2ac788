"""Running the capture program: `retrograde-capture` alone holds privileges, and this starts it and reads what it says.

capture = Capture(CaptureOptions(command=["ls", "-l"], grade="replay"), folder)
outcome = capture.wait()
"""

from retrograde.record.options import CaptureOptions, add_capture_arguments, options_from
from retrograde.record.program import find_capture_program
from retrograde.record.session import Capture, LiveCapture, start_capture

__all__ = [
    "Capture",
    "CaptureOptions",
    "LiveCapture",
    "add_capture_arguments",
    "find_capture_program",
    "options_from",
    "start_capture",
]
