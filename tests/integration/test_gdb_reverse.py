"""The real gdb on a run that moves both ways: breakpoints, watchpoints, calls, seeking, checkpoints."""

from __future__ import annotations

import os
import platform
import pty
import re
import select
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from retrograde.gdbstub.launch import gdb_command
from retrograde.gdbstub.server import listen_tcp, serve
from tests.support.gdb_runs import built, needs_gdb, run_gdb
from tests.support.stepped_debuggee import SteppedDebuggee

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="the program is stepped on x86-64 alone")

_PROGRAM = """
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
struct node { int value; struct node *next; };
static struct node nodes[4];
int total;
char *victim;
int calls;
static int add(int x) {
    total += x;
    return total;
}
int square(int x) { calls++; return x * x; }
int length(const char *text) {
    int n = 0;
    while (text[n]) n++;
    return n;
}
char *greeting(const char *name) {
    char *text = malloc(64);
    strcpy(text, "hello ");
    strcat(text, name);
    return text;
}
static void corrupt(int i) {
    if (i == 2) victim = (char *)0x10;
}
int main(void) {
    static char heap[1];
    victim = heap;
    free(malloc(100));
    for (int i = 0; i < 4; i++) {
        nodes[i].value = square(i);
        nodes[i].next = i ? &nodes[i - 1] : 0;
        add(i);
        corrupt(i);
        getppid();
    }
    *victim = 'v';
    return 3;
}
"""
_ORDERLY = """
#include <unistd.h>
int total;
int main(void) {
    for (volatile int i = 0; i < 300; i++) total++;
    getppid();
    return 3;
}
"""
_VECTORS = """
int main(void) {
    static const int many[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
#ifdef __AVX__
    asm volatile("vmovdqu %0, %%ymm2" : : "m"(many) : "memory");
#endif
#ifdef __AVX512F__
    asm volatile("vmovdqu64 %0, %%zmm3; vmovdqu64 %0, %%zmm17; mov $0x1234, %%eax; kmovw %%eax, %%k3"
                 : : "m"(many) : "eax", "memory");
#endif
    __builtin_trap();
}
"""
_PAST = "The past can't be changed"


@pytest.fixture(scope="module")
def crashing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    needs_gdb()
    return built(tmp_path_factory.mktemp("crashing"), "crashing", _PROGRAM, "-no-pie", "-Wl,-z,now")


@pytest.fixture
def run(crashing: Path) -> SteppedDebuggee:
    return SteppedDebuggee(crashing)


@pytest.fixture
def static_run(tmp_path: Path) -> SteppedDebuggee:
    """The same, whose system calls are those of the program alone."""
    needs_gdb()
    return SteppedDebuggee(built(tmp_path, "crashing", _PROGRAM, "-no-pie", "-static"))


@pytest.fixture(scope="module")
def orderly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    needs_gdb()
    return built(tmp_path_factory.mktemp("orderly"), "orderly", _ORDERLY, "-no-pie", "-Wl,-z,now")


def _line(text: str, words: str) -> int:
    """The number of a line of the program."""
    return next(at for at, line in enumerate(text.splitlines(), 1) if words in line)


def test_from_the_crash_back_to_the_write_that_caused_it(run: SteppedDebuggee) -> None:
    commands = ["continue", "watch victim", "reverse-continue", "backtrace", "p i", "up", "p i"]
    _, text = run_gdb(run, commands)
    assert "Program received signal SIGSEGV, Segmentation fault." in text
    assert "Hardware watchpoint 1: victim\n\nOld value = 0x10" in text
    assert "corrupt (i=2) at" in text
    assert re.search(rf"\n{_line(_PROGRAM, '(char *)0x10')}\s+if \(i == 2\)", text)
    assert text.count("= 2\n") >= 2


def test_breakpoints_in_both_directions(run: SteppedDebuggee) -> None:
    commands = ["break add if x == 2", "hbreak square", "continue", "continue", "continue", "continue", "continue",
                "delete 2", "reverse-continue", "reverse-continue", "info breakpoints"]  # fmt: skip
    _, text = run_gdb(run, commands)
    stops = re.findall(r"(Breakpoint \d, \w+ \(x=\d\)|SIGSEGV|No more reverse)", text)
    assert stops == ["Breakpoint 2, square (x=0)", "Breakpoint 2, square (x=1)", "Breakpoint 2, square (x=2)",
                     "Breakpoint 1, add (x=2)", "Breakpoint 2, square (x=3)", "Breakpoint 1, add (x=2)",
                     "No more reverse"]  # fmt: skip
    assert "breakpoint already hit 2 times" in text


def test_stepping_in_both_directions(run: SteppedDebuggee) -> None:
    commands = ["break add", "continue", "finish", "step", "next", "reverse-next", "reverse-step", "continue",
                "reverse-finish", "stepi", "reverse-stepi"]  # fmt: skip
    _, text = run_gdb(run, commands)
    assert "Value returned is $1 = 0" in text
    line = {name: _line(_PROGRAM, words) for name, words in (
        ("main", "int main"), ("add", "static int add"), ("total", "total += x"), ("call add", "        add(i);"),
        ("call corrupt", "        corrupt(i);"), ("test", "if (i == 2)"))}  # fmt: skip
    lines = [int(number) for number in re.findall(r"^(?:0x\w+\t)?(\d+)\t", text, re.MULTILINE)]
    assert lines == [line["main"], line["total"], line["call corrupt"], line["test"], line["test"] + 1, line["test"],
                     line["call corrupt"], line["total"], line["call add"], line["add"], line["call add"]]  # fmt: skip


def test_the_end_is_the_last_moment_that_can_be_looked_at(orderly: Path) -> None:
    commands = ["continue", "backtrace -1", "p total", "reverse-continue", "p total", "next"]
    _, text = run_gdb(SteppedDebuggee(orderly), commands)
    assert "[The recorded process exited with status 3 here]\n" in text
    assert "$1 = 300\n" in text
    assert "$2 = 0\n" in text
    assert text.count("No more reverse-execution history.") == 2


def test_functions_are_called_in_a_copy(run: SteppedDebuggee) -> None:
    commands = ["break add if x == 2", "continue", "p square(7)", 'p length("four")', 'p greeting("you")', "p calls",
                "stepi", "p calls", "p total", "p add(40)", "p total", "next", "p total"]  # fmt: skip
    _, text = run_gdb(run, commands)
    values = re.findall(r"^\$\d+ = (.*)$", text, re.MULTILINE)
    assert values[0:2] == ["49", "4"]
    assert values[2].endswith('"hello you"')
    # What they changed is seen until the run moves, and not afterwards.
    assert values[3:] == ["4", "3", "1", "41", "41", "3"]
    assert _PAST not in text
    assert run.copies == 2


def test_what_is_set_is_kept_until_the_run_moves(run: SteppedDebuggee) -> None:
    commands = ["break add if x == 2", "continue", "set var total = 50", "p total", "p $rax = 7", "p $xmm5.uint128 = 9",
                "p $xmm5.uint128", "p add(1)", "set var total = 60", "next", "p total", "p $xmm5.uint128"]  # fmt: skip
    _, text = run_gdb(run, commands)
    values = re.findall(r"^\$\d+ = (.*)$", text, re.MULTILINE)
    assert values[:5] == ["50", "7", "9", "9", "51"]
    assert values[5] == "3"
    assert values[6] != "9"
    assert text.count(_PAST) == 1


def test_a_call_can_be_debugged_and_left(static_run: SteppedDebuggee) -> None:
    commands = ["break add if x == 2", "continue", "break length", 'p length("abc")', "backtrace", "when", "finish",
                'p length("abcd")', "reverse-continue", "backtrace", "p length((char *)4)", "reverse-stepi",
                "backtrace", 'p length("x")', "seek 0", "when", "p calls"]  # fmt: skip
    _, text = run_gdb(static_run, commands)
    assert re.search(r"#0  length \(text=0x\w+ \"abc\"\).*\n#1  <function called from gdb>\n#2  add \(x=2\)", text)
    assert "(a copy of it is being run)" in text
    assert "Value returned is $1 = 3" in text
    assert text.count("Back to where the call began.\n") == 2
    assert text.count("\n#0  add (x=2) at") == 2
    assert text.count("Current event: 0,") == 1
    assert "$2 = 1\n" in text


def test_a_call_that_crashes_leaves_the_run_as_it_was(run: SteppedDebuggee) -> None:
    commands = ["break corrupt", "continue", "p length((char *)4)", "continue", "backtrace 1", "p calls", "next"]
    _, text = run_gdb(run, commands)
    assert "The program being debugged was signaled while in a function called from GDB." in text
    assert "The copy of the process has ended: back to where it began.\n" in text
    assert re.search(r"#0  corrupt \(i=0\)", text)
    assert "$1 = 1\n" in text


def test_jumping_runs_a_copy(run: SteppedDebuggee) -> None:
    commands = ["tbreak corrupt", "continue", "break length", "set var $rdi = (long)&victim", "set confirm off",
                "jump length", "reverse-continue", "backtrace 1"]  # fmt: skip
    _, text = run_gdb(run, commands)
    assert "The recorded run can't go another way: a copy of the process runs" in text
    assert "Breakpoint 2, length (text=" in text
    assert "Back to where the call began." in text
    assert text.count("#0  corrupt (i=0)") == 1


def test_seeking_and_checkpoints(static_run: SteppedDebuggee) -> None:
    commands = ["when", "seek 2", "p calls", "when", "checkpoint", "seek end", "p calls", "checkpoint",
                "info checkpoints", "restart 1", "p calls", "delete checkpoint 1", "info checkpoints", "restart 1",
                "seek 99", "seek x", "run", "p calls", "run 1", "p calls", "events", "events 110", "when"]  # fmt: skip
    status, text = run_gdb(static_run, commands)
    assert status == 0
    assert "Current event: 0, thread " in text
    assert re.findall(r"^\$\d+ = (\d)$", text, re.MULTILINE) == ["3", "4", "3", "1", "2"]
    assert re.search(r"Checkpoint 1 at event 2: thread \d+, pc 0x\w+, getppid\n", text)
    assert re.search(r"Checkpoint 2 at event 4: .*, main at .*crashing\.c:\d+\n", text)
    assert re.search(r"  1  at event 2: .*\n  2  at event 4: ", text)
    assert "there is no checkpoint 1; `info checkpoints` lists them" in text
    assert "there is no event 99; the last one is 3" in text
    assert "seek EVENT has a number, not `x`" in text
    assert text.count("> 1 syscall 110\n") == 2
    assert text.count("\n#0  ") == 5


def test_watchpoints_know_of_a_seek(static_run: SteppedDebuggee) -> None:
    # The value at the end is that which gdb has seen at the start: the write to it is a hit all the same.
    commands = ["seek 1", "watch calls", "seek end", "reverse-continue", "seek 0", "continue"]
    _, text = run_gdb(static_run, commands)
    assert re.findall(r"^(?:Old|New) value = (\d)", text, re.MULTILINE) == ["4", "3", "1", "2"]


def test_a_seek_is_a_stop_to_gdb(static_run: SteppedDebuggee) -> None:
    listener = "lambda event: print('stopped', gdb.parse_and_eval('calls'))"
    commands = ["display calls", f"python gdb.events.stop.connect({listener})",
                "break square", "seek 1", "continue"]  # fmt: skip
    _, text = run_gdb(static_run, commands)
    assert "stopped 2\n" in text
    assert re.search(r"1: calls = 2\n", text)
    assert "Breakpoint 1, square (x=2)" in text


def test_signals_that_gdb_passes_do_not_stop_it(run: SteppedDebuggee) -> None:
    _, text = run_gdb(run, ["handle SIGSEGV nostop noprint pass", "continue"])
    assert "[The recorded process was killed by signal 11 here]\n" in text
    assert "Program received" not in text


def test_an_interrupt_stops_a_run(orderly: Path) -> None:
    slow = SteppedDebuggee(orderly, slow=0.005)
    interrupter = (
        "python import os, signal, threading; threading.Timer(1, os.kill, (os.getpid(), signal.SIGINT)).start()"
    )
    _, text = run_gdb(slow, [interrupter, "continue", "p total > 0 && total < 300"])
    assert "Program received signal SIGINT, Interrupt." in text
    assert "$1 = 1\n" in text


def test_a_range_is_stepped_here_and_can_be_interrupted(orderly: Path) -> None:
    slow = SteppedDebuggee(orderly, slow=0.005)
    interrupter = (
        "python import os, signal, threading; threading.Timer(1, os.kill, (os.getpid(), signal.SIGINT)).start()"
    )
    _, text = run_gdb(slow, ["next", interrupter, "next", "p total < 300"])
    assert "Program received signal SIGINT, Interrupt." in text
    assert "$1 = 1\n" in text


def test_registers_of_avx(tmp_path: Path) -> None:
    needs_gdb()
    flags = Path("/proc/cpuinfo").read_text()
    features = [name for name in ("avx", "avx512f") if re.search(rf"^flags.*\b{name}\b", flags, re.MULTILINE)]
    if not features:
        pytest.skip("the processor has no AVX")
    program = built(tmp_path, "vectors", _VECTORS, "-static", "-no-pie", *(f"-m{name}" for name in features))
    commands = ["continue", "p $ymm2.v8_int32"]
    if "avx512f" in features:
        commands += ["p $zmm3.v16_int32", "p $zmm17.v16_int32", "p/x $k3", "p $ymm17.v8_int32",
                     "p $zmm17.v16_int32[15] = 99", "p $zmm17.v16_int32[15]", "p $k3 = 5", "p $k3"]  # fmt: skip
    _, text = run_gdb(SteppedDebuggee(program), commands)
    assert "$1 = {0, 1, 2, 3, 4, 5, 6, 7}\n" in text
    if "avx512f" in features:
        sixteen = "{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}"
        assert f"$2 = {sixteen}\n$3 = {sixteen}\n$4 = 0x1234\n$5 = {{0, 1, 2, 3, 4, 5, 6, 7}}\n" in text
        assert "$6 = 99\n$7 = 99\n$8 = 5\n$9 = 5\n" in text


def test_containers_of_cpp_are_printed(tmp_path: Path) -> None:
    needs_gdb()
    if not Path("/usr/share/gcc/python/libstdcxx").is_dir():
        pytest.skip("libstdc++'s printers are not installed")
    source = "#include <vector>\nint main() { std::vector<int> v{1, 2}; __builtin_trap(); }\n"
    program = built(tmp_path, "vector", source, "-no-pie", compiler="g++")
    _, text = run_gdb(SteppedDebuggee(program), ["continue", "p v"])
    assert "$1 = std::vector of length 2, capacity 2 = {1, 2}\n" in text


def test_a_port_serves_one_gdb_after_the_other(crashing: Path) -> None:
    run = SteppedDebuggee(crashing)
    with listen_tcp(0) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        first, second = (
            shlex.join(
                gdb_command("gdb", address, ["-nx", "-batch", "-ex", "break corrupt", "-ex", "continue", "-ex", end])
            )
            for end in ("detach", "kill")
        )
        both = subprocess.Popen(f"{first}; {second}", shell=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert serve(run, listener, keep=True) is None
        text = both.communicate(timeout=60)[0].decode()
    # The second one goes on from where the first one was.
    assert re.findall(r"Breakpoint 1, corrupt \(i=(\d)\)", text) == ["0", "1"]


def test_a_static_program_opened_at_its_end_is_stepped_backwards(static_run: SteppedDebuggee) -> None:
    commands = ["break corrupt", "reverse-continue", "next", "reverse-next", "info breakpoints"]
    _, text = run_gdb(static_run, commands, to="end")
    test = _line(_PROGRAM, "if (i == 2)")
    lines = [int(number) for number in re.findall(r"^(\d+)\t", text, re.MULTILINE)]
    assert lines == [_line(_PROGRAM, "int main"), _line(_PROGRAM, "*victim ="), test, test + 1, test]


_TERMINAL = """
import sys
from pathlib import Path
from retrograde.gdbstub import debug
from tests.support.stepped_debuggee import SteppedDebuggee
sys.exit(debug(SteppedDebuggee(Path(sys.argv[1]), slow=0.005), ["-nx"]))
"""


def test_control_c_on_a_terminal_stops_the_run_alone(orderly: Path) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(sys.executable, [sys.executable, "-c", _TERMINAL, str(orderly)], os.environ | {"TERM": "dumb"})

    def expect(words: bytes) -> bytes:
        seen = b""
        while words not in seen:
            assert select.select([terminal], [], [], 60)[0], seen.decode()
            seen += os.read(terminal, 4096)
        return seen

    expect(b"(gdb) ")
    os.write(terminal, b"continue\n")
    expect(b"Continuing.")
    os.write(terminal, b"\x03")
    expect(b"Program received signal SIGINT")
    os.write(terminal, b"when\n")
    expect(b"Current event: 0")
    os.write(terminal, b"set confirm off\nquit 5\n")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 5
    os.close(terminal)
