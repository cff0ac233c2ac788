"""What the options of `record` say of system calls."""

import platform

import pytest

from retrograde.errors import SyntaxUsageError, UsageError
from retrograde.record.options import _calls


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_calls_are_those_of_the_machine(monkeypatch, machine):
    monkeypatch.setattr(platform, "machine", lambda: machine)
    if machine == "x86_64":
        assert _calls("open,3") == ["open", "3"]
    else:
        with pytest.raises(SyntaxUsageError, match="no system call 'open'"):
            _calls("open,3")


def test_a_machine_without_a_table_is_not_taken_for_another(monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(UsageError, match="no syscall table for 'riscv64'"):
        _calls("read")
