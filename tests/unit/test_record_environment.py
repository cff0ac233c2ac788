"""The program that is recorded sees its caller's environment, and nothing that Python added."""

from __future__ import annotations

import subprocess
import sys

_PRINT = "import os; from retrograde.record.session import command_environment as e; print(os.environ, e())"


def _environments(*variables: str) -> tuple[str, str]:
    words = ["env", "-i", "PATH=/usr/bin:/bin", *variables, sys.executable, "-c", _PRINT]
    text = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    ours, _, command = text.partition(") ")
    return ours, command


def test_the_locale_that_python_sets_for_itself_is_left_out() -> None:
    ours, command = _environments()
    assert "LC_CTYPE" in ours
    assert "LC_CTYPE" not in command


def test_the_locale_that_the_caller_set_is_kept() -> None:
    assert "'LC_CTYPE': 'C'" in _environments("LC_CTYPE=C", "LC_ALL=C.UTF-8")[1]
