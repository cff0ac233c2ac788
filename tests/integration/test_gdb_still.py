"""The real gdb on a process that stands still: registers, threads, memory, libraries, files."""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from retrograde.replay.debuggee import Stop, StopReason
from tests.support.core_debuggee import CoreDebuggee, StillDebuggee
from tests.support.gdb_runs import built, needs_gdb, run_gdb

_LIBRARY = """
__thread int plug_local = 77;
int plug_value(int x) { plug_local += x; return plug_local; }
"""
_PROGRAM = """
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
int plug_value(int);
__thread int local = 5;
static char needle[] = "needle-in-a-haystack";
static char big[300000] = "first";
static pthread_barrier_t barrier;
static void *work(void *index) {
    local = 100 + (int)(long)index;
    plug_value(local);
    pthread_barrier_wait(&barrier);
    pause();
    return 0;
}
static void fill(void) {
    static const int four[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    asm volatile("movdqu %0, %%xmm1; fldpi; fld1" : : "m"(four) : "memory");
    asm volatile("int3");
}
int main(void) {
    pthread_t threads[2];
    pthread_barrier_init(&barrier, 0, 3);
    for (long i = 0; i < 2; i++) pthread_create(&threads[i], 0, work, (void *)i);
    plug_value(1);
    big[299999] = 'z';
    pthread_barrier_wait(&barrier);
    usleep(50000);
    fill();
    return 0;
}
"""


@pytest.fixture(scope="module")
def dumped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A program of three threads that has stopped in `fill`: its core dump, and the program."""
    needs_gdb()
    folder = tmp_path_factory.mktemp("dumped")
    built(folder, "libplug.so", _LIBRARY, "-shared", "-fPIC")
    program = built(folder, "still", _PROGRAM, "-L.", "-lplug", f"-Wl,-rpath,{folder}", "-pthread")
    core = folder / "core"
    words = [
        "gdb",
        "-nx",
        "-batch",
        "-iex",
        "set debuginfod enabled off",
        "-ex",
        "run",
        "-ex",
        f"gcore {core}",
        program,
    ]
    subprocess.run(words, check=True, capture_output=True, timeout=120)
    return core, program


@pytest.fixture
def still(dumped: tuple[Path, Path]) -> CoreDebuggee:
    return CoreDebuggee(*dumped)


def _stop(still: CoreDebuggee) -> Stop:
    return Stop(StopReason.SIGNAL, still.current_thread, 5)


def test_gdb_opens_at_the_stop_with_symbols_of_the_recording(still: CoreDebuggee) -> None:
    status, text = run_gdb(still, ["backtrace", "info sharedlibrary", "info signals SIGALRM"], stop=_stop(still))
    assert status == 0
    assert re.search(r"#1 +0x[0-9a-f]+ in main \(\) at .*still\.c:\d+", text)
    assert re.search(r"Yes .*target:.*/libplug.so", text)
    # The linker's name of it leads to the file that was mapped, where /lib is a link to /usr/lib.
    assert re.search(r"Yes .*target:/lib.*/libc\.so\.6", text)
    assert "warning" not in text
    assert "from remote target" not in text


def test_registers_of_the_processor(still: CoreDebuggee) -> None:
    commands = ["p $xmm1.v4_int32", "p $st0", "p $st1", "p $ftag", "p $fctrl", "p $orig_rax", "p $fs_base != 0",
                "p $pc == (void(*)())&fill+($pc-(void(*)())&fill)", "info registers rip eflags mxcsr"]  # fmt: skip
    _, text = run_gdb(still, commands, stop=_stop(still))
    assert "$1 = {0, 1, 2, 3}\n$2 = 1\n$3 = 3.14159265358979323851\n$4 = 4095\n$5 = 895\n$6 = -1\n$7 = 1\n" in text
    assert re.search(r"rip +0x\w+ +0x\w+ <fill\+", text)
    assert re.search(r"mxcsr +0x1f80 +\[ IM DM ZM OM UM PM \]", text)


def test_threads_and_their_variables(still: CoreDebuggee) -> None:
    commands = ["info threads", "thread apply all -q -s p local", "thread apply all -q -s p plug_local", "thread 2",
                "backtrace"]  # fmt: skip
    _, text = run_gdb(still, commands, stop=_stop(still))
    pid = still.pid
    assert f'* 1    Thread {pid}.{pid} "thread <0>" ' in text
    assert {"$1 = 101", "$2 = 100", "$3 = 5", "$4 = 178", "$5 = 177", "$6 = 78"} <= set(text.splitlines())
    assert re.search(r"in work \(index=0x0\) at ", text)


def test_memory_is_read_and_searched(still: CoreDebuggee) -> None:
    commands = ['find &needle, +60, (char)104, (char)97, (char)121', "p needle", "p big[299999]",
                'find &big, +sizeof(big), (char)122', "p *(int *)16"]  # fmt: skip
    status, text = run_gdb(still, commands, stop=_stop(still))
    assert re.search(r"^0x[0-9a-f]+ <needle\+12>\n1 pattern found\.", text, re.MULTILINE)
    assert '"needle-in-a-haystack"' in text
    assert "= 122 'z'" in text
    assert re.search(r"^0x[0-9a-f]+ <big\+299999>\n1 pattern found\.", text, re.MULTILINE)
    assert "Cannot access memory at address 0x10" in text
    assert status == 1


def test_what_is_known_of_the_process(still: CoreDebuggee, dumped: tuple[Path, Path]) -> None:
    _, text = run_gdb(still, ["info auxv", "info proc mappings", "info proc exe"], stop=_stop(still))
    program = str(dumped[1])
    assert re.search(rf'AT_EXECFN +File name of executable +0x\w+ "{program}"', text)
    assert re.search(rf"0x\w+ +0x\w+ +0x\w+ +0x0 +r-xp +{program}\n", text)
    assert f"exe = '{program}'" in text


def test_a_core_dump_of_it_can_be_made(still: CoreDebuggee, tmp_path: Path) -> None:
    _, text = run_gdb(still, [f"generate-core-file {tmp_path}/again"], stop=_stop(still))
    assert "Saved corefile" in text
    again = CoreDebuggee(tmp_path / "again", Path(still.exec_file()))
    assert again.registers(still.pid) == still.registers(still.pid)


def test_both_ends_of_history(still: CoreDebuggee) -> None:
    _, text = run_gdb(still, ["continue", "reverse-continue", "stepi", "reverse-stepi"], stop=_stop(still))
    assert text.count("No more reverse-execution history.") == 4


def test_no_files_but_those_of_the_recording(still: CoreDebuggee, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    _, text = run_gdb(still, [f"remote get {secret} {tmp_path}/got", f"remote put {secret} {tmp_path}/put"])
    assert "No such file" in text
    assert "Read-only file system" in text
    assert not (tmp_path / "got").exists() or not (tmp_path / "got").read_text()
    assert not (tmp_path / "put").exists()


def test_scripts_in_a_recorded_program_are_not_run(tmp_path: Path) -> None:
    needs_gdb()
    source = (
        'asm(".pushsection \\".debug_gdb_scripts\\", \\"MS\\",@progbits,1\\n.byte 4\\n.ascii \\"inlined\\\\n\\"\\n"\n'
        f'    ".ascii \\"import os; os.mkdir(\\\'{tmp_path}/harm\\\')\\\\n\\"\\n.byte 0\\n.popsection");\n'
        "int main(void) { __builtin_trap(); }\n"
    )
    program = built(tmp_path, "harmful", source)
    (tmp_path / "harmful-gdb.gdb").write_text(f"shell mkdir {tmp_path}/harm\n")
    core = tmp_path / "core"
    permissive = ["-iex", "set auto-load safe-path /", "-iex", "set debuginfod enabled off"]
    # gdb alone runs it, where the user trusts everything.
    subprocess.run(["gdb", "-nx", "-batch", *permissive, "-ex", "run", "-ex", f"gcore {core}", program],
                   check=True, capture_output=True, timeout=120)  # fmt: skip
    assert (tmp_path / "harm").is_dir()
    (tmp_path / "harm").rmdir()
    home = tmp_path / "gdbinit"
    home.write_text("set auto-load safe-path /\nset auto-load python-scripts on\n")
    still = CoreDebuggee(core, program)
    _, text = run_gdb(still, ["backtrace"], options=["-nx", *permissive, "-ix", str(home)])
    assert "#0  main () at" in text
    assert not (tmp_path / "harm").exists()


def test_gdbs_exit_status_is_returned(still: CoreDebuggee) -> None:
    assert run_gdb(still, ["quit 7"])[0] == 7


def test_registers_of_arm64(tmp_path: Path) -> None:
    gdb = shutil.which("gdb-multiarch")
    if gdb is None:
        pytest.skip("gdb-multiarch is not installed")
    floating = b"".join(struct.pack("<2Q", i, 1000 + i) for i in range(32)) + struct.pack("<4I", 5, 6, 0, 0)
    general = struct.pack("<34Q", *range(31), 0x7FFF0800, 0x401000, 0x60000000)
    (tmp_path / "program").touch()
    nops = b"\x1f\x20\x03\xd5" * 64
    still = StillDebuggee("arm64", str(tmp_path / "program"), {77: general}, {77: floating},
                          [(0x401000, nops, "r-xp"), (0x7FFF0000, bytes(4096), "rw-p")])  # fmt: skip
    commands = [
        "p $x30",
        "p $sp",
        "p $pc",
        "p $cpsr",
        "p/x $tpidr",
        "p $v31.d.u",
        "p $q3",
        "p $fpsr",
        "p $fpcr",
        "x/i $pc",
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("retrograde.gdbstub.launch.find_gdb", lambda: gdb)
        _, text = run_gdb(still, commands)
    assert "$1 = 30\n$2 = (void *) 0x7fff0800\n$3 = (void (*)()) 0x401000\n$4 = [ EL=0 BTYPE=0 C Z ]\n" in text
    assert "$5 = 0x7770\n$6 = {31, 1031}\n" in text
    assert "$8 = 5\n$9 = 6\n" in text
    assert re.search(r"0x401000:\s+nop", text)
