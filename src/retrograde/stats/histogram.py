"""Percentiles of any number of durations in little memory.

Each octave is divided into 128 buckets of equal width, as in an HDR histogram: a value below 256 has a bucket of its
own, and the middle of any other bucket is within 0.4 % (1/256) of what was put into it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

_BITS = 7  # 2**7 buckets an octave
_SHIFT = 52 - _BITS  # a double has 52 bits of mantissa
_BIAS = 1023 << _BITS
BUCKETS = (64 << _BITS) + 2
RELATIVE_ERROR = 1 / (2 << _BITS)


def buckets(values: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return the bucket of each value: its exponent and the upper bits of its mantissa; 0 is the bucket of 0."""
    bits = values.astype(np.float64).view(np.int64) >> _SHIFT
    places: NDArray[np.int64] = np.maximum(bits - _BIAS + 1, 0)
    return places


def middle(bucket: int) -> int:
    """Return the value that stands for a bucket."""
    if bucket <= 0:
        return 0
    octave, part = divmod(bucket - 1, 1 << _BITS)
    start = (1 << octave) * ((1 << _BITS) + part)
    width = 1 << octave
    return (start + (width - 1) // 2) >> _BITS if octave < _BITS else (start >> _BITS) + ((width >> _BITS) - 1) // 2


def percentile(counts: Mapping[int, int], share: float) -> int:
    """Return the value below or at which ``share`` (0 to 1) of all lie (nearest rank).

    Args:
        counts: how many values lie in each bucket.
        share: 0.5 for the median.
    """
    total = sum(counts.values())
    rank = max(1, math.ceil(share * total))
    seen = 0
    for bucket in sorted(counts):
        seen += counts[bucket]
        if seen >= rank:
            return middle(bucket)
    return 0
