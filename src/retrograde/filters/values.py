"""Values of a filter, from the text to what a field yields."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from retrograde.fields.registry import Unit

SECOND = 1_000_000_000
DURATIONS: dict[str, int] = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,  # the micro sign
    "μs": 1_000,  # the Greek letter
    "ms": 1_000_000,
    "s": SECOND,
    "m": 60 * SECOND,
    "min": 60 * SECOND,
    "h": 3600 * SECOND,
}
SIZES: dict[str, int] = {
    "B": 1,
    "K": 1 << 10,
    "KiB": 1 << 10,
    "M": 1 << 20,
    "MiB": 1 << 20,
    "G": 1 << 30,
    "GiB": 1 << 30,
    "T": 1 << 40,
    "TiB": 1 << 40,
}
_UNITS: dict[Unit, dict[str, int]] = {"ns": DURATIONS, "bytes": SIZES}
_EXAMPLES: dict[Unit | None, str] = {
    None: "a number, like 42, -2 or 0x2a",
    "ns": "a duration, like 250us, 10ms or 1.5s; without a unit it is ns",
    "bytes": "a size, like 512, 64K or 1.5M",
}
_QUANTITY = re.compile(r"([+-]?[0-9]{1,19})(?:\.([0-9]{1,19}))?([A-Za-zµμ]*)")
_TIME_OF_DAY = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9])(?:\.([0-9]{1,9}))?)?")
_DATE_TIME = re.compile(r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?(Z|[+-]\d{2}:?\d{2})?")
# The longest number that means anything: a 64-bit one.
_LIMIT = 1 << 64


class ValueProblemError(ValueError):
    """A text is not a value of the type; the message says what is needed."""


@dataclass(frozen=True, slots=True)
class TimeOfDay:
    """A time on any day, in local time.

    Attributes:
        ns: since midnight.
    """

    ns: int


def parse_int(text: str, unit: Unit | None = None) -> int:
    """Return the number that ``text`` says, in ns or bytes where the field has such a unit.

    Raises:
        ValueProblemError: it says none.
    """
    try:
        number = int(text, 0)
    except ValueError:
        number = _parse_quantity(text, unit)
    if not -_LIMIT < number < _LIMIT:
        raise ValueProblemError(f"needed is {_EXAMPLES[unit]}, of at most 64 bits")
    return number


def _parse_quantity(text: str, unit: Unit | None) -> int:
    match = _QUANTITY.fullmatch(text)
    factors = _UNITS[unit] if unit is not None else {}
    if match is None or match[3] not in factors:
        raise ValueProblemError(f"needed is {_EXAMPLES[unit]}")
    whole, fraction, factor = match[1], match[2] or "", factors[match[3]]
    # Whole numbers throughout: 1.000000001s is 1,000,000,001 ns, which no float would be certain of.
    scaled = int(whole + fraction) * factor
    return scaled // int("1" + "0" * len(fraction))


def parse_bool(text: str) -> bool:
    """Return the truth value that ``text`` says.

    Raises:
        ValueProblemError: it says none.
    """
    known = {"true": True, "1": True, "false": False, "0": False}
    if text.lower() not in known:
        raise ValueProblemError("needed is true or false")
    return known[text.lower()]


def parse_time(text: str) -> int | TimeOfDay:
    """Return ns since 1970, or a time of day.

    Raises:
        ValueProblemError: it is neither.
    """
    if text.isascii() and text.isdigit() and len(text) < 20:
        return int(text)
    match = _TIME_OF_DAY.fullmatch(text)
    if match:
        hours, minutes, seconds = int(match[1]), int(match[2]), int(match[3] or 0)
        return TimeOfDay((hours * 3600 + minutes * 60 + seconds) * SECOND + _fraction(match[4]))
    match = _DATE_TIME.fullmatch(text)
    if match:
        try:
            moment = datetime.fromisoformat(f"{match[1]}T{match[2]}{match[4] or ''}")
            return int(moment.timestamp()) * SECOND + _fraction(match[3])
        except (ValueError, OverflowError, OSError):
            pass
    raise ValueProblemError("needed is a time, like 17:35:48, 17:35:48.514682170 or 2024-01-31T17:35:48")


def _fraction(digits: str | None) -> int:
    return int((digits or "0").ljust(9, "0"))


def time_of_day(time_ns: int) -> int:
    """Return the ns since midnight, local time, of ns since 1970."""
    seconds, fraction = divmod(time_ns, SECOND)
    try:
        moment = datetime.fromtimestamp(seconds)
    except (ValueError, OverflowError, OSError):  # a damaged recording's time
        return fraction
    return (moment.hour * 3600 + moment.minute * 60 + moment.second) * SECOND + fraction
