"""The beginnings of lines: number, time and CPU, of whole batches at once."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from retrograde.printer.times import NS, digits, texts, time_texts

_LEAST_RUN = 64  # events: what is done for fewer at once takes longer than one by one
_CPU_PLACES = 3


def heads(first: int, times: NDArray[np.int64], cpus: NDArray[np.uint16], prefixes: Mapping[int, str]) -> list[str]:
    """Return `220 17:35:48.514682170 0` of events that follow each other.

    Args:
        first: number of the first one.
        times: ns.
        cpus: of each.
        prefixes: what stands before the ns of a time, by seconds.
    """
    count = len(times)
    seconds = times // NS
    borders = _borders(first, seconds)
    if len(borders) > 2 + count // _LEAST_RUN or (cpus >= 10**_CPU_PLACES).any() or first >> 62:
        rows = zip(range(first, first + count), time_texts(times, prefixes), cpus.tolist(), strict=True)
        return [f"{number} {time} {cpu}" for number, time, cpu in rows]
    rests = times - seconds * NS
    found: list[str] = []
    for start, end in pairwise(borders):
        run = slice(start, end)
        found += _run(first + start, prefixes[int(seconds[start])], rests[run], cpus[run])
    return found


def _borders(first: int, seconds: NDArray[np.int64]) -> list[int]:
    """Return where the second changes or the number gets another digit, and both ends."""
    end = first + len(seconds)
    longer = [10**power - first for power in range(1, 20) if first < 10**power < end]
    changes: list[int] = (np.flatnonzero(seconds[1:] != seconds[:-1]) + 1).tolist()
    return sorted({0, *longer, *changes, len(seconds)})


def _run(first: int, prefix: str, rests: NDArray[np.int64], cpus: NDArray[np.uint16]) -> list[str]:
    """Return the texts of events of one second whose numbers have equally many digits.

    Args:
        first: number of the first one.
        prefix: what stands before the ns.
        rests: ns behind the second.
        cpus: of each.
    """
    middle = f" {prefix}".encode()
    width = len(str(first))
    time = width + len(middle)
    text = np.empty((len(rests), time + 10 + _CPU_PLACES), np.uint8)
    text[:, :width] = digits(np.arange(first, first + len(rests)), width)
    text[:, width:time] = np.frombuffer(middle, np.uint8)
    text[:, time : time + 9] = digits(rests, 9)
    text[:, time + 9] = ord(" ")
    text[:, time + 10 :] = _cpu_texts()[cpus]
    return texts(text)


@functools.cache
def _cpu_texts() -> NDArray[np.uint8]:
    """Return the numbers of CPUs as characters, NULs behind."""
    numbers = np.array([str(number) for number in range(10**_CPU_PLACES)], f"S{_CPU_PLACES}")
    return numbers.view(np.uint8).reshape(-1, _CPU_PLACES)
