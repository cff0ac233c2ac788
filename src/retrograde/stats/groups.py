"""Counts, errors, latencies and bytes by group, gathered from columns."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrograde.stats.histogram import BUCKETS, buckets, percentile

_ERRORS = 4096


@dataclass(slots=True)
class Group:
    """The calls of one group: of one name, one process, one file or one peer.

    Attributes:
        count: calls, with those that never returned.
        unfinished: calls that had not returned when the thread or the capture ended.
        errors: how often each error was returned, by its number.
        total_ns, min_ns, max_ns: latencies of the calls that returned.
        bytes: that the calls moved.
        histogram: how many latencies lie in each bucket.
    """

    count: int = 0
    unfinished: int = 0
    errors: Counter[int] = field(default_factory=Counter)
    total_ns: int = 0
    min_ns: int | None = None
    max_ns: int = 0
    bytes: int = 0
    histogram: Counter[int] = field(default_factory=Counter)

    @property
    def failed(self) -> int:
        """Calls that returned an error."""
        return sum(self.errors.values())

    def latency(self, share: float) -> int:
        """Return a percentile of the latencies in ns, within 0.4 %; ``share`` is 0.5 for the median."""
        if self.min_ns is None:
            return 0
        return min(max(percentile(self.histogram, share), self.min_ns), self.max_ns)


@dataclass(slots=True)
class Rows:
    """Calls, a value each.

    Attributes:
        keys: of the groups.
        durations: ns.
        results: what the calls returned.
        moved: bytes.
        finished: whether the call returned.
    """

    keys: NDArray[np.int64]
    durations: NDArray[np.uint64]
    results: NDArray[np.int64]
    moved: NDArray[np.int64]
    finished: NDArray[np.bool_]

    def columns(self) -> tuple[NDArray[Any], ...]:
        """Return the columns in the order of the attributes."""
        return self.keys, self.durations, self.results, self.moved, self.finished

    def where(self, chosen: NDArray[np.bool_]) -> Rows:
        """Return the calls that are chosen."""
        return Rows(*(column[chosen] for column in self.columns()))


class Groups:
    """Groups by a number, fed with columns.

    Rows are kept until there are many, because numpy's cost per call is what counts otherwise.

    Args:
        at_once: how many rows to keep.
    """

    def __init__(self, at_once: int = 1 << 19) -> None:
        self._groups: dict[int, Group] = {}
        self._waiting: list[Rows] = []
        self._rows = 0
        self._at_once = at_once

    def add(self, rows: Rows) -> None:
        """Take calls in."""
        self._waiting.append(rows)
        self._rows += len(rows.keys)
        if self._rows >= self._at_once:
            self._flush()

    def by_key(self) -> dict[int, Group]:
        """Return what has been gathered so far."""
        self._flush()
        return self._groups

    def _flush(self) -> None:
        waiting, self._waiting, self._rows = self._waiting, [], 0
        if not waiting:
            return
        rows = Rows(*(np.concatenate(columns) for columns in zip(*(each.columns() for each in waiting), strict=True)))
        # Small keys, which system calls have, need no sorting.
        if rows.keys.size and rows.keys.min() >= 0 and rows.keys.max() < 4096:
            present = np.bincount(rows.keys)
            keys = np.flatnonzero(present)
            places = np.zeros(len(present), np.int64)
            places[keys] = np.arange(len(keys))
            index = places[rows.keys]
        else:
            keys, index = np.unique(rows.keys, return_inverse=True)
        groups = [self._groups.setdefault(int(key), Group()) for key in keys]
        self._add_counts(groups, index, rows)
        self._add_errors(groups, index, rows)
        self._add_latencies(groups, index[rows.finished], rows.durations[rows.finished])

    @staticmethod
    def _add_counts(groups: list[Group], index: NDArray[np.int64], rows: Rows) -> None:
        size = len(groups)
        counts = np.bincount(index, minlength=size)
        unfinished = np.bincount(index[~rows.finished], minlength=size)
        moved = np.zeros(size, np.int64)
        moving = rows.moved > 0
        np.add.at(moved, index[moving], rows.moved[moving])
        for place, group in enumerate(groups):
            group.count += int(counts[place])
            group.unfinished += int(unfinished[place])
            group.bytes += int(moved[place])

    @staticmethod
    def _add_errors(groups: list[Group], index: NDArray[np.int64], rows: Rows) -> None:
        failed = rows.finished & (rows.results < 0) & (rows.results > -_ERRORS)
        codes, counts = np.unique(index[failed] * _ERRORS - rows.results[failed], return_counts=True)
        for code, count in zip(codes.tolist(), counts.tolist(), strict=True):
            groups[code // _ERRORS].errors[code % _ERRORS] += count

    @staticmethod
    def _add_latencies(groups: list[Group], index: NDArray[np.int64], durations: NDArray[np.uint64]) -> None:
        if not len(index):
            return
        size = len(groups)
        totals, highest = np.zeros(size, np.uint64), np.zeros(size, np.uint64)
        lowest = np.full(size, np.iinfo(np.uint64).max, np.uint64)
        np.add.at(totals, index, durations)
        np.maximum.at(highest, index, durations)
        np.minimum.at(lowest, index, durations)
        codes = index * BUCKETS + buckets(durations)
        if size <= 128:
            counts = np.bincount(codes)
            codes = np.flatnonzero(counts)
            counts = counts[codes]
        else:
            codes, counts = np.unique(codes, return_counts=True)
        for code, count in zip(codes.tolist(), counts.tolist(), strict=True):
            groups[code // BUCKETS].histogram[code % BUCKETS] += count
        for place in np.unique(index).tolist():
            group, low = groups[place], int(lowest[place])
            group.total_ns += int(totals[place])
            group.max_ns = max(group.max_ns, int(highest[place]))
            group.min_ns = low if group.min_ns is None else min(group.min_ns, low)
