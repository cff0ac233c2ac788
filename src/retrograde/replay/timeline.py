"""Moving a replay in time: forwards by running it, backwards by running it again from a checkpoint.

A moment is told by how many events have happened and by the registers of the thread that runs between them, since no
counter of instructions is there. Going back to a moment is: restore a checkpoint before it, run until so many events
have happened and the registers are those. Going back to the last breakpoint hit is: run from a checkpoint up to the
present, remember the last hit, and run there again.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass, field

from retrograde.errors import RetrogradeError, UsageError
from retrograde.replay._core import Checkpoint, Session, Stop, StopKind

NEVER = (1 << 64) - 1
# While it runs forward, a checkpoint is made after so much CPU time of the program, and so many are kept.
CHECKPOINT_NS = 100_000_000
CHECKPOINTS_KEPT = 48
# So many instructions are run one by one, some 16 us each, before a nearer checkpoint is looked for.
STEPS_AT_ONCE = 1500
# Times are told no better than this.
TIME_STEP_NS = 40_000


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment of the run.

    Attributes:
        event: events that have happened.
        tid: the thread that runs.
        registers: its general registers (NT_PRSTATUS); None where it has reached the event, which is about to happen.
        clock: CPU time of the program since its start, ns, as measured once: about right.
        told: whether the event is a signal or an end that has been told of.
    """

    event: int
    tid: int
    registers: bytes | None
    clock: int
    told: bool = False


@dataclass(slots=True)
class Mark:
    """A checkpoint, and the moment it was made at."""

    moment: Moment
    native: Checkpoint


@dataclass(slots=True)
class _Hit:
    """A stop found while running again from a mark: the `ordinal`-th one, counted from 1."""

    mark: Mark
    ordinal: int
    stop: Stop
    moment: Moment
    event_of_write: int | None = None


@dataclass(slots=True)
class Timeline:
    """A native session that moves both ways.

    Args:
        session: the session, at its start.
    """

    session: Session
    _marks: list[Mark] = field(default_factory=list)  # in order of time
    _clock: int = 0
    _measured: int = 0
    _told: bool = False

    def __post_init__(self) -> None:
        self._measured = self.session.cpu_time_ns()
        self._mark()

    # ---- the present ----

    def moment(self) -> Moment:
        """Return the present moment."""
        session = self.session
        tid = session.current_task()
        if tid == 0:
            return Moment(session.next_event, 0, None, self._clock, self._told)
        in_call = any(in_call for _, other, _, in_call in session.threads() if other == tid)
        registers = None if in_call or self._told else session.registers(tid)
        return Moment(session.next_event, tid, registers, self._clock, self._told)

    def _is_at(self, moment: Moment) -> bool:
        if self.session.next_event != moment.event:
            return False
        if moment.registers is None:
            return True
        return any(tid == moment.tid for _, tid, _, _ in self.session.threads()) and self.session.is_at(
            moment.tid, moment.registers
        )

    # ---- checkpoints ----

    def _mark(self) -> Mark:
        mark = Mark(self.moment(), self.session.checkpoint())
        self._measured = self.session.cpu_time_ns()
        bisect.insort(self._marks, mark, key=lambda other: (other.moment.event, other.moment.clock))
        self._thin_out()
        return mark

    # The further back from the latest, the sparser; the first one stays for good.
    def _thin_out(self) -> None:
        while len(self._marks) > CHECKPOINTS_KEPT:
            newest = self._marks[-1].moment.clock
            spans = [
                (self._marks[at + 1].moment.clock - self._marks[at - 1].moment.clock)
                / (newest - self._marks[at].moment.clock + CHECKPOINT_NS)
                for at in range(1, len(self._marks) - 1)
            ]
            del self._marks[1 + spans.index(min(spans))]

    def _restore(self, mark: Mark) -> None:
        self.session.restore(mark.native)
        self.session.mark_reported(False)
        self._clock = mark.moment.clock
        self._told = mark.moment.told
        self._measured = self.session.cpu_time_ns()

    def save(self) -> Mark:
        """Return a checkpoint of the present, not among those that are thinned out."""
        mark = Mark(self.moment(), self.session.checkpoint())
        self._measured = self.session.cpu_time_ns()
        return mark

    def load(self, mark: Mark) -> None:
        """Go to a saved checkpoint."""
        self._restore(mark)

    def _before(self, moment: Moment) -> list[Mark]:
        """Return the checkpoints before a moment, the nearest first."""
        key = (moment.event, moment.clock)
        return [mark for mark in reversed(self._marks) if (mark.moment.event, mark.moment.clock) < key] or [
            self._marks[0]
        ]

    # ---- running ----

    def _run(
        self,
        *,
        until_event: int = NEVER,
        step_tid: int = 0,
        time_limit_ns: int = 0,
        stops: bool = False,
        place: Moment | None = None,
    ) -> Stop:
        target = None
        if place is not None and place.registers is not None:
            target = (place.tid, place.event, place.registers)
        try:
            stop = self.session.run(until_event, step_tid, time_limit_ns, stops, target)
        finally:
            now = self.session.cpu_time_ns()
            self._clock += max(0, now - self._measured)
            self._measured = now
        self._told = stop.kind in (StopKind.SIGNAL, StopKind.EXITED)
        return stop

    def forward(self) -> Stop:
        """Run until something stops it, making checkpoints on the way."""
        self.session.mark_reported(True)
        while True:
            stop = self._run(time_limit_ns=CHECKPOINT_NS, stops=True)
            if stop.kind is not StopKind.TIME_LIMIT:
                return stop
            if self._clock - self._marks[-1].moment.clock >= CHECKPOINT_NS // 2:
                self._mark()

    def step(self, tid: int) -> Stop:
        """Run one instruction of a thread."""
        self.session.mark_reported(True)
        return self._run(step_tid=tid, stops=True)

    def to_event(self, event: int) -> Stop:
        """Go to where an event is about to happen, its thread having reached it.

        Raises:
            UsageError: there is no such event.
        """
        if not 0 <= event <= self.session.size:
            raise UsageError(f"there is no event {event}: the recording has {self.session.size}")
        here = self.moment()
        if event < here.event or (event == here.event and here.registers is None and self._told):
            self._restore(self._before(Moment(event, 0, None, 0))[0])
        elif later := [m for m in self._marks if here.event < m.moment.event < event]:
            self._restore(later[-1])
        while True:
            stop = self._run(until_event=event, time_limit_ns=CHECKPOINT_NS)
            if stop.kind is not StopKind.TIME_LIMIT:
                return stop
            if self._clock - self._marks[-1].moment.clock >= CHECKPOINT_NS // 2:
                self._mark()

    def tell(self) -> None:
        """Take the signal or end that is about to happen for told of."""
        self.session.mark_told()
        self._told = True

    def to_moment(self, moment: Moment) -> None:
        """Go to a moment.

        Raises:
            RetrogradeError: it is not found again.
        """
        for mark in self._before(moment):
            self._restore(mark)
            if self._reach(moment):
                return
        raise RetrogradeError(f"the moment in event {moment.event} of thread {moment.tid} is not found again")

    def _reach(self, moment: Moment) -> bool:
        """Run from the present to a later moment; return whether it came."""
        if not self._is_at(moment) or moment.registers is None:
            stop = self._run(until_event=moment.event, place=moment)
            if stop.kind is StopKind.INTERRUPTED:
                raise KeyboardInterrupt
            if stop.kind is not (StopKind.PLACE if moment.registers is not None else StopKind.EVENT):
                return False
        if moment.told:
            self.session.mark_told()
        self._told = moment.told
        return True

    # ---- backwards ----

    def backward(self) -> Stop | None:
        """Go back to the last moment at which a breakpoint, a watchpoint or a signal stops; None at the very start."""
        present = self.moment()
        end = present
        for mark in self._before(present):
            hit = self._last_hit(mark, end)
            if hit is not None:
                self._go_to_hit(hit)
                return hit.stop
            end = mark.moment
        self._restore(self._marks[0])
        return None

    def _last_hit(self, mark: Mark, end: Moment) -> _Hit | None:
        """Run from a checkpoint up to a moment and return the last stop before it."""
        self._restore(mark)
        found = None
        ordinal = 0
        while True:
            if end.registers is not None and self._is_at(end):
                return found
            stop = self._run(until_event=end.event, stops=True, place=end)
            if stop.kind in (StopKind.EVENT, StopKind.PLACE, StopKind.END):
                return found
            if stop.kind is StopKind.INTERRUPTED:
                raise KeyboardInterrupt
            if end.registers is not None and self._is_at(end) and stop.kind is not StopKind.WATCHPOINT:
                return found
            ordinal += 1
            if stop.kind is not StopKind.EXEC:
                found = _Hit(mark, ordinal, stop, self.moment())

    def _go_to_hit(self, hit: _Hit) -> None:
        if hit.stop.kind is StopKind.WATCHPOINT:
            # It is told behind the write, and is to be seen before it.
            self._go_before(hit.moment, hit.mark)
            return
        self._restore(hit.mark)
        for _ in range(hit.ordinal):
            self._run(stops=True)

    def step_back(self, tid: int) -> Stop | None:
        """Go back one instruction of the running thread; None at the very start."""
        present = self.moment()
        if present.event <= self._marks[0].moment.event and self._is_at(self._marks[0].moment):
            return None
        for mark in self._before(present):
            if self._go_before(present, mark):
                break
        stop = Stop()
        stop.kind, stop.tid = StopKind.STEP, self.session.current_task() or tid
        return stop

    def _go_before(self, target: Moment, mark: Mark) -> bool:
        """Go to the moment one instruction before `target`, from a checkpoint before it."""
        mark = self._approach(mark, target)
        while True:
            self._restore(mark)
            near, steps, reached = mark, 0, False
            while steps < STEPS_AT_ONCE:
                self._run(step_tid=target.tid)
                steps += 1
                if self.session.next_event > target.event or (target.registers is not None and self._is_at(target)):
                    reached = True
                    break
                if self.session.next_event == target.event and target.registers is None and self._told:
                    reached = True
                    break
            if reached:
                self._restore(near)
                for _ in range(steps - 1):
                    self._run(step_tid=target.tid)
                return True
            mark = self.save()

    def _approach(self, mark: Mark, target: Moment) -> Mark:
        """Return a checkpoint nearer to a moment than `mark`, and still before it."""
        # Where the event before it is about to happen.
        if mark.moment.event < target.event - 1:
            self._restore(mark)
            self._run(until_event=target.event - 1)
            mark = self.save()
        self._restore(mark)
        begin = self._clock
        if not self._reach(target):
            return mark
        away = self._clock - begin
        while away > TIME_STEP_NS:
            self._restore(mark)
            stop = self._run(
                until_event=target.event, time_limit_ns=max(away - max(away // 8, TIME_STEP_NS // 2), 1000)
            )
            if stop.kind is not StopKind.TIME_LIMIT:
                away //= 2
                continue
            nearer = self.save()
            begin = self._clock
            if self._reach(target):
                mark, away = nearer, self._clock - begin
            else:
                away //= 2
        return mark
