"""The scripts of docs/how-to/replay-scripts.md print what the page says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import compiled, retrograde

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "how-to" / "replay-scripts.md").read_text()
_BLOCKS = [re.sub(r"^    ", "", block, flags=re.MULTILINE) for block in re.findall(r"(?:^    .*\n|^\n)+", PAGE, re.M)]
SCRIPTS = {
    match["name"]: (match["script"], match["printed"])
    for block in _BLOCKS
    if (match := re.fullmatch(r'\n*(?P<script>""".*)\n\$ python (?P<name>\w+)\.py\n(?P<printed>.*)', block, re.S))
}


def test_there_are_three() -> None:
    assert list(SCRIPTS) == ["who", "calls", "broke"]


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory, capture_program: Path) -> Path:
    folder = tmp_path_factory.mktemp("ledger")
    program = compiled("ledger", folder, "-g", "-O0")
    recorded = retrograde("record", "-q", "-o", str(folder / "recording"), "--", str(program))
    if "can't be recorded" in recorded.stderr:
        pytest.skip(recorded.stderr)
    program.unlink()  # the recording has all that is needed
    return folder / "recording"


def _told(printed: str) -> str:
    """Return what was printed without what depends on the machine: numbers of events, offsets in code."""
    return re.sub(r"\bevent \d+", "event N", re.sub(r"\+\d+ at ", "+N at ", printed)).strip()


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_prints_what_the_page_says(name: str, ledger: Path) -> None:
    script, printed = SCRIPTS[name]
    ran = subprocess.run(
        [sys.executable, "-c", script.replace('"ledger"', repr(str(ledger)))],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.stderr == ""
    assert _told(ran.stdout) == _told(printed)
