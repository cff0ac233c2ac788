"""The beginnings of lines that are made for a whole batch look like those made one by one."""

from __future__ import annotations

import numpy as np
import pytest

from retrograde.printer.heads import heads
from retrograde.printer.times import NS, SecondPrefixes

_STEADY = [3 * NS + 1_000 * number for number in range(300)]


@pytest.mark.parametrize(
    ("first", "times", "cpus"),
    [
        (0, _STEADY, [0] * 300),
        (97, _STEADY, [number % 256 for number in range(300)]),
        (99_990, _STEADY, [7] * 300),
        (2**62, _STEADY, [1] * 300),
        (2**64, _STEADY, [1] * 300),
        (5, _STEADY, [65_535] * 300),
        (12_345, [number // 100 * NS + NS - 1 for number in range(300)], [3] * 300),
        (12_345, [number * NS for number in range(300)], [3] * 300),
        (1, [-1, 0, 1], [0, 999, 1000]),
        (10, [NS], [12]),
        (10, [], []),
    ],
    ids=[
        "from 0", "numbers get longer", "numbers of two lengths", "huge numbers", "beyond 64 bits", "huge CPUs",
        "three seconds", "each its second", "negative time", "one", "none",
    ],
)  # fmt: skip
def test_heads_of_a_batch_are_those_of_its_events(first: int, times: list[int], cpus: list[int]) -> None:
    made = heads(first, np.array(times, np.int64), np.array(cpus, np.uint16), SecondPrefixes())
    assert made == [
        f"{first + at} {time // NS}.{time % NS:09d} {cpu}"
        for at, (time, cpu) in enumerate(zip(times, cpus, strict=True))
    ]
