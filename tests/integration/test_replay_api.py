"""The Python API of replays, on real recorded programs: what a script sees."""

from __future__ import annotations

import platform
import random
import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import retrograde as api
from retrograde.errors import CannotError, NotFoundError, UsageError
from tests.support.altered import Altered
from tests.support.commands import PROGRAMS, retrograde
from tests.support.gdb_runs import needs_gdb

pytest.importorskip("retrograde.replay._core", reason="the replayer's Python module is not built", exc_type=ImportError)

from retrograde.replay import timeline
from retrograde.replay.backtrace import Frame
from retrograde.replay.debuggee import BreakpointKind, Direction, StopReason
from retrograde.replay.failures import ReplayDivergenceError
from retrograde.replay.replay import Replay
from retrograde.replay.timeline import Moment, Timeline

Record = Callable[..., Path]

CALL = {"x86_64": b"\x0f\x05", "aarch64": b"\x01\x00\x00\xd4"}[platform.machine()]
PC = {"x86_64": "rip", "aarch64": "pc"}[platform.machine()]
SP = {"x86_64": "rsp", "aarch64": "sp"}[platform.machine()]
VECTOR = {"x86_64": "xmm", "aarch64": "v"}[platform.machine()]
OTHERS = {"x86_64": {"rax", "r15", "eflags", "fs_base"}, "aarch64": {"x0", "x30", "sp", "pstate"}}[platform.machine()]
# Emulated processors are tested, too.
TURNS, VISITS, SEEDS = {"x86_64": (2_500_000, 1000, 3), "aarch64": (4_000, 100, 1)}[platform.machine()]
WANDERED = {"x86_64": (), "aarch64": ("-DTURNS=100", "-DSPINS=60000", "-DALARM_US=20000")}[platform.machine()]
LINKER = {"x86_64": "ld-linux-x86-64.so.2", "aarch64": "ld-linux-aarch64.so.1"}[platform.machine()]


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory, capture_program: Path) -> Record:
    """Returns a function that compiles a program, records its run, once for the same words, and removes it."""
    made: dict[tuple[str, ...], Path] = {}

    def recorded(name: str, *options: str, strip: tuple[str, ...] = (), run: str = "") -> Path:
        words = (name, *options, *strip, run)
        if words not in made:
            folder = tmp_path_factory.mktemp(name)
            program = folder / name
            subprocess.run(
                ["gcc", "-g", "-O0", "-w", "-pthread", "-o", str(program), str(PROGRAMS / f"{name}.c"), *options],
                check=True,
                cwd=folder,
            )
            if strip:
                subprocess.run([*strip, str(program)], check=True, cwd=folder)
            command = ["sh", "-c", run.format(program)] if run else [str(program)]
            said = retrograde("record", "-q", "-o", str(folder / "recording"), "--", *command).stderr
            if "can't be recorded" in said:
                pytest.skip(said)
            assert (folder / "recording").exists(), said
            program.unlink()  # the recording has all that is needed
            made[words] = folder / "recording"
        return made[words]

    return recorded


@pytest.fixture
def looked_at(record: Record) -> Iterator[Replay]:
    with api.open(record("looked_at")) as recording, recording.replay() as replay:
        yield replay


def _own(frames: list[Frame]) -> list[str]:
    """Return the frames of the program itself: function and line."""
    return [f"{frame.function}:{frame.line}" for frame in frames if frame.file is not None]


def _registers(r: Replay) -> dict[str, int]:
    """Return the registers that the program itself sees."""
    return {name: value for name, value in r.regs.items() if name != "orig_rax"}


def _line(text: str, name: str = "looked_at") -> int:
    """Return the number of the line of a program that has a text."""
    lines = (PROGRAMS / f"{name}.c").read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


# ---- going to places ----


def test_every_call_of_a_function_forwards_and_backwards(looked_at: Replay) -> None:
    r = looked_at
    assert not r.at_end()
    forwards = []
    while r.run_to("square"):
        assert r.describe() == f"square at looked_at.c:{_line('int square(int x)')}"
        assert r.regs.pc == r.regs[PC] == r.symbol("square")
        forwards.append((r.regs.arguments[0], r.event))
    assert [argument for argument, _ in forwards] == [0, 1, 2, 9]
    assert r.at_end()
    backwards = []
    while r.run_to("square", backwards=True):
        backwards.append((r.regs.arguments[0], r.event))
    assert backwards == forwards[::-1]
    assert not r.at_end()
    assert r.describe().endswith(f"in {LINKER}")


def test_the_first_of_several_places_stops(looked_at: Replay) -> None:
    r = looked_at
    met = []
    while r.run_to("from_handler", "compare", f"looked_at.c:{_line('return x * x')}"):
        met.append(r.place().function)
    # The library's qsort may compare as often as it likes.
    assert [name for at, name in enumerate(met) if met[at - 1 : at] != [name]] == [
        "square", "from_handler", "compare", "square",
    ]  # fmt: skip


def test_a_function_returns_what_it_has_computed(looked_at: Replay) -> None:
    r = looked_at
    r.run_to("main")
    results = []
    for _ in range(4):
        r.run_to("square")
        caller = r.backtrace()[1]
        r.run_to(caller.pc)
        assert r.backtrace()[0].cfa == caller.cfa
        results.append(r.regs.result)
    assert results == [0, 1, 4, 81]


def test_events(looked_at: Replay) -> None:
    r = looked_at
    calls = list(r.recording.events("evt.type = getppid"))
    assert len(calls) == 3
    counts = []
    for call in calls:
        r.seek(call)
        assert r.event == call.seq
        assert r.time == call.enter
        assert _own(r.backtrace()) == [f"main:{_line('getppid();')}"]
        counts.append(r.memory.integer(r.symbol("counter"), 4))
    assert counts == [1, 2, 3]
    assert r.run_to(event=calls[0], backwards=True)
    assert r.event == calls[0].seq
    with pytest.raises(UsageError, match=r"earlier.*\n.*r\.seek"):
        r.run_to(event=calls[0].seq - 1)
    with pytest.raises(UsageError, match="no event 1000000"):
        r.seek(1000000)
    with pytest.raises(UsageError, match="a place or"):
        r.run_to()


def test_a_moment_is_remembered(looked_at: Replay) -> None:
    r = looked_at
    r.run_to("from_handler")
    here, counter = r.checkpoint(), r.symbol("counter")
    regs = dict(r.regs)
    assert r.memory.integer(counter, 4) == 3
    r.seek_end()
    assert r.memory.integer(counter, 4) > 13
    r.restore(here)
    assert r.memory.integer(counter, 4) == 3
    assert dict(r.regs) == regs
    with pytest.raises(UsageError, match="no checkpoint 77"):
        r.restore(77)


def test_instructions(looked_at: Replay) -> None:
    r = looked_at
    r.run_to("square")
    places = [dict(r.regs)]
    for _ in range(6):
        assert r.step() == 1
        places.append(dict(r.regs))
    assert len({place[PC] for place in places}) == 7
    assert r.step(-6) == 6
    assert dict(r.regs) == places[0]
    assert r.step(6) == 6
    assert dict(r.regs) == places[6]


def test_the_instruction_before_one_that_touches_a_page_for_the_first_time(record: Record) -> None:
    """Whoever runs there for some time is likely stopped at such an instruction: the kernel is long at work for it."""
    with api.open(record("touches")) as recording, recording.replay() as r:
        r.run_to("touch")
        page = r.symbol("pages")
        addresses = []
        while r.memory[page + 31 * 4096] == 0:
            addresses.append(r.regs.pc)
            r.step()
        r.seek(0)
        for _ in range(32):
            assert r.run_to(addresses[-1])
            place = dict(r.regs)
            assert r.step(-1) == 1
            assert r.regs.pc == addresses[-2]
            assert r.step() == 1
            assert dict(r.regs) == place


@pytest.mark.parametrize("seed", range(SEEDS))
def test_time_that_is_measured_wrongly_changes_no_place(
    record: Record, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """CPU time, by which a checkpoint near to a moment is chosen, is another one in each run."""
    measured, error = Timeline.moment, random.Random(seed)

    def moment(moved: Timeline) -> Moment:
        right = measured(moved)
        return replace(right, clock=max(0, right.clock + error.randint(-10_000_000, 10_000_000)))

    monkeypatch.setattr(Timeline, "moment", moment)
    monkeypatch.setattr(timeline, "CHECKPOINT_NS", 5_000_000)
    with api.open(record("visits", "-DVISITS=8", f"-DTURNS={TURNS}")) as recording, recording.replay() as r:
        places = []
        while r.run_to("visit"):
            places.append(dict(r.regs))
        assert len(places) == 8
        for place in reversed(places):
            assert r.run_to("visit", backwards=True)
            assert dict(r.regs) == place
            assert r.step(-3) == 3
            assert r.step(3) == 3
            assert dict(r.regs) == place
        assert not r.run_to("visit", backwards=True)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_walk_at_random_comes_to_the_same_places(looked_at: Replay, seed: int) -> None:
    """Steps and breakpoints in both directions, against a list made by going forwards once."""
    r, choice = looked_at, random.Random(seed)

    def here() -> tuple[int, dict[str, int]]:
        return r.event, _registers(r)

    r.run_to("main")
    places: list[tuple[int, dict[str, int]]] = []
    while len(places) < 1200:
        places.append(here())
        assert r.step() == 1
    r.seek(0)
    r.run_to("main")
    at = 0
    for _ in range(40):
        steps = choice.randint(-min(60, at), min(60, len(places) - 1 - at))
        address = choice.choice(places)[1][PC]
        later = [place for place in range(at + 1, len(places)) if places[place][1][PC] == address]
        earlier = [place for place in range(at) if places[place][1][PC] == address]
        match choice.choice("sfb"):
            case "f" if later:
                assert r.run_to(address)
                at = later[0]
            case "b" if earlier:
                assert r.run_to(address, backwards=True)
                at = earlier[-1]
            case _:
                assert r.step(steps) == abs(steps)
                at += steps
        assert here() == places[at]


def test_what_happens_at_an_event_is_one_step(looked_at: Replay) -> None:
    r = looked_at
    call = next(iter(r.recording.events("evt.type = getppid")))
    r.seek(call)
    assert r.step() == 1
    assert r.event == call.seq + 1
    assert r.regs.result == call.result
    assert r.memory[r.regs.pc - len(CALL) : r.regs.pc] == CALL
    assert r.step(-1) == 1
    assert r.event == call.seq
    assert r.memory[r.regs.pc : r.regs.pc + len(CALL)] == CALL

    r.run_to("handler")
    handler = dict(r.regs)
    assert r.step(-1) == 1
    before = dict(r.regs)
    assert r.place().function != "handler"
    assert r.step() == 1
    assert dict(r.regs) == handler
    assert r.step(-1) == 1
    assert dict(r.regs) == before


def test_turns_of_a_loop_with_the_same_registers(record: Record) -> None:
    with api.open(record("same_turns")) as recording, recording.replay() as r:

        def seen() -> tuple[int, dict[str, int]]:
            return r.memory.integer(r.symbol("visits"), 4), dict(r.regs)

        turns = []
        while r.run_to("visit"):
            turns.append(seen())
        assert [visits for visits, _ in turns] == list(range(12))
        assert turns[5][1] == turns[6][1], "the registers tell them apart: the test is of no use"
        for turn in reversed(turns):
            assert r.run_to("visit", backwards=True)
            assert seen() == turn
        for turn in turns[1:]:
            assert r.run_to("visit")
            assert r.step(-1) == 1
            assert r.step() == 1
            assert seen() == turn


def test_code_that_is_not_mapped_yet_is_run_to(looked_at: Replay) -> None:
    r = looked_at
    assert r.run_to("main")
    assert r.run_to("signal")  # before anything else stops the run
    address, place = r.regs.pc, dict(r.regs)
    for _ in range(2):
        r.seek(0)
        assert r.run_to(address)
        assert dict(r.regs) == place
        r.seek_end()
        assert r.run_to(address, backwards=True)
        assert dict(r.regs) == place


def test_a_breakpoint_is_told_once_though_time_is_up_beside_it(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeline, "CHECKPOINT_NS", 30_000)
    with api.open(record("visits", f"-DVISITS={VISITS}", "-DTURNS=2000")) as recording, recording.replay() as r:
        visits = []
        while r.run_to("visit"):
            visits.append(r.regs.arguments[0])
        assert visits == list(range(VISITS))


def test_the_start_and_the_end_are_no_further(looked_at: Replay) -> None:
    r = looked_at
    assert r.step(-3) == 0
    r.seek_end()
    end = r.event
    assert r.at_end()
    assert r.step(3) <= 1
    assert r.event == end
    assert r.regs.pc == 0
    assert r.run_to("main") is False


def test_a_name_of_a_later_program(record: Record) -> None:
    with api.open(record("looked_at", run="exec {0} again")) as recording, recording.replay() as r:
        assert r.run_to("square")
        assert r.describe().startswith("square at looked_at.c:")
        r.seek_end()
        assert r.regs.pc == 0


@pytest.mark.skipif(platform.machine() == "aarch64", reason="a run that is long enough takes an emulator minutes")
def test_going_back_is_interrupted(record: Record) -> None:
    with api.open(record("visits", f"-DVISITS={VISITS}", f"-DTURNS={TURNS}")) as recording, recording.replay() as r:
        assert r.run_to("visit")
        first = dict(r.regs)
        r.seek_end()
        interrupt = threading.Timer(0.3, r.debuggee.interrupt)
        interrupt.start()
        with pytest.raises(KeyboardInterrupt):
            r.run_to(0x1000, backwards=True)
        interrupt.join()
        r.seek(0)
        assert r.run_to("visit")
        assert dict(r.regs) == first


# ---- threads that take turns ----


@pytest.fixture
def wandered(record: Record) -> Iterator[Replay]:
    with api.open(record("wandered", *WANDERED)) as recording, recording.replay() as replay:
        yield replay


def _here(r: Replay) -> tuple[int, int, dict[str, int], int]:
    return r.event, r.thread.tid, _registers(r), r.memory.integer(r.symbol("total"), 8)


def _calls(r: Replay, function: str) -> list[tuple[int, int, dict[str, int], int]]:
    r.seek(0)
    calls = []
    while r.run_to(function):
        calls.append(_here(r))
    return calls


def test_a_handler_is_met_whichever_thread_runs_it(wandered: Replay) -> None:
    r = wandered
    forwards = _calls(r, "alarmed")
    r.seek_end()
    assert len(forwards) == r.memory.integer(r.symbol("alarms"), 4) > 0
    for call in reversed(forwards):
        assert r.run_to("alarmed", backwards=True)
        assert _here(r) == call
    assert not r.run_to("alarmed", backwards=True)


def test_a_thread_steps_back_from_where_it_made_another(wandered: Replay) -> None:
    r = wandered
    for call in [each for each in r.recording.events("evt.type in (clone, clone3)") if each.result > 0]:
        r.seek(call)
        assert r.step() == 1
        assert (r.thread.tid, r.regs.result) == (call.tid, call.result)
        assert r.step(-1) == 1
        made_at = r.regs.pc
        assert r.memory[made_at : made_at + len(CALL)] == CALL
        assert r.step(-1) == 1
        assert r.thread.tid == call.tid
        assert 0 < made_at - r.regs.pc <= 15


def test_going_back_from_where_a_thread_was_switched_out(wandered: Replay) -> None:
    """In a call, too: then it need not be at the place that is returned to."""
    r = wandered
    calls = _calls(r, "bump")
    for switch in list(r.recording.events("evt.type = switch"))[4:]:
        r.seek(switch)
        if not r.debuggee.threads or r.at_end():
            break
        before = [call for call in calls if call[0] <= switch.seq]
        assert r.run_to("bump", backwards=True) == bool(before)
        assert not before or _here(r) == before[-1]


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_walk_at_random_through_threads(wandered: Replay, seed: int) -> None:  # noqa: PLR0912 - one a move
    """Calls, steps and writes in both directions, against a list made by going forwards once."""
    r, choice = wandered, random.Random(seed)
    calls = _calls(r, "bump")
    total, alone = r.symbol("total"), r.symbol("alone")
    chosen = sorted(choice.sample(range(1, len(calls) - 1), 6))
    saved, ways = {}, {}
    r.seek(0)
    for number, call in enumerate(calls):
        assert r.run_to("bump")
        assert _here(r) == call
        if number in chosen:
            saved[number], ways[number] = r.checkpoint(), [call]
            for _ in range(40):
                assert r.step() == 1
                ways[number].append(_here(r))
            r.restore(saved[number])
    for _ in range(30):
        at = choice.choice(chosen)
        r.restore(saved[at])
        _, tid, registers, value = calls[at]
        assert _here(r) == calls[at]
        move = choice.choice(["calls", "steps", "steps back", "last write", "next write", "last write of many"])
        match move:
            case "calls":
                to = choice.randint(max(0, at - 3), min(len(calls) - 1, at + 3))
                onward = 1 if to > at else -1
                for number in range(at + onward, to + onward, onward):
                    assert r.run_to("bump", backwards=onward < 0)
                    assert _here(r) == calls[number]
                for number in range(to - onward, at - onward, -onward):
                    assert r.run_to("bump", backwards=onward > 0)
                    assert _here(r) == calls[number]
            case "steps":
                done = 0
                for _ in range(4):
                    count = choice.randint(-done, len(ways[at]) - 1 - done)
                    assert r.step(count) == abs(count)
                    done += count
                    assert _here(r)[1:3] == ways[at][done][1:3]
            case "steps back":
                count = choice.randint(1, 80)
                assert r.step(-count) == count
                assert r.step(count) == count
                assert _here(r)[1:3] == (tid, registers)
            case "last write":
                write = r.last_write(total, 8)
                assert write is not None
                assert (write.function, write.tid) == ("bump", calls[at - 1][1])
                assert r.memory.integer(total, 8) == calls[at - 1][3]
                assert r.step() == 1
                assert r.memory.integer(total, 8) == value
            case "next write":
                assert r.next_write(total, 8)
                assert r.thread.tid == tid
                assert r.memory.integer(total, 8) == calls[at + 1][3]
            case "last write of many":
                mine = alone + 8 * r.regs.arguments[0]
                times = r.memory.integer(mine, 8)
                write = r.last_write(mine, 8)
                assert write is not None
                assert (write.function, write.tid, r.memory.integer(mine, 8)) == ("work", tid, times - 1)
                assert r.step() == 1
                assert r.memory.integer(mine, 8) == times


# ---- who wrote ----


def test_the_last_write_of_an_instruction(looked_at: Replay) -> None:
    r = looked_at
    r.seek_end()
    counter = r.symbol("counter")
    value = r.memory.integer(counter, 4)
    functions = []
    for _ in range(25):
        write = r.last_write(counter, 4)
        assert write is not None
        assert (write.call, write.address, write.pc) == (None, counter, r.regs.pc)
        assert int.from_bytes(write.new, "little") == value
        value = int.from_bytes(write.old, "little")
        assert r.memory.integer(counter, 4) == value
        functions.append((write.function, write.line))
    assert functions[:21] == [("go_deep", _line("square(9)") + 1)] * 21
    assert functions[21] == ("square", _line("counter++"))
    assert functions[22] == ("compare", _line("*(const long *)a") - 1)


def test_the_last_write_of_a_system_call(looked_at: Replay) -> None:
    r = looked_at
    r.seek_end()
    (read,) = r.recording.events("evt.type = read and evt.rawres = 5")
    write = r.last_write(r.symbol("buffer"), 8)
    assert write is not None
    assert (write.call, write.event, write.old, write.new) == ("read", read.seq, bytes(8), b"hello\0\0\0")
    assert r.event == read.seq
    assert _own(r.backtrace()) == [f"main:{_line('read(ends[0]')}"]
    assert re.fullmatch(rf"event {read.seq}, thread \d+: read\(\) in .* wrote 68656c6c6f000000 over 0+", str(write))
    assert r.last_write(r.symbol("buffer"), 8) is None
    assert r.describe().endswith(f"in {LINKER}")


def test_the_last_writes_of_calls_by_way_of_a_file(record: Record) -> None:
    """A file that is mapped is written to by a call, and the memory of a process by another process."""
    with api.open(record("mapped_write")) as recording, recording.replay() as r:
        (mmap,) = recording.events("evt.type = mmap and evt.rawarg.flags = 1")
        r.seek_end()
        for call, value, former in (("write", 9, 8), ("pwrite64", 8, 7), ("pwrite64", 7, 0)):
            write = r.last_write(mmap.result + 4096, 4)
            assert write is not None
            assert (write.call, write.new[0], write.old[0]) == (call, value, former)
        assert r.last_write(mmap.result + 4096, 4) is None
        r.seek_end()
        write = r.last_write(r.symbol("given"), 4)
        assert write is not None
        assert (write.call, write.new[0], write.old[0]) == ("pwrite64", 5, 1)
        assert write.tid != mmap.tid


def test_the_next_write(looked_at: Replay) -> None:
    r = looked_at
    r.run_to("main")
    counter = r.symbol("counter")
    for number in range(3):
        write = r.next_write(counter, 4)
        assert write is not None
        assert (write.function, write.new[0], write.old[0]) == ("square", number + 1, number)
        assert r.memory.integer(counter, 4) == number + 1
    again = r.last_write(counter, 4)
    assert again == write
    r.run_to("go_deep")
    while r.next_write(counter, 4):
        assert not r.at_end()
    assert r.at_end()


def test_memory_that_cannot_be_watched(looked_at: Replay) -> None:
    looked_at.run_to("main")
    with pytest.raises(api.RetrogradeError, match="do not fit"):
        looked_at.last_write(looked_at.symbol("numbers"), 4096)
    assert looked_at.describe().startswith("main ")


# ---- stacks ----


def test_through_a_callback_of_a_library(looked_at: Replay) -> None:
    r = looked_at
    r.run_to("compare")
    frames = r.backtrace()
    assert _own(frames) == [f"compare:{_line('static int compare')}", f"main:{_line('qsort(numbers')}"]
    main = [frame.function for frame in frames].index("main")
    assert main > 1
    assert all((frame.module or "").endswith("libc.so.6") for frame in frames[1:main])
    assert frames[-1].function == "_start"
    cfas = [frame.cfa for frame in frames if frame.cfa is not None]
    assert cfas == sorted(cfas)


def test_through_a_signal_handler(looked_at: Replay) -> None:
    r = looked_at
    r.run_to("from_handler")
    frames = r.backtrace()
    assert [line.partition(":")[0] for line in _own(frames)] == ["from_handler", "handler", "main"]
    assert [frame.signal for frame in frames[:4]] == [False, False, True, False]
    assert _own(frames)[2] == f"main:{_line('raise(SIGUSR1)')}"


def test_through_a_call_of_nothing(looked_at: Replay) -> None:
    r = looked_at
    r.seek_end()
    frames = r.backtrace()
    assert frames[0].pc == 0
    assert frames[0].function is None
    assert _own(frames) == [f"fail:{_line('nothing();')}", f"main:{_line('    fail();')}"]


def test_a_deep_stack_and_a_limit(looked_at: Replay) -> None:
    r = looked_at
    r.run_to("main")
    r.run_to("go_deep")
    r.run_to("square")
    assert [line.partition(":")[0] for line in _own(r.backtrace())] == ["square", *["go_deep"] * 21, "main"]
    assert len(r.backtrace(7)) == 7


def test_frames_are_those_of_gdb(record: Record) -> None:
    needs_gdb()
    recording = record("looked_at")
    places = ["compare", "from_handler"]
    # Without the libraries' debugging information of this machine, from which it makes up frames of tail calls.
    commands = ["set debug-file-directory /nowhere", "set backtrace past-main on", "handle SIGUSR1 nostop noprint pass"]
    commands += [f"break {place}" for place in places]
    commands += [command for _ in places for command in ("continue", "echo =\\n", "backtrace")]
    words = [word for command in commands for word in ("-ex", command)]
    ran = retrograde("replay", str(recording), "--quiet", "--", "-nx", "-batch", *words)
    with api.open(recording) as opened, opened.replay() as r:
        for place, text in zip(["from_handler", "compare"], ran.stdout.split("=\n")[1:], strict=True):
            r.run_to(place)
            listed = [int(pc, 16) for pc in re.findall(r"^#[1-9]\d* +(0x\w+) in ", text, re.MULTILINE)]
            assert len(listed) > 3
            assert [frame.pc for frame in r.backtrace()[1:] if not frame.signal] == listed


@pytest.mark.parametrize(
    "options",
    [
        ("-O2",),
        ("-O2", "-fno-asynchronous-unwind-tables", "-gdwarf-4"),  # .debug_frame alone
        ("-static",),
        ("-no-pie", "-gdwarf-2", "-gstrict-dwarf"),
        ("-gz", "-gdwarf-4"),
        ("-gdwarf64",),
        ("-ffunction-sections", "-Wl,--gc-sections", "-Wl,-z,separate-code"),
        ("-Wl,--no-eh-frame-hdr", "-static"),
    ],
    ids=" ".join,
)
def test_however_it_was_compiled(record: Record, options: tuple[str, ...]) -> None:
    with api.open(record("looked_at", "-fno-inline", *options)) as recording, recording.replay() as r:
        r.run_to("from_handler")
        frames = r.backtrace()
        functions = [frame.function for frame in frames if frame.file and frame.file.endswith("looked_at.c")]
        assert functions in (["from_handler", "handler", "main"], ["from_handler", "main"])  # a tail call
        assert r.run_to("compare")
        assert _line("static int compare") <= (r.place().line or 0) <= _line("*(const long *)a")
        assert "main" in [frame.function for frame in r.backtrace()]


def test_without_symbols(record: Record) -> None:
    with api.open(record("looked_at", "-Wl,-E", strip=("strip", "--strip-all"))) as recording, recording.replay() as r:
        assert r.run_to("from_handler")  # what others may call has a name still
        frames = r.backtrace()
        assert frames[0].file is None
        assert str(frames[0]).endswith(" from_handler in looked_at")
        assert "main" in [frame.function for frame in frames]


def test_by_frame_pointers(record: Record) -> None:
    options = ("-fno-asynchronous-unwind-tables", "-fno-unwind-tables", "-Wl,-E")
    with api.open(record("looked_at", *options, strip=("strip", "--strip-all"))) as recording, recording.replay() as r:
        r.run_to("main")
        r.run_to("square")
        r.step(2)  # push %rbp; mov %rsp,%rbp
        functions = [frame.function for frame in r.backtrace()]
        assert functions[:2] == ["square", "main"]
        assert functions[-1] == "_start"


def test_separate_debugging_information(record: Record, tmp_path: Path) -> None:
    """It is read where it is asked for, and nowhere else."""
    apart = tmp_path / "debug"
    script = (
        "set -e; id=$(readelf -n $1 | sed -n 's/.*Build ID: //p'); "
        f"mkdir -p {apart}/.build-id/$(echo $id | cut -c1-2); "
        f"objcopy --only-keep-debug $1 {apart}/.build-id/$(echo $id | cut -c1-2)/$(echo $id | cut -c3-).debug; "
        "strip $1"
    )
    place = record("looked_at", "-Wl,--build-id", strip=("sh", "-c", script, "sh"))
    with api.open(place) as recording:
        with recording.replay() as r, pytest.raises(NotFoundError, match="no symbol square"):
            r.symbol("square")
        with recording.replay(debug_directories=[apart]) as r:
            r.run_to("from_handler")
            assert _own(r.backtrace())[1] == f"handler:{_line('from_handler(number);')}"
        for file in apart.rglob("*.debug"):
            file.write_bytes(b"\x7fELF nonsense")
        with recording.replay(debug_directories=[apart]) as r, pytest.raises(CannotError, match="no debugging"):
            r.symbol("square")


# ---- registers, memory, names ----


def test_registers(looked_at: Replay) -> None:
    r = looked_at
    r.run_to("square")
    assert getattr(r.regs, PC) == r.regs[PC] == r.regs.pc
    assert getattr(r.regs, SP) == r.regs.sp
    assert set(r.regs) >= OTHERS
    assert 0 <= r.regs[f"{VECTOR}0"] < 1 << 128
    assert f"{PC:8} 0x" in repr(r.regs)
    with pytest.raises(AttributeError, match="no register r16"):
        _ = r.regs.r16
    with pytest.raises(NotFoundError, match=f"no register {VECTOR}32"):
        _ = r.regs[f"{VECTOR}32"]


def test_memory(looked_at: Replay) -> None:
    r = looked_at
    r.run_to("go_deep")
    buffer, numbers = r.symbol("buffer"), r.symbol("numbers")
    assert r.memory[buffer : buffer + 5] == b"hello"
    assert r.memory[buffer] == ord("h")
    assert r.memory.string(buffer) == b"hello"
    assert r.memory.string(buffer, 3) == b"hel"
    assert [r.memory.integer(numbers + 8 * at) for at in range(4)] == [1, 2, 3, 4]
    with pytest.raises(NotFoundError, match="no memory at 0x10"):
        r.memory.read(16, 4)
    with pytest.raises(LookupError):
        r.memory.string(16)
    for wrong in (slice(None, 3), slice(8, 4), slice(0, 8, 2), slice(0, 1 << 40)):
        with pytest.raises(UsageError):
            _ = r.memory[wrong]


def test_names(looked_at: Replay) -> None:
    r = looked_at
    with pytest.raises(NotFoundError, match="no symbol sqare in what is loaded\ndid you mean square"):
        r.symbol("sqare")
    with pytest.raises(NotFoundError, match=r"no code of nowhere\.c:12"):
        r.run_to("nowhere.c:12")
    assert r.describe(r.symbol("square") + 8).startswith("square+8 at looked_at.c:")
    assert r.describe(16) == "?"
    assert r.symbol("handler") < r.symbol("main")  # it is static
    r.run_to("main")
    assert r.describe(r.symbol("qsort")).startswith("qsort in libc")


def test_behind_the_end_there_is_no_process(looked_at: Replay) -> None:
    r = looked_at
    r.seek(r.debuggee.size)
    assert r.at_end()
    assert r.threads == []
    for question in (lambda: r.regs, lambda: r.memory, r.backtrace, lambda: r.symbol("main"), r.describe):
        with pytest.raises(UsageError, match="has ended before event"):
            question()
    r.seek_end()
    assert r.backtrace()[1].function == "fail"


# ---- load-exclusive and store-exclusive: no stop between them may be seen ----

arm64_only = pytest.mark.skipif(platform.machine() != "aarch64", reason="arm64's instructions")


def _is_store_exclusive(code: int) -> bool:
    return code & 0x3FE00000 == 0x08000000


@arm64_only
def test_steps_lead_through_exclusive_loops(record: Record) -> None:
    with api.open(record("exclusive")) as recording, recording.replay() as r:
        r.run_to("add")
        start = dict(r.regs)
        places = [r.place()]
        for _ in range(100):
            assert r.step() == 1
            places.append(r.place())
        assert sum(place.function == "main" for place in places) > 10
        assert r.memory.integer(r.symbol("counter")) > 1
        assert r.step(-100) == 100
        assert dict(r.regs) == start


@arm64_only
def test_writes_of_store_exclusive(record: Record) -> None:
    with api.open(record("exclusive")) as recording, recording.replay() as r:
        counter = r.symbol("counter")
        r.run_to("main")
        forwards = []
        while (write := r.next_write(counter)) is not None:
            forwards.append((int.from_bytes(write.old, "little"), int.from_bytes(write.new, "little")))
            assert write.function == "add"
        assert forwards == [(0, 1), (1, 3), (3, 6), (6, 10)]
        backwards = []
        while (write := r.last_write(counter)) is not None and write.function == "add":
            backwards.append((int.from_bytes(write.old, "little"), int.from_bytes(write.new, "little")))
            assert _is_store_exclusive(r.memory.integer(r.regs.pc, 4))
        assert backwards == forwards[::-1]


# ---- threads and processes ----


def test_threads(record: Record) -> None:
    # In the function itself, not in libgcc's.
    options = ("-mno-outline-atomics",) if platform.machine() == "aarch64" else ()
    with api.open(record("workers", *options)) as recording, recording.replay() as r:
        r.seek_end()
        total = r.symbol("sum")
        assert r.memory.integer(total) == 13
        writers = set()
        for _ in range(3):
            write = r.last_write(total)
            assert write is not None
            assert (write.function, write.line) == ("work_on", _line("__atomic_add_fetch", "workers"))
            assert r.thread.tid == write.tid
            writers.add((int.from_bytes(write.new, "little") - int.from_bytes(write.old, "little"), r.thread.name))
        assert writers == {(1, "first"), (2, "second"), (10, "workers")}
        while r.run_to("work_on"):
            pass
        r.run_to("work_on", backwards=True)
        assert sorted(thread.name for thread in r.threads) == ["first", "second", "workers"]
        assert r.thread.tid in [thread.tid for thread in r.threads]
        assert r.regs.pc == r.thread.regs.pc == r.symbol("work_on")
        for thread in r.threads:
            functions = [frame.function for frame in thread.backtrace()]
            assert ("work" in functions) == (thread.name != "workers")
            assert ("main" in functions) == (thread.name == "workers")


def test_a_child(record: Record) -> None:
    with api.open(record("workers")) as recording:
        child = max(process.pid for process in recording.processes)
        with recording.replay() as parent:
            assert not parent.run_to("in_child")
        with recording.replay(child) as r:
            assert r.pid == child
            assert r.run_to("in_child")
            assert [line.partition(":")[0] for line in _own(r.backtrace())] == ["in_child", "main"]
            total = r.symbol("sum")
            assert r.last_write(total) is None
            write = r.next_write(total)
            assert write is not None
            assert (write.old[0], write.new[0], write.function) == (13, 77, "in_child")
            r.seek_end()
            assert r.at_end()
        with pytest.raises(UsageError, match="no process 1"):
            recording.replay(1)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="other architectures have no trap flag that programs see")
def test_steps_do_not_show_in_the_flags(record: Record) -> None:
    """A step over popf makes the kernel take the trap flag for the program's own."""
    trap_flag = 0x100
    with api.open(record("flags")) as recording, recording.replay() as r:
        assert r.run_to("flags_again")
        while r.symbol("flags_again") <= r.regs.pc < r.symbol("main"):
            assert r.step() == 1
            assert not r.regs["eflags"] & trap_flag
        assert r.run_to("printf")
        assert r.regs.arguments[1] == 0
        r.seek_end()
        assert r.at_end()


# ---- a run that goes another way ----


def test_a_divergence_names_the_line(record: Record, tmp_path: Path) -> None:
    altered = Altered.of(record("looked_at"))
    changed = 0
    for row in altered.rows:
        for segment in row.memory:
            if segment.data == b"hello" and segment.flags & 1:
                segment.data = b"HELLO"
                changed += 1
    assert changed == 1
    folder = altered.write(tmp_path / "altered")
    where = rf"\n  0x\w+ main\+\d+ at looked_at\.c:{_line('read(ends[0]')}\n"
    with api.open(folder) as recording, recording.replay() as r:
        with pytest.raises(ReplayDivergenceError, match=where) as caught:
            r.seek_end()
        assert f"divergence at event {caught.value.event}, thread {caught.value.tid}: " in str(caught.value)
        assert "\nthe last events of the thread:\n" in str(caught.value)
        assert "\nregisters:\n" in str(caught.value)
        assert str(caught.value).count("divergence at event") == 1
    checked = retrograde("replay", str(folder), "--check", "--quiet")
    assert checked.returncode == 4
    assert re.search(where, checked.stderr)
    assert "HELLO" in checked.stderr


def test_a_step_back_from_the_signal_that_a_call_has_raised(record: Record) -> None:
    """It leads to the instruction that makes the call, and the one before to the instruction before that."""
    with api.open(record("ledger")) as recording, recording.replay() as r:
        r.seek_end()
        behind = r.regs["pc"]
        r.step(-1)
        call = r.regs["pc"]
        assert behind - call == len(CALL)
        assert r.memory[call:behind] == CALL
        r.step(-1)
        assert r.regs["pc"] < call
        r.step(2)
        assert r.regs["pc"] == behind


def test_a_breakpoint_at_the_instruction_that_writes_what_is_watched(looked_at: Replay) -> None:
    """Both are told of, each time one after the other; backwards they are at one moment, told of once."""
    r = looked_at
    r.run_to("main")
    counter = r.symbol("counter")
    write = r.next_write(counter, 4)
    assert write is not None
    r.run_to("main", backwards=True)
    r.debuggee.add_breakpoint(BreakpointKind.SOFTWARE, write.pc, 1)
    r.debuggee.add_breakpoint(BreakpointKind.WRITE, counter, 4)
    told = [r.debuggee.resume().reason for _ in range(6)]
    assert told == [StopReason.BREAKPOINT, StopReason.WATCHPOINT] * 3
    back = [r.debuggee.resume(Direction.BACKWARD).reason for _ in range(4)]
    assert back == [StopReason.WATCHPOINT] * 3 + [StopReason.HISTORY_BEGIN]
