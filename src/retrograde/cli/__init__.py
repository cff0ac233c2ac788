"""The command line: one module a verb, found by its name.

A verb's module has ``HELP`` (one line), ``add_arguments(parser)`` and ``run(arguments) -> int``; its docstring is the
description that ``--help`` prints. Modules are imported only when their verb is called, so that start-up stays quick.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import gc
import importlib
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from types import ModuleType

from retrograde import __version__
from retrograde.errors import EXIT_FAILED, RetrogradeError, SyntaxUsageError

# In the order in which a newcomer meets them.
VERBS: dict[str, str] = {
    "doctor": "what this machine can do, and the line that fixes what it can't",
    "demo": "a program that crashes: record it, and go back to the cause",
    "record": "record a program's run, lossless",
    "trace": "show system calls live",
    "read": "print a recording's events",
    "stats": "count a recording's events by syscall, process, file or peer",
    "top": "the same, live",
    "replay": "run a recording again, in gdb, forwards and backwards",
    "fields": "list the fields of filters and formats",
    "syscalls": "the syscall table, as a reference",
    "decode": "put names to raw syscall numbers in other tools' logs",
    "ls": "list recordings",
    "info": "what a recording holds",
    "rm": "remove recordings",
    "pack": "make one file of a recording, to send it elsewhere",
    "export": "write a recording as Parquet or JSON",
}


_BLAS_THREADS = "OPENBLAS_NUM_THREADS"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextlib.contextmanager
def _loading() -> Iterator[None]:
    """Load modules without what takes a third of the time and serves nobody.

    That is to look for garbage among them, now and whenever it is looked for later, and the thread a CPU that numpy's
    linear algebra starts: no verb has matrices. The variable that says so is not for the programs that a verb starts.
    """
    chosen = _BLAS_THREADS in os.environ
    os.environ.setdefault(_BLAS_THREADS, "1")
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if not chosen:
            del os.environ[_BLAS_THREADS]
        if not gc.get_freeze_count():
            gc.freeze()
        if collecting:
            gc.enable()


def _module(verb: str) -> ModuleType:
    with _loading():
        return importlib.import_module(f"retrograde.cli.{verb}")


def build_parser(verb: str | None = None, *, alone: bool = False) -> argparse.ArgumentParser:
    """Return the parser.

    Args:
        verb: whose arguments are filled in; None for every verb's, "" for no verb's.
        alone: leave the other verbs out.
    """
    parser = argparse.ArgumentParser(
        prog="retrograde",
        description="A flight recorder and a time machine for Linux programs.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"retrograde {__version__}")
    commands = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name, text in VERBS.items():
        wanted = verb is None or verb == name
        if alone and not wanted:
            continue
        module = _module(name) if wanted else None
        command = commands.add_parser(
            name,
            help=text,
            description=module.__doc__ if module else text,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        if module:
            module.add_arguments(command)
    return parser


def _misplaced(message: str, before: str, word: str, known: Iterable[str], suggestion: str) -> SyntaxUsageError:
    """Return the error that shows a wrong word of the command line, and the nearest right one."""
    import difflib

    near = difflib.get_close_matches(word, list(known), n=1)
    hint = suggestion.format(near[0]) if near else f"`{before} --help` lists them"
    return SyntaxUsageError(message, text=f"{before} {word}", position=len(before) + 1, length=len(word), hint=hint)


def _options(verb: str) -> list[str]:
    parser = argparse.ArgumentParser()
    _module(verb).add_arguments(parser)
    # argparse has no public way to ask for them.
    return [option for action in parser._actions for option in action.option_strings]


def _give_up_stdout() -> None:
    """Let what is still to be written to stdout, as the interpreter will at its end, go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parse(words: list[str]) -> argparse.Namespace:
    """Parse the command line.

    Raises:
        SyntaxUsageError: there is no such verb or option.
        SystemExit: something else is wrong, as argparse has said.
    """
    verb = next((word for word in words if not word.startswith("-")), None)
    if verb is not None and verb not in VERBS:
        message = f"there is no verb {verb!r}"
        raise _misplaced(message, "retrograde", verb, VERBS, "did you mean `retrograde {}`?")
    # Without a verb no module is needed: what each does stands above.
    arguments, unknown = build_parser(verb or "", alone=words[:1] == [verb]).parse_known_args(words)
    if unknown:
        word = unknown[0].partition("=")[0]
        message = f"there is no option {word!r} here"
        raise _misplaced(message, f"retrograde {verb}", word, _options(arguments.verb), "did you mean {}?")
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 done, 1 failed, 2 usage, 3 cannot, 4 divergence."""
    try:
        arguments = _parse(list(sys.argv[1:] if argv is None else argv))
    except SyntaxUsageError as error:
        print(f"retrograde: {error}", file=sys.stderr)
        return error.exit_code
    module = _module(arguments.verb)
    try:
        code = int(module.run(arguments))
        sys.stdout.flush()
        return code
    except RetrogradeError as error:
        print(f"retrograde {arguments.verb}: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        # The reader of our output (head, less) has gone; there is nobody left to tell.
        _give_up_stdout()
        return EXIT_FAILED
    except OSError as error:
        if error.errno not in _FULL:
            raise
        print(f"retrograde {arguments.verb}: the output cannot be written: {error.strerror}", file=sys.stderr)
        _give_up_stdout()
        return EXIT_FAILED
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
