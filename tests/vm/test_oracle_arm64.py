"""The memory oracle on arm64, in a virtual machine: whatever memory a call changes, the syscall table must declare.

`make test-arm64` runs this.
"""

from __future__ import annotations

from collections import Counter

import pytest

from tests.oracle.test_calls import CASES, LACKING, LIMITS
from tests.support import oracle_arm64
from tests.support.oracle_arm64 import PROGRAMS, Outcome, Run


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Boot once and run everything; all tests look at what came out."""
    reason = oracle_arm64.missing()
    if reason:
        pytest.skip(reason)
    return oracle_arm64.run(tmp_path_factory.mktemp("oracle"))


def check(run: Run) -> None:
    assert run.violations == []
    assert run.ended, f"it did not come to its end: {run.said}"


def test_no_call_changes_memory_that_the_table_does_not_declare(outcome: Outcome) -> None:
    runs = [*outcome.cases.values(), *outcome.programs.values()]
    assert [line for run in runs for line in run.violations] == []
    compared: Counter[str] = Counter()
    for run in runs:
        if run.ended:
            compared.update(run.lines[-1]["calls"])
    assert compared.total() >= 10_000
    assert len(compared) >= 300


def test_oracle_finds_a_write_that_is_not_declared(outcome: Outcome) -> None:
    """What uname writes is no result of getppid, which the oracle is told to take it for."""
    assert {line["call"] for line in outcome.proof.violations} == {"getppid"}


@pytest.mark.parametrize("case", LIMITS)
def test_limit_is_as_it_is_told(case: str, outcome: Outcome) -> None:
    found = outcome.limits[case].violations
    assert {(violation["call"], violation["argument"]) for violation in found} == {LIMITS[case]}


@pytest.mark.parametrize("case", CASES)
def test_call(case: str, outcome: Outcome) -> None:
    if case not in outcome.cases:
        pytest.skip(f"{case}: this architecture does not have the call")
    run = outcome.cases[case]
    check(run)
    if run.exit_code == LACKING:
        pytest.skip(f"{case}: Linux {outcome.release}: {run.said.strip() or 'does not have or allow the call'}")
    assert run.exit_code == 0, run.said


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name: str, outcome: Outcome) -> None:
    run = outcome.programs[name]
    check(run)
    assert run.exit_code == 0, run.said
    assert run.lines[-1]["bytes_changed_declared"] > 0
