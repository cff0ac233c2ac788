"""What is known about processes and their file descriptors at each event of a recording.

tracker = Tracker(Context.from_info(info))
tracker.load_snapshot(snapshot)
for event in events:            # in the order of the stream
    tracker.apply(event)        # fills event.syscall, event.process, event.descriptor
"""

from retrograde.state.context import Context
from retrograde.state.descriptor import Address, Descriptor, DescriptorTable
from retrograde.state.process import Process
from retrograde.state.tracker import Tracker

__all__ = ["Address", "Context", "Descriptor", "DescriptorTable", "Process", "Tracker"]
