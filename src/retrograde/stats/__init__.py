"""Statistics: what system calls cost, how they failed and how much they moved.

summary = collect(recording, by="syscall")
summary.groups["read"].latency(0.99)
"""

from retrograde.stats.collector import BYS, Collector, collect, feed, file_of, peer_of
from retrograde.stats.groups import Group
from retrograde.stats.summary import SORTS, Summary

__all__ = ["BYS", "SORTS", "Collector", "Group", "Summary", "collect", "feed", "file_of", "peer_of"]
