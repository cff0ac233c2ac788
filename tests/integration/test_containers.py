"""Real containers: which is captured, what it is called, and that the names in it are its own."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

import retrograde as api
from retrograde.events import Event, Kind
from retrograde.record.containers import cgroup2_mount
from tests.support.capturing import capture, event_name, said, wait_until_capturing
from tests.support.commands import recordings, retrograde
from tests.support.container import BUSYBOX, Container, container, missing

ID = "4f5c2b7e90a1" + "d386" * 13
OTHER = "0123456789ab" + "c0de" * 13
CGROUPS = {
    "docker": "/docker/{}",
    "podman": "/machine.slice/libpod-{}.scope/container",
}
FIVE = "for i in 1 2 3 4 5; do cat /etc/marker; done"
ENDLESS = "while :; do cat /etc/marker; sleep 0.02; done"

Make = Callable[..., Container]


def _make(stack: ExitStack, folder: Path, script: str, *, of: str = "docker", id: str = ID) -> Container:
    bundle = folder / f"container-{id[:12]}"
    bundle.mkdir()
    return stack.enter_context(container(bundle, script, cgroup=CGROUPS[of].format(id), id=id))


@pytest.fixture(scope="module")
def can_make(capture_program: Path) -> None:
    """The test is skipped where no container can be started."""
    reason = missing()
    if reason:
        pytest.skip(reason)


@pytest.fixture
def make(can_make: None, tmp_path: Path) -> Iterator[Make]:
    """Makes containers, which are removed after the test."""
    with ExitStack() as stack:
        yield partial(_make, stack, tmp_path)


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[None]:
    """The same program outside of any container, all the time."""
    (tmp_path / "marker").write_text("outside\n")
    script = ENDLESS.replace("/etc/marker", str(tmp_path / "marker"))
    process = subprocess.Popen([BUSYBOX, "sh", "-c", script], stdout=subprocess.DEVNULL)
    yield
    process.kill()
    process.wait()


@contextmanager
def _tracing(*words: str) -> Iterator[list[str]]:
    """Run `retrograde trace -w kept` meanwhile; afterwards the list holds its lines."""
    folder = recordings() / "kept"
    folder.parent.mkdir()
    with folder.with_name("kept-talk").open("w") as talk:
        command = [sys.executable, "-m", "retrograde", "trace", "-w", "kept", *words]
        trace = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=talk, text=True)
    lines: list[str] = []
    try:
        wait_until_capturing(folder)
        yield lines
    finally:
        trace.send_signal(signal.SIGINT)
        output, _ = trace.communicate(timeout=30)
        lines += output.splitlines()
    assert trace.returncode == 0, said(folder)


def _events(name: str, filter_text: str | None = None) -> list[Event]:
    with api.open(name) as recording:
        assert recording.problems == []
        assert recording.losses == []
        return list(recording.events(filter_text))


def _folder(one: Container) -> str:
    """Return what `--cgroup` is given."""
    return str((cgroup2_mount() or Path()) / one.cgroup.lstrip("/"))


@pytest.mark.parametrize("how", ["cgroup", "container", "whole id"])
@pytest.mark.parametrize("of", CGROUPS)
def test_a_container_and_nothing_else(make: Make, busy: None, of: str, how: str) -> None:
    one = make(FIVE, of=of)
    make(ENDLESS, id=OTHER, of=of).runc("start")
    chosen = {
        "cgroup": ("--cgroup", _folder(one)),
        "container": ("--container", ID[:12]),
        "whole id": ("--container", ID),
    }[how]
    with _tracing("-p", "%container.id %proc.name %evt.type", *chosen) as lines:
        first = one.pid
        one.runc("start")
        one.wait()
    assert {line.split()[0] for line in lines} == {ID[:12]}
    assert lines.count(f"{ID[:12]} cat exit_group") == 5
    events = _events("kept")
    assert len(lines) == len(events)
    counts = Counter(event_name(event) for event in events)
    assert (counts["EXEC"], counts["FORK"]) == (6, 5)
    # Threads of runc may have been in a call when its exec ended them.
    assert len([event for event in events if event.kind == Kind.EXIT and event.pid == event.tid]) == 6
    assert {event.pid for event in events} == {first, *(event.pid for event in events if event.kind == Kind.FORK)}
    opened = Counter(event.memory(1) for event in events if event_name(event) == "openat" and event.result >= 0)
    assert opened[b"/etc/marker\0"] == 5


def test_a_container_that_does_not_run(make: Make) -> None:
    make(ENDLESS).runc("start")
    done = retrograde("trace", "--container", f"f{ID[1:12]}")
    assert done.returncode == 2
    assert f"no container 'f{ID[1:12]}' runs here" in done.stderr
    assert f"did you mean {ID[:12]}?" in done.stderr
    assert f"these do: {ID[:12]}" in retrograde("top", "--container", "web").stderr


def test_the_filter_takes_one_of_two_containers_out_of_the_whole_system(make: Make, busy: None) -> None:
    one, other = make(ENDLESS), make(ENDLESS, id=OTHER, of="podman")
    one.runc("start")
    other.runc("start")
    wanted = f"container.id = {ID[:12]} and evt.type in (openat, open) and fd.name contains marker"
    with _tracing("-p", "%container.id %proc.name %fd.name", wanted) as lines:
        time.sleep(1)
    assert len(lines) > 5
    assert set(lines) == {f"{ID[:12]} cat /etc/marker"}
    # The others were captured as well, and are told apart afterwards.
    everybody = Counter(
        line for line in retrograde("read", "kept", "-p", "%container.id", "fd.name contains marker").stdout.split()
    )
    assert set(everybody) == {ID[:12], OTHER[:12], "host"}


@dataclass(frozen=True)
class Seen:
    """A recording of a container that had a file open before, and its first process."""

    recording: Path
    pid: int

    def lines(self, *words: str) -> list[str]:
        """Return what `retrograde read` prints of it."""
        return retrograde("read", str(self.recording), *words).stdout.splitlines()

    def values(self, fields: str, filter_text: str) -> set[str]:
        """Return the values of fields, each once."""
        return set(self.lines("-p", fields, filter_text))


@pytest.fixture(scope="module")
def seen(can_make: None, capture_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    folder = tmp_path_factory.mktemp("seen")
    with ExitStack() as stack:
        one = _make(stack, folder, f"exec 5< /etc/marker; {ENDLESS.replace('sleep', 'read line <&5; sleep')}")
        one.runc("start")
        time.sleep(0.3)
        capture(capture_program, folder / "r", "--duration", "500ms", "--cgroup", _folder(one))
        return Seen(folder / "r", one.pid)


def test_names_are_the_containers_and_ids_the_hosts(seen: Seen) -> None:
    fields = "%container.id %proc.vpid %thread.vtid %proc.name %proc.cwd %proc.exe %proc.exepath"
    assert seen.values(fields, f"proc.pid = {seen.pid}") == {f"{ID[:12]} 1 1 sh / /bin/sh /bin/busybox"}
    # Opened before, known from /proc; and opened while the capture went on.
    assert seen.values("%fd.name", f"evt.type = read and proc.pid = {seen.pid}") == {"/etc/marker"}
    assert "/etc/marker" in seen.values("%fd.name", "evt.type = openat")
    assert seen.values("%proc.ppid %proc.pname", "evt.type = exit_group") == {f"{seen.pid} sh"}


def test_children_have_ids_of_the_container_too(seen: Seen) -> None:
    assert len(seen.values("%proc.vpid", "evt.type = exit_group")) > 5


def test_an_id_of_the_container_has_no_name_of_the_hosts(seen: Seen) -> None:
    """The ids that clone returns in a container are other processes' on the host: kernel threads' at first."""
    named = {
        re.search(r"res=[0-9]+(?:\((.*?)\) )?", line)[1]
        for line in seen.lines(f"proc.pid = {seen.pid} and evt.type = clone")
    }
    assert named
    assert named <= {None, "sh", "cat", "sleep"}


# CONFIG_RT_GROUP_SCHED: no real-time thread may enter a control group without a real-time budget (docs/limits.md).
@pytest.mark.xfail(
    any(Path("/sys/fs/cgroup").glob("*/cpu.rt_runtime_us")),
    strict=False,  # where groups have a budget it works
    reason="a recorded command's threads are real-time ones, which this kernel keeps out of new control groups",
)
@pytest.mark.parametrize("backend", ["ebpf", "ptrace"])
def test_a_command_that_runs_a_container_is_recorded_into_it(make: Make, backend: str, tmp_path: Path) -> None:
    """What docker run --rm does: namespaces, a pivot of the root and a program copied to memory on the way."""
    one = make(FIVE)
    one.runc("delete", "--force")
    command = ["runc", "--root", str(one.bundle / "state"), "run", "--bundle", str(one.bundle), one.id]
    done = retrograde("record", "--backend", backend, "-o", "kept", *command, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "in the container\n" * 5
    opened = [event for event in _events("kept", "evt.type = openat") if event.memory(1) == b"/etc/marker\0"]
    assert [event.result >= 0 for event in opened] == [True] * 5
