"""What is known about processes and their file descriptors at each event of a recording.

    tracker = Tracker(info)
    tracker.load_snapshot(snapshot)
    for event in events:            # in the order of the stream
        tracker.apply(event)        # fills event.syscall, event.process, event.descriptor
"""

from retrograde.state.context import Context
from retrograde.state.descriptor import Address, Descriptor, DescriptorTable
from retrograde.state.process import Process

__all__ = ["Address", "Context", "Descriptor", "DescriptorTable", "Process"]
