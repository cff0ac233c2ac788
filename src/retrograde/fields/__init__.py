"""The fields of filters and formats.

field = lookup("proc.name")
value = field.extract(event)        # None where the event has no such thing
"""

from retrograde.fields import descriptor, event, process
from retrograde.fields.registry import (
    FAMILIES,
    FIELDS,
    Family,
    Field,
    UnknownFieldError,
    Value,
    lookup,
    nearest,
    with_prefix,
)

__all__ = [
    "FAMILIES",
    "FIELDS",
    "Family",
    "Field",
    "UnknownFieldError",
    "Value",
    "lookup",
    "nearest",
    "with_prefix",
]

del descriptor, event, process  # imported because they define the fields
