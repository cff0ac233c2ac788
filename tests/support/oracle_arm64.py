"""The memory oracle on arm64: every case of tests/programs/oracle, and real programs, on Debian's kernel under qemu."""

from __future__ import annotations

import json
import os
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.oracle.test_calls import CASES, LIMITS, compile_calls
from tests.oracle.test_programs import BASH, PERL
from tests.support import vm

ORACLE = Path(__file__).resolve().parents[2] / "build" / "arm64" / "native" / "oracle" / "memory-oracle"

# Debian's packages that bash and perl, which are not static, need.
_PACKAGES = ("libc6", "libcrypt1", "libtinfo6", "bash", "perl-base")
_SERVER = """
httpd -f -p 127.0.0.1:8080 -h . & sleep 0.3
wget -q -O fetched http://127.0.0.1:8080/text; kill $!; cmp text fetched
"""
_SHELL = """
for i in 1 2 3; do echo $i | cat; done
x=$(date); trap 'echo trapped' USR1; kill -USR1 $$
read -r line < text; sleep 0.05 & wait
mkfifo pipe; cat pipe & echo through > pipe; wait; echo "$x" | wc -c
"""

# Shell scripts, each in a folder of its own with a file `text` and a folder `tree`. What has no path is busybox.
PROGRAMS = {
    "ls": "ls -laR /etc .",
    "cp": "cp -a tree copy",
    "mv": "mv tree/one tree/two",
    "rm": "rm -r tree",
    "ln": "ln -s text link",
    "stat": "stat text",
    "touch": "touch -d '2020-01-01 00:00:00' text",
    "df": "df",
    "du": "du -a .",
    "date": "date",
    "id": "id",
    "dd": "dd if=/dev/zero of=zeros bs=4k count=20",
    "head": "head -c 10000 /dev/urandom",
    "tail": "tail -n 3 text",
    "sort": "sort -r text",
    "sha256sum": "sha256sum text",
    "timeout": "timeout 5 sleep 0.01",
    "stty": "stty -F /dev/ptmx",
    "find": "find . -type f -newer tree -exec cat {} +",
    "xargs": "xargs -n 100 echo < text",
    "grep": "grep -rn line .",
    "sed": "sed -i s/a/b/ text",
    "awk": "awk '{n += NF} END {print n}' text",
    "diff": "diff -r tree tree",
    "tar": "tar czf tree.tar.gz tree text && tar tzf tree.tar.gz",
    "gzip": "gzip text && gzip -d text.gz",
    "bzip2": "bzip2 text && bunzip2 text.bz2",
    "cpio": "find tree | cpio -o -H newc > tree.cpio",
    "ps": "ps -o pid,args",
    "top": "top -b -n 1",
    "free": "free",
    "dmesg": "dmesg",
    "mount": "mount -t tmpfs tmp tree && umount tree",
    "unshare": "unshare -muinp -f true",
    "ip": "ip addr && ip route",
    "ifconfig": "ifconfig -a",
    "netstat": "netstat -tan",
    "ping": "ping -c 2 -i 0.1 127.0.0.1",
    "httpd": _SERVER,
    "sh": _SHELL,
    "bash": f"exec /usr/bin/bash -c {shlex.quote(BASH)}",
    "perl": f"exec /usr/bin/perl -e {shlex.quote(PERL)}",
}

_START = """
mkdir -p /out/cases /out/limits /out/programs /out/proof
/calls --list > /out/list
uname -r > /out/release
"""
# Little else than the oracle is started, since under emulation a process takes its time.
_FUNCTIONS = """
list=" $(echo $(cat /out/list)) "
mkdir -p $folder && cd $folder

run() { # GROUP NAME OPTION... -- COMMAND...
    output=/out/$1/$2
    shift 2
    timeout 120 /memory-oracle --output $output.json "$@" > $output.txt 2>&1 < /dev/null
}

run_case() { # GROUP NAME
    case $list in *" $2 "*) run $1 $2 -- /calls $2 ;; esac
}

run_program() { # NAME TEXT
    rm -rf $folder/* && mkdir tree && echo one > tree/one
    seq 300 | sed 's/.*/line & of many/' > text
    run programs $1 -- sh -c "$2"
}
"""


@dataclass(frozen=True)
class Run:
    """What came of one program under the oracle.

    Attributes:
        lines: the oracle's; the last is the summary, unless the run did not come to its end.
        said: what the program and the oracle printed.
    """

    lines: list[dict[str, Any]]
    said: str

    @property
    def ended(self) -> bool:
        """Whether the program came to its end in time."""
        return bool(self.lines) and self.lines[-1]["type"] == "summary"

    @property
    def violations(self) -> list[dict[str, Any]]:
        """The changes that the table does not declare."""
        return [line for line in self.lines if line["type"] == "violation"]

    @property
    def exit_code(self) -> int:
        """The program's, negative for a signal."""
        return os.waitstatus_to_exitcode(self.lines[-1]["exit_status"])


@dataclass(frozen=True)
class Outcome:
    """All runs of one boot, by name; `proof` took uname for getppid."""

    release: str
    cases: dict[str, Run]
    limits: dict[str, Run]
    programs: dict[str, Run]
    proof: Run


def missing() -> str | None:
    """Return why the oracle cannot be run on arm64 here, or None."""
    if not os.access(ORACLE, os.X_OK):
        return f"{ORACLE} is missing: make oracle-arm64"
    return vm.missing()


def run(folder: Path) -> Outcome:
    """Boot, run everything, and return what the oracle said of it.

    Raises:
        vm.VmError: the virtual machine did not come to its end.
    """
    vm.prepare()
    files = {"/memory-oracle": ORACLE, "/calls": compile_calls(folder, "aarch64-linux-gnu-gcc")}
    for package in _PACKAGES:
        files |= _installed(vm.package(package, vm.ARM64.arch))
    done = vm.run(vm.ARM64, files, _script(), folder, timeout=900)
    groups = {group: _runs(done.folder / group) for group in ("cases", "limits", "programs", "proof")}
    release = (done.folder / "release").read_text().strip()
    return Outcome(release, groups["cases"], groups["limits"], groups["programs"], groups["proof"]["uname"])


def _installed(package: Path) -> dict[str, Path]:
    """Return a package's programs and libraries by their path on a machine."""
    paths = [path for path in package.rglob("*") if path.is_file() and "share" not in path.parts]
    # /bin is busybox's, /usr/bin Debian's.
    return {"/" + re.sub("^bin/", "usr/bin/", str(path.relative_to(package))): path for path in paths}


def _script() -> str:
    """Return the script of all runs, a half on each CPU: the oracle and the program that it stops take turns."""
    runs = ["run proof uname --take-for uname=getppid -- /calls uname"]
    runs += [f"run_case cases {case}" for case in CASES]
    runs += [f"run_case limits {case}" for case in LIMITS]
    runs += [f"run_program {name} {shlex.quote(text)}" for name, text in PROGRAMS.items()]
    halves = ["\n".join([f"folder=/tmp/{n}", _FUNCTIONS, *runs[n::2]]) for n in (0, 1)]
    words = [f"taskset {n + 1} sh -c {shlex.quote(half)} &\n" for n, half in enumerate(halves)]
    return "".join([_START, *words, "wait\n"])


def _runs(folder: Path) -> dict[str, Run]:
    return {
        output.stem: Run(_lines(output.with_suffix(".json")), output.read_text(errors="replace"))
        for output in sorted(folder.glob("*.txt"))
    }


def _lines(file: Path) -> list[dict[str, Any]]:
    text = file.read_text(errors="surrogateescape") if file.exists() else ""
    return [json.loads(line) for line in text.splitlines()]
