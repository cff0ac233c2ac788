"""Commands of gdb on a recorded run. Runs inside gdb, by its own Python."""

from __future__ import annotations

import contextlib
import glob
import re
import sys
from collections.abc import Callable

import gdb  # type: ignore[import-untyped]

_READING = re.compile(r"^Reading (.* from remote target\.\.\.|symbols from target:.*\.\.\.)\n", re.MULTILINE)
_SLOW = re.compile(r"^warning: File transfers from remote targets can be slow\..*\n", re.MULTILINE)
_MORE = "(more)\n"
_REFUSED = "retrograde: "


def _quietly(line: str) -> str:
    """Run a command; return what it prints, but for gdb's notices that files come from the recording."""
    return _SLOW.sub("", _READING.sub("", str(gdb.execute(line, to_string=True))))


def _ask(line: str) -> str:
    text = str(gdb.execute("monitor " + line, to_string=True))
    if text.startswith(_REFUSED):
        raise gdb.GdbError(text[len(_REFUSED) :].rstrip())
    return text


def _where() -> str:
    try:
        frame = gdb.selected_frame()
        place = frame.find_sal()
        text: str = frame.name() or ""
        return f"{text} at {place.symtab.filename}:{place.line}" if place.symtab is not None else text
    except gdb.error:
        return ""


def _silently(line: str) -> None:
    """Run a command that ends in a stop, of which nothing is printed."""
    try:
        gdb.execute("set suppress-cli-notifications on")
    except gdb.error:  # an older gdb: it prints the stop as well
        gdb.execute(line)
        return
    try:
        gdb.execute(line)
    finally:
        gdb.execute("set suppress-cli-notifications off")


def _go(line: str) -> None:
    """Go elsewhere in the run: by a `stepi` that the server answers so, for gdb then looks at everything anew."""
    _ask(line)
    _silently("stepi")
    refusal = _ask("refusal")
    if refusal:
        raise gdb.GdbError(refusal)
    # The dynamic linker's breakpoint, by which gdb learns of libraries, has been jumped over.
    if gdb.parameter("auto-solib-add"):
        _quietly("sharedlibrary")
    _look_at_watched()
    gdb.execute("frame")
    gdb.execute("display")


def _look_at_watched() -> None:
    """Let watchpoints know the values of this moment: a hit with the value that gdb knew before is not told."""
    kinds = {gdb.BP_WATCHPOINT, gdb.BP_HARDWARE_WATCHPOINT, gdb.BP_READ_WATCHPOINT, gdb.BP_ACCESS_WATCHPOINT}
    for breakpoint_ in gdb.breakpoints():
        if breakpoint_.type in kinds and breakpoint_.enabled and breakpoint_.is_valid():
            breakpoint_.enabled = False
            breakpoint_.enabled = True


def _events(argument: str) -> None:
    text = _ask("events " + argument)
    while text.endswith(_MORE):
        gdb.write(text[: -len(_MORE)])
        text = _ask("more")
    gdb.write(text)


def _name_thread() -> None:
    """Tell which thread is to step back: gdb's own packet for that does not."""
    thread = gdb.selected_thread()
    if thread is not None:
        with contextlib.suppress(gdb.error):
            gdb.execute(f"monitor thread {thread.ptid[1]}", to_string=True)


def _print_cpp_containers() -> None:
    """Load libstdc++'s printers from this machine, for what the recording's libraries would load is not trusted."""
    sys.path += sorted(glob.glob("/usr/share/gcc*/python"), reverse=True)
    try:
        from libstdcxx.v6 import register_libstdcxx_printers  # type: ignore[import-not-found]
    except ImportError:
        return
    register_libstdcxx_printers(None)


class _Command(gdb.Command):  # type: ignore[misc]
    def __init__(self, name: str, kind: int, run: Callable[[str], object], text: str) -> None:
        self.__doc__ = text
        self._run = run
        super().__init__(name, kind)

    def invoke(self, argument: str, _from_tty: bool) -> None:
        self._run(argument.strip())


def _say(line: str) -> None:
    gdb.write(_ask(line))


_RUNNING, _DATA, _OBSCURE = gdb.COMMAND_RUNNING, gdb.COMMAND_DATA, gdb.COMMAND_OBSCURE
for _name, _kind, _function, _text in (
    ("when", _DATA, lambda _: _say("when"), "Show the event of the recording that comes next."),
    ("seek", _RUNNING, lambda event: _go("seek " + event), "Go to an event of the recording.\nUsage: seek EVENT | end"),
    ("events", _DATA, _events, "Show the recording's events around the next one, or all that a filter selects.\n"
     "Usage: events [FILTER | all]"),
    ("checkpoint", _RUNNING, lambda _: _say("checkpoint " + _where()), "Remember this moment of the run."),
    ("restart", _RUNNING, lambda number: _go("restart " + number), "Go to a checkpoint.\nUsage: restart N"),
    ("run", _RUNNING, lambda event: _go("seek " + (event or "0")), "Go to the start of the run, or to an event.\n"
     "Usage: run [EVENT]"),
    ("delete checkpoint", _RUNNING, lambda number: _say("delete " + number), "Forget a checkpoint.\n"
     "Usage: delete checkpoint N"),
    ("info checkpoints", _DATA, lambda _: _say("checkpoints"), "List the checkpoints."),
    ("retrograde-connect", _OBSCURE, lambda address: gdb.write(_quietly("target remote " + address)),
     "Connect to a replay; gdb's notices that files come from the recording are left out.\n"
     "Usage: retrograde-connect ADDRESS"),
):  # fmt: skip
    _Command(_name, _kind, _function, _text)
for _name in ("reverse-step", "reverse-stepi", "reverse-next", "reverse-nexti", "reverse-finish"):
    gdb.execute(f"define hook-{_name}\npython _name_thread()\nend")
_print_cpp_containers()
