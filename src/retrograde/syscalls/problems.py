"""What is wrong in the table's files, with its place."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from retrograde.errors import RetrogradeError


class Problem(NamedTuple):
    """A mistake in a file of the table.

    Attributes:
        file: path below the data folder.
        line: from 1.
        column: from 0, in characters.
        length: of the offending word.
        message: what is wrong.
        text: the line.
        hint: what may have been meant.
    """

    file: str
    line: int
    column: int
    length: int
    message: str
    text: str = ""
    hint: str | None = None

    def __str__(self) -> str:
        parts = [f"{self.file}:{self.line}: {self.message}" + (f" ({self.hint})" if self.hint else "")]
        if self.text:
            # A tab is one character of the line and stays one of the caret's.
            lead = "".join("\t" if character == "\t" else " " for character in self.text[: self.column])
            parts += [f"  {self.text}", f"  {lead}^{'~' * (max(1, self.length) - 1)}"]
        return "\n".join(parts)


class TableError(RetrogradeError, ValueError):
    """The syscall table's files are wrong; a defect of the product, not of its user."""

    code = "table"

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class MistakeError(Exception):
    """A mistake at an offset of the text being parsed; whoever knows the file makes a :class:`Problem` of it."""

    def __init__(self, message: str, offset: int, length: int = 1, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset
        self.length = length
        self.hint = hint

    def shifted(self, by: int) -> MistakeError:
        """Return the same mistake in the text that this one was cut from at offset ``by``."""
        return MistakeError(self.message, self.offset + by, self.length, self.hint)


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """Return a hint that names the nearest known word, or None."""
    import difflib

    near = difflib.get_close_matches(word, list(known), n=1)
    return f"did you mean {near[0]}?" if near else None


def problem_at(file: str, text: str, mistake: MistakeError) -> Problem:
    """Return the problem that a mistake at an offset of a whole file's text is."""
    offset = min(mistake.offset, len(text))
    start = text.rfind("\n", 0, offset) + 1
    end = text.find("\n", offset)
    line = text[start : end if end >= 0 else len(text)]
    column = offset - start
    length = max(1, min(mistake.length, len(line) - column))
    return Problem(file, text.count("\n", 0, offset) + 1, column, length, mistake.message, line, mistake.hint)
