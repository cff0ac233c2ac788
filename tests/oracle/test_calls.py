"""One small program for each system call under the memory oracle, and a proof that the oracle finds what is wrong."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.oracle.test_programs import check

FOLDER = Path(__file__).resolve().parents[1] / "programs" / "oracle"
SOURCES = sorted(FOLDER.glob("calls*.c"))
# What the table does not declare, as docs/limits.md says ("Calls of a faulty program"), by case: call and argument.
LIMITS = {"recvfrom_negative_length": ("recvfrom", 1), "recvmmsg_faulty_name": ("recvmmsg", 1)}
CASES = [
    case
    for source in SOURCES
    for case in re.findall(r"^CASE\((\w+)\)", source.read_text(), re.MULTILINE)
    if case not in LIMITS
]
LACKING = 77


def compile_calls(folder: Path, compiler: str = "gcc") -> Path:
    """Return the program with one case for each call; static, since every call of the loader would be compared too."""
    program = folder / "calls"
    options = ["-std=gnu11", "-O1", "-w", "-pthread", "-static"]
    subprocess.run([compiler, *options, "-o", str(program), *map(str, SOURCES)], check=True)
    return program


@pytest.fixture(scope="session")
def calls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled program with one case for each call."""
    return compile_calls(tmp_path_factory.mktemp("oracle"))


@pytest.fixture(scope="session")
def listed(calls: Path) -> set[str]:
    """The cases that this architecture has."""
    return set(subprocess.run([str(calls), "--list"], capture_output=True, text=True, check=True).stdout.split())


@pytest.mark.parametrize("case", CASES)
def test_call(case: str, oracle: Path, calls: Path, listed: set[str], tmp_path: Path) -> None:
    if case not in listed:
        pytest.skip(f"{case}: this architecture does not have the call")
    summary = check(oracle, tmp_path, str(calls), case)
    if os.waitstatus_to_exitcode(summary["exit_status"]) == LACKING:
        pytest.skip(f"{case}: this kernel does not have or allow the call")
    assert summary["exit_status"] == 0


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= 380
    assert len(set(CASES)) == len(CASES)


def violations(oracle: Path, folder: Path, *words: str) -> list[dict[str, Any]]:
    """Run the oracle, which must find something, and return what."""
    output = folder / "oracle.json"
    command = [str(oracle), "--output", str(output), *words]
    done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    assert done.returncode == 1
    *found, summary = [json.loads(line) for line in output.read_text().splitlines()]
    assert summary["exit_status"] == 0
    return found


@pytest.mark.parametrize("case", LIMITS)
def test_limit_is_as_it_is_told(case: str, oracle: Path, calls: Path, tmp_path: Path) -> None:
    found = violations(oracle, tmp_path, "--", str(calls), case)
    assert {(violation["call"], violation["argument"]) for violation in found} == {LIMITS[case]}


def test_oracle_finds_a_write_that_is_not_declared(oracle: Path, calls: Path, tmp_path: Path) -> None:
    """What uname writes is no result of getppid, which the oracle is told to take it for."""
    found = violations(oracle, tmp_path, "--take-for", "uname=getppid", "--", str(calls), "uname")
    assert {violation["call"] for violation in found} == {"getppid"}
    assert all(violation["argument"] == 0 for violation in found)
    assert sum(violation["length"] for violation in found) > 20


def test_oracle_finds_what_the_end_of_a_thread_writes(oracle: Path, calls: Path, tmp_path: Path) -> None:
    """The word that a thread names with set_tid_address, where the oracle has not been told of that call."""
    words = ["--take-for", "set_tid_address=getppid", "--", str(calls), "thread_exit_robust"]
    (found,) = violations(oracle, tmp_path, *words)
    assert (found["call"], found["length"]) == ("exit", 4)
