"""Moving a replay in time: forwards by running it, backwards by running it again from a checkpoint.

A moment is told by how many events have happened and by the registers and the stack of the thread that runs between
them, since no counter of instructions is there. Going back to a moment is: restore a checkpoint before it, run until so
many events have happened and those are the same. Going back to the last breakpoint hit is: run from a checkpoint up to
the present, remember the last hit, and run there again.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass, field, replace
from enum import Enum

from retrograde.errors import RetrogradeError, UsageError
from retrograde.replay._core import Checkpoint, Session, Stop, StopKind
from retrograde.replay.failures import Interrupted, ReplayDivergenceError

NEVER = (1 << 64) - 1
_PC = {216: 16 * 8, 272: 32 * 8}  # where NT_PRSTATUS has it, by length: x86-64, arm64
# While it runs forward, a checkpoint is made after so much CPU time of the program, and so many are kept.
CHECKPOINT_NS = 100_000_000
CHECKPOINTS_KEPT = 48
# So many instructions are run one by one, some 16 us each, before a checkpoint is made to come back to.
STEPS_AT_ONCE = 1000
# Checkpoints on the way of single instructions, so that the next step back is short; and how long such a way is in a
# loop, the longer the more steps back come one after the other.
TRAIL_STEPS = 40
SHORTEST_TRAIL, LONGEST_TRAIL = 300, 10_000
# A checkpoint this long before a moment is near enough to go on instruction by instruction; so often one is tried for.
NEAR_NS = 8_000
APPROACHES = 12
# How much longer than expected a moment is looked for.
SLACK_NS = 300_000
# In a loop so many instructions are tried as those whose passes are counted; and how long it may take to begin that.
TURNS_TRIED = 6
PASS_NS = 4_000_000
# Where there are more stops than this on the way to a moment, the last of them is looked for nearer to it.
STOPS_AT_ONCE = 256


def program_counter(registers: bytes) -> int:
    """Return the program counter of general registers (NT_PRSTATUS)."""
    at = _PC[len(registers)]
    return int.from_bytes(registers[at : at + 8], "little")


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment of the run.

    Attributes:
        event: events that have happened.
        tid: the thread that runs.
        registers: its general registers (NT_PRSTATUS); None where it has reached the event, which is about to happen.
        stack: what it has on its stack nearby; empty where that is not known, or does not count.
        clock: CPU time of the program since its start, ns, as measured once: about right.
        told: whether the event is a signal or an end that has been told of.
    """

    event: int
    tid: int
    registers: bytes | None
    clock: int = field(compare=False)
    told: bool = False
    stack: bytes = field(default=b"", compare=False)


def _aims(moment: Moment) -> list[Moment]:
    """Return what to look for: the moment, and where that does not come again, any with its registers.

    In loops whose turns leave the same in all registers the stack tells them apart. Some of it may be another one in
    each run: what is left there of vectors that the dynamic linker has saved by xsavec (Intel SDM volume 1, 13.6).
    """
    return [moment, replace(moment, stack=b"")] if moment.stack else [moment]


@dataclass(slots=True)
class Mark:
    """A checkpoint, and the moment it was made at."""

    moment: Moment
    native: Checkpoint


@dataclass(slots=True)
class _Trail:
    """How a moment was reached: so many instructions of a thread from a checkpoint.

    Attributes:
        marks: checkpoints on the way, each with the instructions before it.
        steps: instructions up to the moment.
        tid: the thread.
        moment: the moment.
    """

    marks: list[tuple[int, Mark]]
    steps: int
    tid: int
    moment: Moment


class _Before(Enum):
    """What looking for the moment one instruction before another, from a checkpoint, has come to.

    Attributes:
        REACHED: there it is.
        FIRST: no instruction of the thread was run since the event before.
        BEHIND: the checkpoint is not before the moment.
    """

    REACHED, FIRST, BEHIND = range(3)


@dataclass(slots=True)
class _Hit:
    """A stop found while running again from a mark: the `ordinal`-th one, counted from 1."""

    mark: Mark
    ordinal: int
    stop: Stop
    moment: Moment


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
    _places_moved: int = 0
    _told: bool = False
    _trail: _Trail | None = None
    _trail_steps: int = 0

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
        if self._in_call(tid) or self._told:
            return Moment(session.next_event, tid, None, self._clock, self._told)
        return Moment(session.next_event, tid, session.registers(tid), self._clock, stack=session.stack(tid))

    def _in_call(self, tid: int) -> bool:
        return any(in_call for _, other, _, in_call in self.session.threads() if other == tid)

    def _is_at(self, moment: Moment) -> bool:
        if self.session.next_event != moment.event:
            return False
        if moment.registers is None:
            return self.moment().registers is None
        return any(tid == moment.tid for _, tid, _, _ in self.session.threads()) and self.session.is_at(
            moment.tid, moment.registers, moment.stack
        )

    def _has_come(self, moment: Moment, stop: Stop) -> bool:
        """Return whether a run to a moment has ended there.

        Where the next event is another process's, or one of a thread in the kernel, no thread was looked at.
        """
        if stop.kind in (StopKind.EVENT, StopKind.END):
            return moment.registers is None or self._is_at(moment)
        return stop.kind is StopKind.PLACE

    # ---- checkpoints ----

    def _mark(self) -> None:
        bisect.insort(self._marks, self.save(), key=lambda other: (other.moment.event, other.moment.clock))
        self._thin_out()

    def _mark_if_due(self) -> None:
        if self._clock - self._marks[-1].moment.clock >= CHECKPOINT_NS // 2:
            self._mark()

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

    # The place of an event turned out to be another one than it was taken for.
    def _drop_outdated(self) -> None:
        if self.session.places_moved == self._places_moved:
            return
        self._places_moved = self.session.places_moved
        is_outdated = self.session.is_outdated
        self._marks = [mark for mark in self._marks if not is_outdated(mark.native)]
        if self._trail is not None and any(is_outdated(mark.native) for _, mark in self._trail.marks):
            self._trail = None

    def _restore(self, mark: Mark) -> None:
        self.session.restore(mark.native)
        self.session.forget_reported()
        self._clock = mark.moment.clock
        self._told = mark.moment.told
        self._measured = self.session.cpu_time_ns()

    def save(self) -> Mark:
        """Return a checkpoint of the present, not among those that are thinned out."""
        mark = Mark(self.moment(), self.session.checkpoint())
        self._measured = self.session.cpu_time_ns()
        return mark

    def load(self, mark: Mark) -> None:
        """Go to a saved checkpoint, or near to where it was if it is outdated."""
        if self.session.is_outdated(mark.native):
            self.to_event(mark.moment.event)
        else:
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
        steps: int = 1,
        time_limit_ns: int = 0,
        stops: bool = False,
        place: Moment | None = None,
        pass_: int = 0,
    ) -> Stop:
        target = None
        if place is not None and place.registers is not None:
            target = (place.tid, place.event, place.registers, place.stack)
        try:
            stop = self.session.run(until_event, step_tid, steps, time_limit_ns, stops, target, pass_)
        finally:
            now = self.session.cpu_time_ns()
            self._clock += max(0, now - self._measured)
            self._measured = now
            self._drop_outdated()
        if stop.kind is StopKind.INTERRUPTED:
            raise Interrupted
        self._told = stop.kind in (StopKind.SIGNAL, StopKind.EXITED)
        return stop

    def forward(self) -> Stop:
        """Run until something stops it, making checkpoints on the way."""
        if not self._told:  # a signal comes before the breakpoint at its place
            self.session.mark_reported(self.session.current_task())
        while True:
            stop = self._run(time_limit_ns=CHECKPOINT_NS, stops=True)
            if stop.kind is not StopKind.TIME_LIMIT:
                return stop
            self._mark_if_due()

    def step(self, tid: int) -> Stop:
        """Run one instruction of a thread."""
        self.session.mark_reported(tid)
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
            self._mark_if_due()

    def tell(self) -> None:
        """Take the signal or end that is about to happen for told of."""
        self.session.mark_told()
        self._told = True

    # ---- backwards ----

    def backward(self) -> Stop | None:
        """Go back to the last moment at which a breakpoint, a watchpoint or a signal stops; None at the very start."""
        for present in _aims(self.moment()):
            end = present
            for mark in self._before(present):
                is_before, hit = self._last_hit(mark, end)
                if not is_before and end is not present and end.stack:  # which need not come again
                    is_before, hit = self._last_hit(mark, replace(end, stack=b""))
                if hit is not None:
                    self._go_to_hit(hit)
                    return hit.stop
                if is_before:
                    end = mark.moment
            if end is not present:
                break
        self._restore(self._marks[0])
        return None

    def _last_hit(self, mark: Mark, end: Moment) -> tuple[bool, _Hit | None]:
        """Look for the last stop on the way from a checkpoint to a moment.

        Returns:
            Whether the moment came, so that the checkpoint was before it, and the last stop before it.
        """
        hit: _Hit | None = None
        while True:
            is_before, last = self._last_of_few(mark, end)
            if is_before is not None:
                return is_before, (last or hit) if is_before else None
            here = self.save()
            away = self._away(end)
            if away is None:
                return False, None
            later = self._shortly_before(end, here, away) or self._turns_before(end, here, 2) or here
            is_before, behind = self._last_of_few(later, end)
            if is_before is None:  # many there, too
                mark = later
            elif not is_before:
                return False, None
            elif behind is not None or later is here:
                return True, behind or last
            else:
                mark, end, hit = here, later.moment, last

    def _shortly_before(self, end: Moment, here: Mark, away: int) -> Mark | None:
        """Return a checkpoint that is much nearer to a moment than another one, `away` ns; None where that is near."""
        if here.moment.event < end.event:
            self._restore(here)
            self._run(until_event=(here.moment.event + end.event) // 2)
            halfway = self.save()
            if halfway.moment != here.moment:
                return halfway
        if away < 16 * NEAR_NS:
            return None
        nearer = self._approach(here, end, away, away // 4)
        return nearer if nearer is not here else None

    def _last_of_few(self, mark: Mark, end: Moment) -> tuple[bool | None, _Hit | None]:
        """Run from a checkpoint to a moment, stop by stop.

        Returns:
            Whether the moment came, None where there were too many stops on the way, and the last of the stops.
        """
        self._restore(mark)
        found = None
        ordinal = 0
        while ordinal < STOPS_AT_ONCE:
            if end.registers is not None and self._is_at(end):
                return True, found
            try:
                stop = self._run(until_event=end.event, stops=True, place=end)
            except ReplayDivergenceError:
                if self.session.next_event != end.event:
                    raise
                return False, None  # it was behind us already, or is not told by what it was told by
            if stop.kind in (StopKind.EVENT, StopKind.PLACE, StopKind.END):
                has_come = self._has_come(end, stop)
                return has_come, found if has_come else None
            if end.registers is not None and self._is_at(end) and stop.kind is not StopKind.WATCHPOINT:
                return True, found
            ordinal += 1
            if stop.kind is not StopKind.EXEC:
                found = _Hit(mark, ordinal, stop, self.moment())
        return None, found

    def _go_to_hit(self, hit: _Hit) -> None:
        if hit.stop.kind is StopKind.WATCHPOINT:
            # It is told behind the write, and is to be seen before it.
            if hit.stop.others_event is not None:
                self.to_event(hit.stop.others_event)
            elif self._go_before(hit.moment, hit.mark) is not _Before.REACHED:
                self._go_back_from(hit.moment, hit.moment.tid)  # a system call wrote
            return
        self._restore(hit.mark)
        for _ in range(hit.ordinal):
            self._run(stops=True)

    def step_back(self, tid: int) -> Stop | None:
        """Go back one instruction of a thread, and what others have run since; None at the very start.

        From the thread's first instruction it is the call that made it, which is another's.
        """
        present = self.moment()
        trail = self._trail
        goes_on = trail is not None and trail.moment == present and trail.tid == tid
        if trail is not None and goes_on and trail.steps > 0:
            self._back_on(trail)
        elif self._is_at(self._marks[0].moment) and present.event == self._marks[0].moment.event:
            return None
        else:
            # Who goes back step by step goes on so.
            self._trail_steps = min(2 * self._trail_steps, LONGEST_TRAIL) if goes_on else SHORTEST_TRAIL
            self._go_back_from(present, tid)
        stop = Stop()
        stop.kind, stop.tid = StopKind.STEP, self.session.current_task() or tid
        return stop

    def _walk(self, mark: Mark, steps: int, tid: int) -> None:
        """Go so many instructions of a thread forward from a checkpoint, making others to go back to."""
        self._restore(mark)
        marks = [(0, mark)]
        for done in range(TRAIL_STEPS, steps, TRAIL_STEPS):
            self._run(step_tid=tid, steps=TRAIL_STEPS)
            marks.append((done, self.save()))
        if rest := steps - marks[-1][0]:
            self._run(step_tid=tid, steps=rest)
        self._trail = _Trail(marks, steps, tid, self.moment())

    def _back_on(self, trail: _Trail) -> None:
        """Go back one instruction on the way that was walked."""
        trail.steps -= 1
        while trail.marks[-1][0] > trail.steps:
            trail.marks.pop()
        done, mark = trail.marks[-1]
        self._restore(mark)
        if trail.steps > done:
            self._run(step_tid=trail.tid, steps=trail.steps - done)
        trail.moment = self.moment()

    def _go_back_from(self, moment: Moment, tid: int) -> None:
        """Go to where a thread is about to run its last instruction before a moment."""
        start = self._marks[0]
        if moment.tid == tid and moment.event > start.moment.event and self._look_before(moment) is _Before.REACHED:
            return
        # It has run none since the event before: what happened there is the last, or its instruction before that.
        while (before := self.session.event_before(moment.event, tid)) is not None:
            event, tid, is_step = before
            if event <= start.moment.event:
                break
            if is_step:
                self.to_event(event)
                return
            moment = Moment(event, tid, None, moment.clock)
            if self._look_before(moment) is _Before.REACHED:
                return
        self._restore(start)

    def _look_before(self, target: Moment) -> _Before:
        """Go to the moment one instruction before `target`, from whichever checkpoint is before it."""
        for aim in _aims(target):
            for mark in self._before(aim):
                found = self._go_before(aim, mark)
                if found is not _Before.BEHIND:
                    return found
        return _Before.BEHIND

    def _go_before(self, target: Moment, mark: Mark) -> _Before:
        """Go to the moment one instruction before `target`, from a checkpoint before it."""
        near = self._nearer(mark, target)
        while near is not None:
            # From a checkpoint that happens to be at the very moment one learns nothing.
            at_first = _Before.FIRST if near.moment.event < target.event else _Before.BEHIND
            self._restore(near)
            if self._in_call(target.tid):
                near = self._behind_call(target)
                if near is None:
                    return at_first
            stop = self._step_to(target)
            if self._has_come(target, stop) or self._is_at(target):
                # The instruction of a system call is not counted while the call has not been answered.
                steps = stop.steps if self._in_call(target.tid) else stop.steps - 1
                if steps < 0:
                    return at_first
                self._walk(near, steps, target.tid)
                return _Before.REACHED
            if stop.kind is not StopKind.STEP:
                return _Before.BEHIND
            here = self.save()
            near = self._turns_before(target, here) or self._nearer(here, target)
        return _Before.BEHIND

    def _behind_call(self, target: Moment) -> Mark | None:
        """Return a checkpoint where the thread of a moment has left the call that it is in; None if not before it."""
        stop = self._run(until_event=target.event, step_tid=target.tid, place=target)
        return None if stop.kind is not StopKind.STEP or self._is_at(target) else self.save()

    def _step_to(self, target: Moment) -> Stop:
        """Run instruction by instruction, as many as are run at once, up to a moment."""
        most = max(STEPS_AT_ONCE, self._trail_steps)
        return self._run(until_event=target.event, step_tid=target.tid, steps=most, place=target)

    def _nearer(self, mark: Mark, target: Moment) -> Mark | None:
        """Return a checkpoint near before a moment; None where `mark` is not before it."""
        mark = self._at_event_before(target, mark)
        self._restore(mark)
        begin = self._clock
        found, passes = self._search(target)
        if not found:
            return None
        away = self._clock - begin
        if passes > 0:
            turn = self._some_turns_before(mark, target, passes)
            if turn is not None:
                return turn
            self._go_to_pass(mark, target, passes)
            mark = self.save()
            begin = self._clock
            self._search(target)
            away = self._clock - begin
        return self._approach(mark, target, away)

    def _at_event_before(self, target: Moment, mark: Mark) -> Mark:
        """Return a checkpoint where the event before a moment is about to happen; `mark` where it is behind that."""
        if mark.moment.event >= target.event:
            return mark
        self._restore(mark)
        self._run(until_event=target.event - 1)
        return self.save()

    def _run_for(self, limit_ns: int, until_event: int, place: Moment | None = None) -> Stop:
        """Run for so much CPU time of the program, about.

        What is limited is time; where others have taken the CPU from it meanwhile, it is given the rest.
        """
        end, left = self._clock + limit_ns, limit_ns
        while True:
            stop = self._run(until_event=until_event, place=place, time_limit_ns=left)
            before, left = left, end - self._clock
            is_enough = left < limit_ns // 16 + NEAR_NS
            if is_enough or left > before - before // 8 or stop.kind is not StopKind.TIME_LIMIT:
                return stop

    def _search(self, moment: Moment, limit_ns: int = 0) -> tuple[bool, int]:
        """Run from the present to a later moment.

        Args:
            moment: the moment.
            limit_ns: CPU time after which it is taken not to come; 0: none.

        Returns:
            Whether it came in time, and how often its instruction was about to run before; that only without a limit.
        """
        try:
            if limit_ns:
                stop = self._run_for(limit_ns, moment.event, moment)
            else:
                stop = self._run(until_event=moment.event, place=moment)
        except ReplayDivergenceError:
            # It was behind us already, and where a signal struck was not looked for meanwhile.
            return False, 0
        came = self._has_come(moment, stop)
        return came, stop.passes - 1 if came and stop.passes else stop.passes

    def _away(self, moment: Moment) -> int | None:
        """Run from the present to a later moment; return the CPU time that took, ns; None where it did not come."""
        begin = self._clock
        found, _ = self._search(moment)
        return self._clock - begin if found else None

    def _go_to_pass(self, mark: Mark, target: Moment, passes: int) -> None:
        """Run from a checkpoint until the instruction of a moment is about to run for the n-th time."""
        self._restore(mark)
        stop = self._run(until_event=target.event, place=target, pass_=passes)
        if stop.kind is not StopKind.PLACE:
            raise RetrogradeError(f"pass {passes} of an instruction before event {target.event} is not found again")

    def _some_turns_before(self, mark: Mark, target: Moment, passes: int) -> Mark | None:
        """Return a checkpoint some turns of a loop before a moment in it; None where a turn is too long.

        Turns are told by the instruction that the moment is at, which is passed so often from the checkpoint on.
        """
        self._go_to_pass(mark, target, passes)
        last = self.save()
        stop = self._step_to(target)
        if stop.kind is not StopKind.PLACE:
            return None
        turns = min(passes, self._trail_steps // (stop.steps + 1))
        if turns < 2:
            return last
        self._go_to_pass(mark, target, passes - turns + 1)
        return self.save()

    def _turns_before(self, target: Moment, here: Mark, turns: int = 0) -> Mark | None:
        """Return a checkpoint where an instruction near another one is about to run for the last time before a moment.

        None where none is found that runs again before it.

        That is the way through loops for which a time is too rough a measure, and that have too many instructions.

        Args:
            target: the moment.
            here: the other checkpoint.
            turns: so many times before the last.
        """
        for _ in range(TURNS_TRIED):
            if here.moment.registers is None or (here.moment.event, here.moment.tid) != (target.event, target.tid):
                break
            found = self._last_pass(target, here, turns)
            if found is not None:
                return found
            # It does not run again, or its passes cannot be counted fast: those of the next one may.
            self._restore(here)
            stop = self._run(until_event=target.event, step_tid=target.tid, place=target)
            if stop.kind is not StopKind.STEP or self._is_at(target):
                break
            here = self.save()
        return None

    def _last_pass(self, target: Moment, here: Mark, turns: int) -> Mark | None:
        """Do what `_turns_before` does with the instruction that is about to run; None where that takes long, too."""
        self._restore(here)
        away = self._away(target)
        if away is None:
            return None
        limit = 4 * away + SLACK_NS
        marks, low, high = {0: here}, 0, NEVER
        while high - low > 1:
            middle = max(1, 2 * low) if high == NEVER else (low + high) // 2
            kind, mark = self._at_pass(middle, here, target, limit)
            if kind is StopKind.TIME_LIMIT:
                return None
            if mark is None:
                high = middle
            else:
                low, marks[middle] = middle, mark
        if low == 0:
            return None
        before = max(0, low - turns)
        return marks.get(before) or self._at_pass(before, here, target, limit)[1]

    def _at_pass(self, pass_: int, here: Mark, target: Moment, limit: int) -> tuple[StopKind, Mark | None]:
        """Return how going to the n-th pass of an instruction has ended, and a checkpoint there if before a moment."""
        turn = replace(here.moment, stack=b"")
        self._restore(here)
        try:
            stop = self._run(until_event=target.event, place=turn, pass_=pass_, time_limit_ns=limit + PASS_NS)
        except ReplayDivergenceError:
            return StopKind.EVENT, None
        if stop.kind is not StopKind.PLACE or self._is_at(target):
            return stop.kind, None
        mark = self.save()
        return stop.kind, mark if self._search(target, limit)[0] else None

    def _approach(self, mark: Mark, target: Moment, away: int, near: int = NEAR_NS) -> Mark:
        """Return a checkpoint nearer to a moment by running almost as long as it is away, in ns, until that is little.

        What a run takes varies by some ten microseconds: trying again comes near by chance.
        """
        for _ in range(APPROACHES):
            if away <= near:
                break
            self._restore(mark)
            part = max(away - max(away // 8, NEAR_NS), 1000)
            stop = self._run_for(part, target.event)
            # A run likes to end where a page is touched for the first time, so it may end at the very moment.
            if stop.kind is not StopKind.TIME_LIMIT or self._is_at(target):
                away -= away // 4
                continue
            nearer = self.save()
            begin = self._clock
            # Where the moment has been passed it is not looked for up to the next event.
            found, _ = self._search(target, 4 * (away - part) + SLACK_NS)
            if found:
                mark, away = nearer, self._clock - begin
            else:
                # What is far was measured wrongly: a loop is slower while a place in it is looked for.
                away -= away // (4 if away < SLACK_NS else 2)
        return mark
