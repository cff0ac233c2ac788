"""A real sudo, called by a user who is made for the test: he gets the privilege, and what it yields is his."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import stat
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src"
RULES = Path("/etc/sudoers.d")

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def caller(capture_program: Path, as_root: None) -> Iterator[pwd.struct_passwd]:
    """A user who may call this program with sudo, and nothing else. He is removed afterwards."""
    missing = [name for name in ("sudo", "visudo", "useradd", "userdel", "setpriv") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    name = f"rg-test-{os.getpid()}"
    rule = RULES / name
    subprocess.run(["useradd", "--create-home", "--user-group", "--shell", "/bin/sh", name], check=True)
    try:
        rule.touch(mode=0o440)
        rule.write_text(f"{name} ALL=(root) NOPASSWD: {sys.executable} -m retrograde *\n")
        subprocess.run(["visudo", "--check", "--quiet"], check=True)
        yield pwd.getpwnam(name)
    finally:
        rule.unlink(missing_ok=True)
        subprocess.run(["userdel", "--remove", name], check=True, stderr=subprocess.DEVNULL)


def _as(user: pwd.struct_passwd, words: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    """Run words as the user, in his home and in a login's environment."""
    privileges = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--init-groups", "--inh-caps=-all"]
    clean = {"HOME": user.pw_dir, "USER": user.pw_name, "PATH": os.defpath, **environment}
    return subprocess.run(
        [*privileges, *words],
        env=clean,
        cwd=user.pw_dir,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def sudo(caller: pwd.struct_passwd) -> Iterator[Run]:
    """`sudo retrograde …` as the user; what he recorded is removed afterwards."""

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        done = _as(caller, ["sudo", "-n", sys.executable, "-m", "retrograde", *words])
        if "effective uid is not 0" in done.stderr or "no new privileges" in done.stderr:
            pytest.skip(f"setuid programs have no effect here: {done.stderr.strip()}")
        return done

    yield run
    shutil.rmtree(Path(caller.pw_dir) / ".local", ignore_errors=True)


@pytest.fixture
def himself(caller: pwd.struct_passwd, capture_program: Path) -> Run:
    """`retrograde …` as the user, without sudo, by a Python that he may run."""
    path = os.pathsep.join([str(SOURCE), sysconfig.get_path("purelib")])
    program = shutil.copy(capture_program, caller.pw_dir)
    environment = {"PYTHONPATH": path, "RETROGRADE_CAPTURE": str(program)}
    for python in (sys.executable, "/usr/bin/python3"):
        if _as(caller, [python, "-c", "import retrograde.cli, numpy"], **environment).returncode == 0:
            return lambda *words: _as(caller, [python, "-m", "retrograde", *words], **environment)
    pytest.skip(f"an ordinary user may not run {sys.executable} nor read {SOURCE}, and /usr/bin/python3 is another")


def _recordings(user: pwd.struct_passwd) -> Path:
    return Path(user.pw_dir) / ".local/share/retrograde"


def test_the_command_runs_as_who_called_sudo(caller: pwd.struct_passwd, sudo: Run) -> None:
    script = 'id -u; id -g; id -G; echo "$HOME $USER $LOGNAME"; cat /etc/shadow'
    done = sudo("record", "sh", "-c", script)
    ids = [str(caller.pw_uid), str(caller.pw_gid), str(caller.pw_gid)]
    assert done.stdout.splitlines() == [*ids, f"{caller.pw_dir} {caller.pw_name} {caller.pw_name}"], done.stderr
    assert "/etc/shadow: Permission denied" in done.stderr
    assert done.returncode == 1  # cat's


def test_the_recording_is_his(caller: pwd.struct_passwd, sudo: Run, himself: Run) -> None:
    done = sudo("record", "id", "-un")
    assert done.stdout == f"{caller.pw_name}\n"
    assert "recorded id-0: " in done.stderr
    folder = _recordings(caller)
    made = [folder.parents[1], folder.parent, folder, *folder.rglob("*")]
    assert {"latest", "id-0", "events-000000", "info.json"} <= {path.name for path in made}
    for path in made:
        status = path.lstat()
        assert (status.st_uid, status.st_gid) == (caller.pw_uid, caller.pw_gid), path
        if not path.is_symlink():
            assert stat.S_IMODE(status.st_mode) & 0o077 == 0, path

    listed = himself("ls")
    assert " id -un" in listed.stdout, listed.stderr
    read = himself("read", "latest", "-p", "%user.uid %evt.type", "evt.type in (execve, exit_group)")
    assert read.stdout.splitlines() == [f"{caller.pw_uid} execve", f"{caller.pw_uid} exit_group"], read.stderr
    assert re.search(r"^backend: +ebpf$", himself("info").stdout, re.MULTILINE)
    assert himself("rm", "id-0").returncode == 0
    assert not (folder / "id-0").exists()


def test_a_recording_that_was_named_is_his_too(caller: pwd.struct_passwd, sudo: Run) -> None:
    assert sudo("record", "-o", "./here", "true").returncode == 0
    here = Path(caller.pw_dir) / "here"
    assert {path.stat().st_uid for path in (here, *here.iterdir())} == {caller.pw_uid}


def test_trace_starts_the_command_as_him(caller: pwd.struct_passwd, sudo: Run) -> None:
    done = sudo("trace", "-p", "%user.name %evt.type %evt.rawres", "evt.type = geteuid", "--", "id", "-u")
    assert str(caller.pw_uid) in done.stdout.splitlines()  # what id prints
    assert f"{caller.pw_name} geteuid {caller.pw_uid}" in done.stdout.splitlines(), done.stderr
    assert not _recordings(caller).exists()


def test_another_user_may_be_asked_for(caller: pwd.struct_passwd, sudo: Run) -> None:
    assert sudo("record", "--user", "root", "id", "-u").stdout == "0\n"
    assert {path.lstat().st_uid for path in _recordings(caller).rglob("*")} == {caller.pw_uid}


def test_without_sudo_he_is_told_what_is_missing_or_gets_ptrace(caller: pwd.struct_passwd, himself: Run) -> None:
    whole_system = himself("trace")
    assert whole_system.returncode == 3
    assert "eBPF capture is not possible here. Missing:\n  - the right to load eBPF programs" in whole_system.stderr
    assert "sudo" in whole_system.stderr
    assert "Traceback" not in whole_system.stderr
    command = himself("record", "id", "-u")
    assert command.stdout == f"{caller.pw_uid}\n"
    assert "capturing with ptrace, which is slower. " in command.stderr
    assert himself("rm", "latest").returncode == 0
