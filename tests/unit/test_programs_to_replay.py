"""The programs to record and replay, bare: each builds without warnings and ends as it declares."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
from pathlib import Path

import pytest

from tests.support.replay_programs import ReplayProgram, build, missing_compiler, programs

ARCH = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())


@pytest.fixture(scope="session")
def built() -> None:
    """The programs for this machine are built, two at a time; a test says of its own what did not build."""
    if (compiler := missing_compiler(ARCH)) is not None:
        pytest.skip(f"not installed: {compiler}")
    build(ARCH, programs(ARCH))


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize("program", programs(ARCH), ids=str)
def test_ends_as_declared(program: ReplayProgram, tmp_path: Path) -> None:
    """Each program ends as its header says and finds nothing surprising."""
    if program.needs_root and os.geteuid() != 0:
        pytest.skip("the program needs root")
    if program.flaky is not None:
        pytest.skip(f"flaky: {program.flaky}")
    done = subprocess.run(
        [program.executable(ARCH), *program.arguments],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=30,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)),
    )
    assert done.returncode == program.returncode, done.stderr
    assert done.stdout != b""


@pytest.mark.parametrize("arch", ["x86_64", "arm64"])
def test_all_build_without_warnings(arch: str) -> None:
    """Every program for an architecture builds with its compiler, warnings being errors."""
    if (compiler := missing_compiler(arch)) is not None:
        pytest.skip(f"not installed: {compiler}")
    assert build(arch, programs(arch)) == {}


def test_there_is_one_for_each_behaviour() -> None:
    """There are as many programs as replay was promised to be tested by."""
    assert len({program.source for program in programs("x86_64")}) >= 150


def test_cases_share_a_source(tmp_path: Path) -> None:
    """A source with cases is as many programs, each with arguments and an end of its own."""
    (tmp_path / "several.c").write_text(
        "/* case first: a b | exit: 3 */\n/* case second: | signal: SIGSEGV */\n/* needs: root */\n"
    )
    first, second = programs(folder=tmp_path)
    assert (first.name, first.arguments, first.exit_status, first.signal) == ("first", ("a", "b"), 3, None)
    assert (second.name, second.arguments, second.exit_status, second.signal) == ("second", (), None, 11)
    assert first.needs_root
    assert (first.returncode, second.returncode) == (3, -11)


@pytest.mark.parametrize(
    "header",
    [
        "/* Nothing said of the end. */",
        "/* exit: 0 */\n/* signal: SIGSEGV */",
        "/* exit: 0 */\n/* arch: sparc */",
        "/* exit: 0 */\n/* needs: luck */",
        "/* exit: 0 */\n/* wants: something */",
        "/* case one: exit: 0 */",
        "/* case one: | ends: 0 */",
    ],
)
def test_a_wrong_header_is_refused(tmp_path: Path, header: str) -> None:
    """A header that says nothing, two things or something unknown is an error, not a default."""
    (tmp_path / "wrong.c").write_text(header + "\n")
    with pytest.raises(ValueError, match=r"wrong\.c"):
        programs(folder=tmp_path)
