"""Letting the run move: vCont, bs and bc, until there is something that gdb wants to know."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from retrograde.errors import RetrogradeError, UsageError
from retrograde.gdbstub.connection import Connection
from retrograde.gdbstub.copy import Process
from retrograde.gdbstub.packets import PacketError, console, number
from retrograde.gdbstub.signals import from_gdb
from retrograde.gdbstub.threads import belongs, parse_thread
from retrograde.replay.debuggee import Direction, Stop, StopReason

_SIGTRAP = 5


@dataclass(frozen=True, slots=True)
class Action:
    """What gdb wants a run to do.

    Attributes:
        step: this thread steps; None where all run on.
        span: steps go on while the pc is in it.
        direction: which way.
    """

    step: int | None = None
    span: range | None = None
    direction: Direction = Direction.FORWARD


def parse_actions(text: bytes, pid: int, current: int) -> Action:
    """Read the actions of a vCont.

    The thread that is to step decides: the recording says which threads run meanwhile. Signals to deliver are the
    recording's business too.

    Args:
        text: what follows `vCont;`.
        pid: the process.
        current: the thread that steps where none is named.

    Raises:
        PacketError: malformed.
    """
    for part in text.split(b";"):
        verb, _, name = part.partition(b":")
        thread = parse_thread(name) if name else None
        if thread is not None and not belongs(thread, pid):
            continue
        stepping = (thread.one if thread is not None else None) or current
        match verb[:1]:
            case b"c" | b"C":
                continue
            case b"s" | b"S":
                return Action(stepping)
            case b"r":
                start, comma, end = verb[1:].partition(b",")
                if not comma:
                    raise PacketError("vCont;r has two addresses")
                return Action(stepping, range(number(start), number(end)))
            case _:
                raise PacketError(f"vCont has no action {verb[:10]!r}")
    return Action()


class Motion:
    """Moves the process as gdb wants."""

    def __init__(self, process: Process, connection: Connection) -> None:
        self._process = process
        self._connection = connection
        self._passed: frozenset[int] = frozenset()
        self._interrupted = threading.Event()
        self.failure: RetrogradeError | None = None
        self.is_step_pretended = False

    def pass_signals(self, text: bytes) -> None:
        """Take the signals at which gdb need not stop.

        Raises:
            PacketError: malformed.
        """
        listed = [from_gdb(number(part)) for part in text.split(b";") if part]
        self._passed = frozenset(signal for signal in listed if signal is not None and signal != _SIGTRAP)

    def go(self, action: Action) -> Stop:
        """Move, telling gdb on the way what there is to tell."""
        process = self._process
        self.is_step_pretended = False
        backward = action.direction is Direction.BACKWARD
        if process.is_in_call and not backward:
            if action.step not in (None, process.copied_thread):
                # gdb steps a thread over its breakpoint before it calls in another; the copy has no such thread.
                self.is_step_pretended = True
                return Stop(StopReason.STEP, action.step)
            self._say(process.jump_notice())
            return self._watched(lambda: self._run_copy(action))
        amid_call = process.is_in_call
        self._say(process.forget())
        if amid_call:
            self._say("Back to where the call began.\n")
            return Stop(StopReason.EVENT, process.debuggee.current_thread)
        return self._watched(lambda: self._run(action))

    def go_to(self, move: Callable[[], Stop]) -> tuple[Stop, str]:
        """Go elsewhere in the run.

        Returns:
            The stop, and why it is where it was before, where it is.
        """
        debuggee = self._process.debuggee
        here = Stop(StopReason.EVENT, debuggee.current_thread)
        self._say(self._process.forget())
        refusal = ""

        def try_move() -> Stop:
            nonlocal refusal
            try:
                stop = move()
            except UsageError as error:
                refusal = str(error)
                return here
            if not debuggee.threads:
                refusal = "the process has ended by then; `seek end` goes to its last moment"
                return self._last_moment()
            return Stop(StopReason.EVENT, stop.tid) if stop.reason is StopReason.EXITED else stop

        return self._watched(try_move), refusal

    def _run_copy(self, action: Action) -> Stop:
        while True:
            stop = self._process.resume_copy(action.step is not None)
            if not self._process.is_copied:
                self._say("The copy of the process has ended: back to where it began.\n")
                return stop
            if not self._goes_on(stop, action) or not self._process.is_in_call:
                return stop

    def _run(self, action: Action) -> Stop:
        debuggee = self._process.debuggee
        while True:
            if action.step is None:
                stop = debuggee.resume(action.direction)
            else:
                tid = action.step if action.step in debuggee.threads else debuggee.current_thread
                stop = debuggee.step(tid, action.direction)
            if stop.reason is StopReason.EXITED:
                how = f"was killed by signal {stop.signal}" if stop.signal else f"exited with status {stop.status}"
                self._say(f"[The recorded process {how} here]\n")
            if stop.reason is StopReason.EXITED or not debuggee.threads:
                return self._last_moment()
            if stop.reason is StopReason.STEP and action.step is not None and stop.tid != action.step:
                stop = self._step_of(action.step)
            if not self._goes_on(stop, action):
                return stop

    def _step_of(self, tid: int) -> Stop:
        """Tell gdb of the thread that it steps, where another one has: it takes that for a signal."""
        debuggee = self._process.debuggee
        if tid in debuggee.threads:
            return Stop(StopReason.STEP, tid)
        return Stop(StopReason.EVENT, debuggee.current_thread)

    def _goes_on(self, stop: Stop, action: Action) -> bool:
        """Tell if gdb does not want to know of a stop."""
        if self._interrupted.is_set():
            return False
        if stop.reason is StopReason.SIGNAL:
            return stop.signal in self._passed
        if stop.reason is not StopReason.STEP or action.span is None or stop.tid != action.step:
            return False
        process = self._process
        pc = process.registers.general_word(process.values(stop.tid).general, process.registers.pc)
        return pc in action.span and not process.has_breakpoint(pc)

    def _last_moment(self) -> Stop:
        """Go to where there still is something to look at, and from which one can go back."""
        return Stop(StopReason.HISTORY_END, self._process.debuggee.seek_end().tid)

    def _watched(self, run: Callable[[], Stop]) -> Stop:
        self._interrupted.clear()
        try:
            with self._connection.watched(self._interrupt):
                stop = run()
        except RetrogradeError as error:
            # The run can't go on as recorded: gdb stays at the moment it has reached.
            self.failure = error
            self._say(f"retrograde: {error}\n")
            return Stop(StopReason.HISTORY_END, self._process.debuggee.current_thread)
        if self._interrupted.is_set() and stop.reason is StopReason.STEP:
            return Stop(StopReason.INTERRUPTED, stop.tid)
        return stop

    def _interrupt(self) -> None:
        self._interrupted.set()
        self._process.debuggee.interrupt()

    def _say(self, text: str) -> None:
        if text:
            self._connection.send(console(text))
