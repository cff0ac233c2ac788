"""Commands that gdb's own know nothing of, sent by `monitor` (qRcmd): events, seeking, checkpoints.

:mod:`retrograde.gdbstub.commands` hides them behind commands of gdb.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from retrograde.errors import UsageError
from retrograde.gdbstub.copy import Process
from retrograde.replay.debuggee import Stop

_AROUND = 10
_PAGE = 200
MORE = "(more)"
"""The last line of a page of events that is not the last one; `monitor more` shows the next."""

HELP = """\
when                 the event that comes next, and the thread
seek EVENT           let `stepi` go to where EVENT is about to happen; `end` is the failure or the end
events [FILTER]      the events around the next one, or all that FILTER selects
checkpoint [TEXT]    remember this moment
restart N            let `stepi` go to checkpoint N
delete N             forget checkpoint N
checkpoints          list them
refusal              why the last seek or restart did not go
thread TID           let the next step back be that thread's, not that of the one that has stopped
"""


@dataclass(frozen=True, slots=True)
class _Checkpoint:
    event: int
    tid: int
    pc: int
    text: str


def _whole_number(text: str, what: str) -> int:
    if not re.fullmatch(r"[0-9]{1,19}", text):
        raise UsageError(f"{what} has a number, not `{text[:40]}`" if text else f"{what}: its number is missing")
    return int(text)


class Monitor:
    """The commands, and the checkpoints' descriptions."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._move: Callable[[], Stop] | None = None
        self._thread: int | None = None
        self.refusal = ""
        self._checkpoints: dict[int, _Checkpoint] = {}
        self._page: Iterator[str] = iter(())
        self._commands: dict[str, Callable[[str], str]] = {
            "help": lambda _: HELP,
            "when": self._when,
            "refusal": lambda _: self.refusal,
            "seek": self._seek,
            "events": self._events,
            "more": lambda _: self._more(),
            "checkpoint": self._checkpoint,
            "restart": self._restart,
            "delete": self._delete,
            "checkpoints": self._list,
            "thread": self._select,
        }

    def run(self, line: str) -> str:
        """Run one command; return what it prints.

        Raises:
            UsageError: there is none such, or it can't be done.
        """
        name, _, rest = line.strip().partition(" ")
        command = self._commands.get(name)
        if command is None:
            raise UsageError(f"there is no `monitor {name[:40]}`; `monitor help` lists what there is")
        return command(rest.strip())

    def _here(self) -> _Checkpoint:
        debuggee = self._process.debuggee
        tid = debuggee.current_thread
        registers = self._process.registers
        return _Checkpoint(debuggee.event, tid, registers.general_word(debuggee.registers(tid), registers.pc), "")

    def _when(self, _: str) -> str:
        here = self._here()
        copied = " (a copy of it is being run)" if self._process.is_in_call else ""
        return f"Current event: {here.event}, thread {here.tid}{copied}\n"

    def take_move(self) -> Callable[[], Stop] | None:
        """Return where to go instead of what the packet that lets the program run says, once."""
        move, self._move = self._move, None
        return move

    def take_thread(self) -> int | None:
        """Return the thread whose step back is next, where it was named, once."""
        tid, self._thread = self._thread, None
        return tid

    def _select(self, text: str) -> str:
        self._thread = _whole_number(text, "thread TID")
        return ""

    def _go(self, move: Callable[[], Stop]) -> str:
        # gdb looks at everything anew only where the program has run for all it knows.
        self._move, self.refusal = move, ""
        return "`stepi` goes there.\n"

    def _seek(self, text: str) -> str:
        debuggee = self._process.debuggee
        if text == "end":
            return self._go(debuggee.seek_end)
        event = _whole_number(text, "seek EVENT")
        return self._go(lambda: debuggee.seek(event))

    def _events(self, text: str) -> str:
        debuggee = self._process.debuggee
        if not text:
            text = f"evt.num >= {max(debuggee.event - _AROUND, 0)} and evt.num <= {debuggee.event + _AROUND}"
        self._page = debuggee.events("" if text == "all" else text)
        return self._more()

    def _more(self) -> str:
        page = list(itertools.islice(self._page, _PAGE + 1))
        if len(page) <= _PAGE:
            return "".join(f"{line}\n" for line in page)
        self._page = itertools.chain(page[_PAGE:], self._page)
        return "".join(f"{line}\n" for line in page[:_PAGE]) + MORE + "\n"

    def _checkpoint(self, text: str) -> str:
        here = self._here()
        number = self._process.debuggee.checkpoint()
        self._checkpoints[number] = _Checkpoint(here.event, here.tid, here.pc, text[:500])
        return f"Checkpoint {number} {self._where(self._checkpoints[number])}\n"

    def _where(self, checkpoint: _Checkpoint) -> str:
        text = f", {checkpoint.text}" if checkpoint.text else ""
        return f"at event {checkpoint.event}: thread {checkpoint.tid}, pc {checkpoint.pc:#x}{text}"

    def _known(self, text: str, what: str) -> int:
        number = _whole_number(text, what)
        if number not in self._checkpoints:
            raise UsageError(f"there is no checkpoint {number}; `info checkpoints` lists them")
        return number

    def _restart(self, text: str) -> str:
        number = self._known(text, "restart N")
        return self._go(lambda: self._process.debuggee.restore(number))

    def _delete(self, text: str) -> str:
        number = self._known(text, "delete checkpoint N")
        self._process.debuggee.delete_checkpoint(number)
        del self._checkpoints[number]
        return ""

    def _list(self, _: str) -> str:
        if not self._checkpoints:
            return "No checkpoints.\n"
        return "".join(f"{number:>3}  {self._where(at)}\n" for number, at in self._checkpoints.items())

    def close(self) -> None:
        """Forget all checkpoints, as their client has gone."""
        for number in self._checkpoints:
            self._process.debuggee.delete_checkpoint(number)
        self._checkpoints.clear()
