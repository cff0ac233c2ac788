"""The real gdb on recorded runs, by the command line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.commands import PROGRAMS, retrograde
from tests.support.gdb_runs import built, needs_gdb

_CRASH = """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
char *victim;
int calls;
int square(int x) { calls++; return x * x; }
char *greeting(const char *name) {
    char *text = malloc(64);
    strcpy(text, "hello ");
    return strcat(text, name);
}
static void corrupt(int i) {
    if (i == 2) victim = (char *)0x10;
}
int main(void) {
    static char heap[1];
    victim = heap;
    free(malloc(100));
    for (int i = 0; i < 4; i++) {
        square(i);
        corrupt(i);
        getppid();
    }
    puts("about to crash");
    fflush(stdout);
    *victim = 'v';
    return 3;
}
"""
_THREADS = """
#include <pthread.h>
#include <unistd.h>
int shared;
__thread int mine;
int *address_of_mine(void) { return &mine; }
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static void *work(void *index) {
    for (int i = 0; i < 3; i++) {
        pthread_mutex_lock(&mutex);
        mine = ++shared;
        pthread_mutex_unlock(&mutex);
        usleep(1000);
    }
    return 0;
}
int main(void) {
    pthread_t threads[2];
    for (long i = 0; i < 2; i++) pthread_create(&threads[i], 0, work, (void *)i);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], 0);
    return shared;
}
"""
_WATCHED = """
#include <unistd.h>
long watched, seen;
char buffer[16];
int main(void) {
    int ends[2];
    pipe(ends);
    for (int i = 1; i <= 3; i++) {
        watched = 10 * i;
        seen += watched;
        write(ends[1], &"abc"[i - 1], 1);
        read(ends[0], buffer, 1);
    }
    return 0;
}
"""


def _recorded(folder: Path, name: str, source: str, *options: str) -> None:
    needs_gdb()
    program = built(folder, name, source, *options)
    recorded = retrograde("record", "-q", "-o", name, "--", str(program))
    if "can't be recorded" in recorded.stderr:
        pytest.skip(recorded.stderr)
    program.unlink()  # the recording has all that is needed


def _gdb(name: str, *commands: str, at: tuple[str, ...] = ()) -> str:
    words = [word for command in commands for word in ("-ex", command)]
    ran = retrograde("replay", name, *at, "--", "-nx", "-batch", *words)
    assert "Traceback" not in ran.stderr, ran.stderr
    return ran.stdout + ran.stderr


@pytest.fixture
def crash(tmp_path: Path, capture_program: Path) -> str:
    _recorded(tmp_path, "crash", _CRASH)
    return "crash"


def test_from_the_failure_back_to_its_cause(crash: str) -> None:
    text = _gdb(crash, "watch victim", "reverse-continue", "p i", "backtrace", at=("--at-end",))
    assert "Old value = 0x10" in text
    assert re.search(r"#0 .* corrupt \(i=2\) at .*crash\.c:\d+\n#1 .* main \(\)", text)
    assert "$1 = 2\n" in text


def test_forwards_from_the_start(crash: str) -> None:
    text = _gdb(crash, "break square", "continue", "continue", "next", "finish", "reverse-finish", "delete", "continue",
                "continue", "info sharedlibrary", "info proc mappings", "reverse-continue")  # fmt: skip
    assert re.search(r"^(0x\w+ in )?(_start|\?\?) \(\) from target:", text)
    assert re.findall(r"square \(x=(\d)\)", text)[:2] == ["0", "1"]
    assert "Program received signal SIGSEGV" in text
    assert "[The recorded process was killed by signal 11 here]" in text
    assert re.search(r"Yes .*libc\.so\.6", text)
    assert re.search(r"r-xp .*/crash\n", text)
    assert text.count("No more reverse-execution history") == 2
    assert text.count("about to crash") >= 1


def test_functions_are_called_on_a_copy(crash: str) -> None:
    text = _gdb(crash, "break corrupt if i == 2", "continue", "p square(7)", 'p greeting("you")', "p calls", "stepi",
                "p calls", "set var calls = 9", "p calls", "next", "p calls")  # fmt: skip
    values = re.findall(r"^\$\d+ = (.*)$", text, re.MULTILINE)
    assert values[0] == "49"
    assert values[1].endswith('"hello you"')
    assert values[2:] == ["4", "3", "9", "3"]
    assert "The past can't be changed" in text


def test_events_and_checkpoints(crash: str) -> None:
    text = _gdb(crash, "break corrupt if i == 1", "continue", "when", "checkpoint", "seek end", "p calls", "restart 1",
                "p calls", "when", "events evt.type = getppid", "info checkpoints", "seek 100000", "run",
                "p calls")  # fmt: skip
    assert re.findall(r"^\$\d+ = (\d)$", text, re.MULTILINE) == ["4", "2", "0"]
    whens = re.findall(r"^Current event: (\d+), thread \d+$", text, re.MULTILINE)
    assert len(whens) == 2
    assert whens[0] == whens[1]
    assert len(re.findall(r"^[> ] \d+ .* getppid ", text, re.MULTILINE)) == 4
    assert re.search(r"^  1  at event \d+: thread \d+, pc 0x\w+, corrupt at .*crash\.c:\d+$", text, re.MULTILINE)


def test_threads(tmp_path: Path, capture_program: Path) -> None:
    _recorded(tmp_path, "threads", _THREADS, "-pthread")
    text = _gdb("threads", "break work", "continue", "continue", "info threads", "delete", "watch shared", "continue",
                "p mine", "seek end", "p shared", "reverse-continue", "p shared", "p mine", "info threads")  # fmt: skip
    assert len(re.findall(r"hit Breakpoint 1, work \(index=0x[01]\)", text)) == 2
    assert re.search(r"^\* 3 .*\bwork \(index=0x1\)", text, re.MULTILINE)
    values = re.findall(r"^\$\d+ = (\d)$", text, re.MULTILINE)
    assert values[1:3] == ["6", "5"]
    assert "divergence" not in text


def test_steps_back_are_those_of_the_selected_thread(tmp_path: Path, capture_program: Path) -> None:
    """The packet for them names none, and gdb has read the registers of all for its list."""
    _recorded(tmp_path, "wandered", (PROGRAMS / "wandered.c").read_text(), "-pthread", "-DSPINS=100",
              "-DALARM_US=50000")  # fmt: skip
    text = _gdb("wandered", "break bump", "continue", "continue", "continue", "p $_thread", "info threads",
                "reverse-next", "p $_thread", "thread 1", "reverse-stepi", "p $_thread")  # fmt: skip
    stopped, *stepped = re.findall(r"^\$\d+ = (\d)$", text, re.MULTILINE)
    assert stepped == [stopped, "1"]
    assert re.search(r"^\d+\s+bump\(\(long\)who\);$", text, re.MULTILINE)
    assert "SIGTRAP" not in text


def _watched(text: str) -> list[tuple[str, ...]]:
    """Return what each stop at a watchpoint told: its number, the value or both, and the line."""
    stops = re.findall(
        r"^Hardware .*watchpoint (\d): .*\n\n(?:Value = (.*)|Old value = (.*)\nNew value = (.*))\n(?:.*\n(\d+)\t)?",
        text,
        re.MULTILINE,
    )
    return [tuple(part.partition(" ")[0] for part in stop if part) for stop in stops]


def test_watchpoints_in_both_directions(tmp_path: Path, capture_program: Path) -> None:
    _recorded(tmp_path, "watched", _WATCHED)
    writes, reads = (
        str(_WATCHED.splitlines().index(f"        {line}") + 1) for line in ("watched = 10 * i;", "seen += watched;")
    )
    text = _gdb("watched", "break main", "continue", "watch watched", *["continue"] * 3, *["reverse-continue"] * 3,
                "delete", "awatch watched", *["continue"] * 3, *["reverse-continue"] * 2)  # fmt: skip
    assert _watched(text) == [
        *(("2", old, new, reads) for old, new in (("0", "10"), ("10", "20"), ("20", "30"))),
        *(("2", new, old, writes) for old, new in (("20", "30"), ("10", "20"), ("0", "10"))),
        *(("3", "0", "10", reads), ("3", "10", reads), ("3", "10", "20", reads)),
        *(("3", "20", "10", writes), ("3", "10", reads)),
    ]


def test_watched_memory_that_system_calls_write(tmp_path: Path, capture_program: Path) -> None:
    _recorded(tmp_path, "watched", _WATCHED)
    text = _gdb("watched", "break main", "continue", "watch buffer[0]", *["continue"] * 3, "x/i $pc - 4", "up", "p i",
                "reverse-continue", "x/i $pc", "up", "p i", *["reverse-continue"] * 2)  # fmt: skip
    assert [stop[1:3] for stop in _watched(text)] == [("0", "97"), ("97", "98"), ("98", "99"),
                                                      ("99", "98"), ("98", "97"), ("97", "0")]  # fmt: skip
    assert re.findall(r"^\$\d+ = (\d)$", text, re.MULTILINE) == ["3", "3"]
    assert re.search(r"^=> 0x.*:\t(syscall|svc\t#0x0)", text, re.MULTILINE)


def test_symbols_are_those_of_the_program_that_runs_at_the_moment(tmp_path: Path, capture_program: Path) -> None:
    needs_gdb()
    second = built(tmp_path, "second", "int late = 2;\nint main(void) { return late; }\n")
    source = (
        f'#include <unistd.h>\nint early = 1;\nint main(void) {{ return execl("{second}", "second", (char *)0); }}\n'
    )
    _recorded(tmp_path, "first", source)
    second.unlink()
    text = _gdb("first", "break main", "continue", "p early", "continue", "p late", "p early", "reverse-continue",
                "p early", "seek end", "p late", "run", "p early", "continue", "info symbol $pc")  # fmt: skip
    assert re.findall(r"^\$\d+ = (\d)$", text, re.MULTILINE) == ["1", "2", "1", "2", "1"]
    assert text.count('No symbol "early" in current context.') == 1
    assert re.findall(r"Breakpoint 1, main \(\) at .*/(\w+)\.c", text) == ["first", "second", "first"]
    assert re.search(r"main \+ \d+ in section \.text of target:.*/first", text)


def test_functions_are_called_in_any_thread(tmp_path: Path, capture_program: Path) -> None:
    _recorded(tmp_path, "threads", _THREADS, "-pthread")
    called = "p address_of_mine() == &mine"
    # The third thread stands at a breakpoint, over which gdb steps it before it calls in another one.
    text = _gdb("threads", "break work", "continue", "continue", "thread 2", called, "thread 1", called, "thread 3",
                called, "p mine", "continue", "p shared")  # fmt: skip
    assert re.findall(r"^\$\d+ = (\d)$", text, re.MULTILINE) == ["1", "1", "1", "0", "6"]
    assert "internal-error" not in text
    assert "stopped in another thread" not in text
