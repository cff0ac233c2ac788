"""gdb and the Python API on arm64: the tests of tests/integration, on Debian's kernel under qemu.

The wheel that `make wheel-arm64` builds is what is tried there. `make test-arm64` runs this without what takes minutes
and tells little more, `make test-arm64-all` with all.
"""

from __future__ import annotations

import ast
import os
import platform
import shlex
import xml.etree.ElementTree as ET
import zipfile
from collections import defaultdict
from pathlib import Path

import pytest

from tests.support import debian_root, vm

ROOT = Path(__file__).resolve().parents[2]
_ALL = os.environ.get("RETROGRADE_ARM64_PROGRAMS") == "all"
FILES = ("test_gdb_replay", "test_replay_api", *(("test_demo",) if _ALL else ()))
LONG = {
    "test_however_it_was_compiled",
    "test_the_last_writes_of_calls_by_way_of_a_file",
    "test_frames_are_those_of_gdb",
    "test_a_walk_at_random_comes_to_the_same_places",
    "test_a_walk_at_random_through_threads",
    "test_going_back_from_where_a_thread_was_switched_out",
    "test_time_that_is_measured_wrongly_changes_no_place",
    "test_a_breakpoint_is_told_once_though_time_is_up_beside_it",
}
PACKAGES = ("python3", "gdb", "gcc", "libc6-dev", "dash", "coreutils", "file", "grep", "procps", "sed")
TOOLS = ("pytest", "hypothesis")

# One pytest for each file: there are two processors.
_SCRIPT = """
mkdir /disk/retrograde
mount -o bind /retrograde /disk/retrograde
for file in @FILES@; do
    chroot /disk /bin/sh -c "
        cd /retrograde
        export HOME=/root PATH=/usr/bin:/bin PYTHONPATH=/retrograde/site PYTHONDONTWRITEBYTECODE=1
        export RETROGRADE_TEST_SECONDS=600
        timeout -s KILL @SECONDS@ python3 -m pytest -p no:cacheprovider --tb=short -o junit_family=xunit1 \\
            -k '@CHOSEN@' --junit-xml /out/$file.xml tests/integration/$file.py > /out/$file.txt 2>&1
    " &
done
wait
"""
_SECONDS = 1200


def _functions() -> list[tuple[str, str]]:
    found = []
    for name in FILES:
        tree = ast.parse((ROOT / "tests" / "integration" / f"{name}.py").read_text())
        names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
        found += [
            (name, function) for function in names if function.startswith("test_") and (_ALL or function not in LONG)
        ]
    return found


def _wheel() -> Path | None:
    wheels = (ROOT / "dist").glob("retrograde-*_aarch64.whl")
    return max(wheels, key=lambda path: path.stat().st_mtime, default=None)


def _missing() -> str | None:
    if _wheel() is None:
        return "dist/ holds no wheel for arm64: make wheel-arm64"
    return vm.missing() or debian_root.missing()


def _files(folder: Path) -> dict[str, Path]:
    """Return what the machine gets: the wheel's files and the tests, by their paths there."""
    wheel = _wheel()
    assert wheel is not None
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    sites = {f"site/{path.relative_to(folder)}": path for path in folder.rglob("*") if path.is_file()}
    tests = [*(ROOT / "tests").rglob("*.py"), *(ROOT / "tests" / "programs").glob("*.c"), ROOT / "pyproject.toml"]
    tests += (ROOT / "src" / "retrograde" / "demo").glob("*.c")
    return {
        f"/retrograde/{name}": path for name, path in (sites | {str(p.relative_to(ROOT)): p for p in tests}).items()
    }


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], list[ET.Element]]:
    """Boot once and run all; return the cases of each function."""
    reason = _missing()
    if reason:
        pytest.skip(reason)
    vm.prepare()
    disk = debian_root.image("arm64", PACKAGES, [*debian_root.dependencies(), *TOOLS])
    folder = tmp_path_factory.mktemp("debugging")
    chosen = "" if _ALL else f"not ({' or '.join(sorted(LONG))})"
    values = {"@FILES@": shlex.join(FILES), "@SECONDS@": str(_SECONDS), "@CHOSEN@": chosen}
    script = _SCRIPT
    for name, value in values.items():
        script = script.replace(name, value)
    files = _files(tmp_path_factory.mktemp("wheel"))
    done = vm.run(vm.ARM64, files, script, folder, disk=disk, timeout=_SECONDS + 120)
    cases = defaultdict(list)
    for name in FILES:
        report = done.folder / f"{name}.xml"
        assert report.exists(), (done.folder / f"{name}.txt").read_text()[-4000:]
        for case in ET.parse(report).iter("testcase"):
            cases[name, case.attrib["name"].partition("[")[0]].append(case)
    return cases


@pytest.mark.skipif(platform.machine() == "aarch64", reason="`make test-here` has run them on this machine")
@pytest.mark.parametrize(("file", "function"), _functions())
def test_passes(outcomes: dict[tuple[str, str], list[ET.Element]], file: str, function: str) -> None:
    cases = outcomes.get((file, function), [])
    assert cases, "it was not run"
    for case in cases:
        for kind in ("failure", "error"):
            problem = case.find(kind)
            assert problem is None, problem.text
    skips = [skip for case in cases if (skip := case.find("skipped")) is not None]
    if len(skips) == len(cases):
        pytest.skip(skips[0].attrib["message"])
