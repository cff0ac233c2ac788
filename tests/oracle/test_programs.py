"""Real programs under the memory oracle: whatever memory a call changes, the syscall table must declare."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

PYTHON = """
import os, select, signal, socket, subprocess, sys, tempfile, time
a, b = socket.socketpair()
a.send(b"x" * 100)
b.recv(50), select.select([b], [], [], 0), os.listdir("/")
subprocess.run(["true"])
listener = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(listener.getsockname())
server, address = listener.accept()
server.sendall(b"hello"), client.recv(10), client.getpeername()
file = tempfile.TemporaryFile()
file.write(b"abc"), file.flush(), os.fstat(file.fileno()), os.getrandom(10)
signal.signal(signal.SIGALRM, lambda *_: None), signal.setitimer(signal.ITIMER_REAL, 0.02), time.sleep(0.05)
"""
THREADS = """
import os, select, socket, threading, time
def work():
    a, b = socket.socketpair()
    for _ in range(5):
        a.send(b"x" * 100), b.recv(50), os.stat("/etc"), select.select([b], [], [], 0), time.sleep(0.001)
threads = [threading.Thread(target=work) for _ in range(3)]
[thread.start() for thread in threads], [thread.join() for thread in threads]
"""
BASH = """
for i in 1 2 3; do echo $i | cat; done
x=$(date); trap 'echo trapped' USR1; kill -USR1 $$
test -f /etc/passwd && read -r line < /etc/passwd
sleep 0.05 & wait; mkfifo pipe; cat pipe & echo through > pipe; wait; echo "${x}" | wc -c
"""
PERL = """
use POSIX; opendir(D, "/etc"); my %h; $h{$_} = stat("/etc/$_") for readdir D; system("true");
pipe(R, W); if (!fork) { print W "child"; exit 3 } wait; print strftime("%c", localtime), scalar keys %h;
"""
GIT = """
git init -q repository && cd repository && echo a > a && git add a
git -c user.name=a -c user.email=a@b commit -qm a && git log && git status && git gc -q
"""
SQL = "create table t(a); begin; insert into t values(1),(2); commit; select sum(a) from t; vacuum;"
C = """int main(void) { return 0; }"""
MAKE = """all: a b\na:\n\techo a > a\nb: a\n\tcat a > b\n"""

# Each has something small to do in a folder with the files made below.
COMMANDS: dict[str, list[str]] = {
    "ls": ["ls", "-laR", "/etc/apt"],
    "cp": ["cp", "-a", "tree", "copy"],
    "mv": ["mv", "tree/one", "tree/two"],
    "rm": ["rm", "-r", "tree"],
    "ln": ["ln", "-s", "text", "link"],
    "stat": ["stat", "text"],
    "touch": ["touch", "-d", "2020-01-01", "text"],
    "chmod": ["chmod", "600", "text"],
    "df": ["df"],
    "du": ["du", "-a", "/etc/apt"],
    "date": ["date"],
    "id": ["id"],
    "dd": ["dd", "if=/dev/zero", "of=zeros", "bs=4k", "count=20"],
    "head": ["head", "-c", "10000", "/dev/urandom"],
    "tail": ["tail", "-n", "3", "text"],
    "wc": ["wc", "text"],
    "sort": ["sort", "--parallel=1", "-r", "text"],
    "uniq": ["uniq", "-c", "text"],
    "cut": ["cut", "-c", "1-3", "text"],
    "sha256sum": ["sha256sum", "text"],
    "split": ["split", "-n", "3", "text"],
    "timeout": ["timeout", "5", "sleep", "0.01"],
    "nproc": ["nproc"],
    "uname": ["uname", "-a"],
    "readlink": ["readlink", "-f", "."],
    "mktemp": ["mktemp", "-p", "."],
    "stty": ["stty", "-F", "/dev/ptmx"],
    "find": ["find", "/etc/apt", "-type", "f", "-newer", "text"],
    "xargs": ["xargs", "-a", "text", "-n", "100", "echo"],
    "grep": ["grep", "-rn", "main", "/etc/apt"],
    "sed": ["sed", "-i", "s/a/b/", "text"],
    "awk": ["awk", "{n += NF} END {print n}", "text"],
    "diff": ["diff", "-r", "tree", "/etc/apt"],
    "tar": ["tar", "czf", "tree.tar.gz", "tree", "text"],
    "gzip": ["gzip", "-k", "text"],
    "xz": ["xz", "-k", "-T1", "text"],
    "bzip2": ["bzip2", "-k", "text"],
    "dash": ["dash", "-c", "ls | wc -l; cat < text > text2"],
    "bash": ["bash", "-c", BASH],
    "perl": ["perl", "-e", PERL],
    "python3": ["/usr/bin/python3", "-S", "-c", PYTHON],
    "python3-threads": ["/usr/bin/python3", "-S", "-c", THREADS],
    "xz-threads": ["xz", "-k", "-T2", "text"],
    "git": ["sh", "-c", GIT],
    "gcc": ["gcc", "-O1", "-o", "program", "program.c"],
    "make": ["make"],
    "sqlite3": ["sqlite3", "base", SQL],
    "ps": ["ps", "aux"],
    "free": ["free"],
    "mount": ["mount"],
    "script": ["script", "-qc", "true", "/dev/null"],
    "openssl": ["openssl", "rand", "10"],
    "file": ["file", "/bin/ls"],
    "readelf": ["readelf", "-h", "/bin/ls"],
    "ip": ["ip", "addr"],
    "ss": ["ss", "-tan"],
    "getent": ["getent", "passwd", "root"],
}


def prepare(folder: Path) -> None:
    """Make the files that the commands work on."""
    (folder / "text").write_text("".join(f"line {n % 7} of many\n" for n in range(300)))
    (folder / "tree").mkdir()
    (folder / "tree" / "one").write_text("one")
    (folder / "program.c").write_text(C)
    (folder / "Makefile").write_text(MAKE)


def check(oracle: Path, folder: Path, *command: str) -> dict[str, Any]:
    """Run the command under the oracle; assert that it ran and that nothing undeclared changed."""
    output = folder / "oracle.json"
    done = subprocess.run(
        [str(oracle), "--output", str(output), "--", *command],
        cwd=folder,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )
    lines = [json.loads(line) for line in output.read_text(errors="surrogateescape").splitlines()]
    violations = [line for line in lines if line["type"] == "violation"]
    assert violations == []
    assert done.returncode == 0, done.stderr
    summary: dict[str, Any] = lines[-1]
    assert summary["type"] == "summary"
    assert sum(summary["calls"].values()) > 0
    return summary


@pytest.mark.parametrize("name", COMMANDS)
def test_program(name: str, oracle: Path, tmp_path: Path) -> None:
    command = COMMANDS[name]
    if shutil.which(command[0]) is None or shutil.which(name.partition("-")[0]) is None:
        pytest.skip(f"{name} is not installed")
    prepare(tmp_path)
    summary = check(oracle, tmp_path, *command)
    assert summary["bytes_compared"] > 0
    assert summary["bytes_changed_declared"] > 0
