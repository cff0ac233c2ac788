"""The exceptions of Retrograde: one root, each with a code, a hint and the exit code of the command line.

An expected failure says what, where, the current value, the needed one and the line to paste; it never shows a
traceback. Whatever is not a :class:`RetrogradeError` is a defect and always shows one.
"""

from __future__ import annotations

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_CANNOT = 3
EXIT_DIVERGED = 4


class RetrogradeError(Exception):
    """The root of all expected failures.

    Args:
        message: what failed and where, with the current value.
        hint: the needed value, or the line to paste.
    """

    code = "error"
    exit_code = EXIT_FAILED

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message}\n{self.hint}"


class UsageError(RetrogradeError, ValueError):
    """The user asked for something that does not exist or does not fit."""

    code = "usage"
    exit_code = EXIT_USAGE


class SyntaxUsageError(UsageError):
    """A word in a text the user wrote is wrong: shows the text with a caret under the word.

    Args:
        message: what is wrong.
        text: the whole text.
        position: offset of the word in the text, in characters.
        length: length of the word, in characters.
        hint: the nearest right word, or what may stand there.
    """

    code = "syntax"

    def __init__(self, message: str, *, text: str, position: int, length: int = 1, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.text = text
        self.position = position
        self.length = max(1, length)

    def __str__(self) -> str:
        line = self.text.replace("\n", " ").replace("\t", " ")
        caret = " " * self.position + "^" + "~" * (self.length - 1)
        parts = [self.message, f"  {line}", f"  {caret}"]
        if self.hint:
            parts.append(self.hint)
        return "\n".join(parts)


class NotFoundError(RetrogradeError, LookupError):
    """There is no such recording, process, file."""

    code = "not-found"
    exit_code = EXIT_USAGE


class FormatError(RetrogradeError, ValueError):
    """Input is not what it claims to be: not a recording, damaged beyond reading, or of a newer format."""

    code = "format"


class CannotError(RetrogradeError, OSError):
    """This machine cannot do it; the hint names the remedy."""

    code = "cannot"
    exit_code = EXIT_CANNOT


class DivergenceError(RetrogradeError):
    """A replay cannot go on as recorded: the program did something else than the recording says."""

    code = "diverged"
    exit_code = EXIT_DIVERGED
