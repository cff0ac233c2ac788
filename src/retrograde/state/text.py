"""Bytes of the recorded program as text."""

from __future__ import annotations

import re

# Control characters (C0, DEL, C1), line and paragraph separators, and what surrogateescape made of invalid UTF-8.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_ESCAPES = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}


def decode(data: bytes) -> str:
    """Return bytes up to their first NUL as text; bytes that are no UTF-8 become lone surrogates (PEP 383)."""
    end = data.find(0)
    return (data if end < 0 else data[:end]).decode("utf-8", "surrogateescape")


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return _ESCAPES.get(character) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


def printable(text: str) -> str:
    """Return the text fit for a line: control characters and undecodable bytes as `\\n`, `\\xff`."""
    if text.isascii() and text.isprintable():
        return text
    return _UNPRINTABLE.sub(_escape, text)
