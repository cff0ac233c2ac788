"""Times as text."""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NS = 1_000_000_000

# -t: h time of day, a since 1970, r since the first event, d how long the call took, D since the line before.
TIME_FORMATS: dict[str, str] = {
    "h": "time of day",
    "a": "seconds since 1970",
    "r": "seconds since the recording's first event",
    "d": "seconds that the call took",
    "D": "seconds since the line before",
}


class ClockPrefixes(dict[int, str]):
    """`HH:MM:SS.` in local time by seconds since 1970, made when first asked for."""

    def __missing__(self, second: int) -> str:
        if len(self) > 4096:
            self.clear()
        text = self[second] = clock_prefix(second)
        return text


class SecondPrefixes(dict[int, str]):
    """`SECONDS.` by seconds."""

    def __missing__(self, second: int) -> str:
        if len(self) > 4096:
            self.clear()
        text = self[second] = f"{second}."
        return text


def time_texts(times: NDArray[np.int64], prefixes: Mapping[int, str]) -> list[str]:
    """Return times as texts to the ns.

    Args:
        times: ns.
        prefixes: what stands before the ns, by seconds.
    """
    seconds = times // NS
    endings = texts(digits(times - seconds * NS, 9))
    # No np.unique: it imports a large part of numpy.
    if len(seconds) and (seconds == seconds[0]).all():
        prefix = prefixes[int(seconds[0])]
        return [prefix + ending for ending in endings]
    return [prefixes[second] + ending for second, ending in zip(seconds.tolist(), endings, strict=True)]


def digits(numbers: NDArray[np.int64], places: int) -> NDArray[np.uint8]:
    """Return numbers in decimal as characters, shape (n, places): to format each would cost more than all the rest.

    Args:
        numbers: from 0; of larger ones than fit, the lowest digits.
        places: how many digits.
    """
    import numpy as np

    found = np.empty((len(numbers), places), np.uint8)
    for end in range(places, 0, -4):
        rest = numbers // 10_000
        start = max(0, end - 4)
        found[:, start:end] = (
            _four_digits().take(numbers - rest * 10_000).view(np.uint8).reshape(-1, 4)[:, start - end :]
        )
        numbers = rest
    return found


@functools.cache
def _four_digits() -> NDArray[np.uint32]:
    """Return `0000` to `9999`, each in the bytes of a number."""
    import numpy as np

    places = np.arange(10_000)[:, None] // (1000, 100, 10, 1) % 10 + ord("0")
    return places.astype(np.uint8).view(np.uint32)[:, 0]


def texts(characters: NDArray[np.uint8]) -> list[str]:
    """Return rows of ASCII characters as texts; NULs at the end of a row are left out."""
    import numpy as np

    found: list[str] = characters.astype(np.uint32).view(f"U{characters.shape[1]}")[:, 0].tolist()
    return found


def wrapped(ns: int) -> int:
    """Return a time as 64 bits hold it: those of a forged recording may add up to any number."""
    return (ns + (1 << 63)) % (1 << 64) - (1 << 63)


def clock_prefix(second: int) -> str:
    """Return `HH:MM:SS.` of local time."""
    try:
        return time.strftime("%H:%M:%S.", time.localtime(second))
    except (OverflowError, OSError, ValueError):  # a damaged recording may hold any time
        return f"{second}."


_PREFIXES = ClockPrefixes()


def clock_text(realtime_ns: int) -> str:
    """Return the local time of day to the ns: `17:35:48.514682170`."""
    second, rest = divmod(realtime_ns, NS)
    return f"{_PREFIXES[second]}{rest:09d}"


def datetime_text(realtime_ns: int) -> str:
    """Return the local date and time to the ns: `2024-05-01 17:35:48.514682170`."""
    second, rest = divmod(realtime_ns, NS)
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S.", time.localtime(second)) + f"{rest:09d}"
    except (OverflowError, OSError, ValueError):
        return f"{second}.{rest:09d}"


def seconds_text(ns: int) -> str:
    """Return ns as seconds to the ns: `0.000012345`, also negative ones."""
    sign = "-" if ns < 0 else ""
    second, rest = divmod(abs(ns), NS)
    return f"{sign}{second}.{rest:09d}"
