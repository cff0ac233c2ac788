"""What the tracker knows of processes and descriptors."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrograde.events import Event, Kind, Segment, SegmentArg, SegmentFlag
from retrograde.state import Context, Process, Tracker
from retrograde.state.address import parse_net_table, parse_sockaddr
from retrograde.state.container import container_of
from retrograde.state.paths import resolve_path
from retrograde.syscalls import load

TABLE = load("x86_64")
ID = "0123456789abcdef" * 4
CLONE_FILES, CLONE_THREAD = 0x400, 0x10000


class Story:
    """Applies events, one line each."""

    def __init__(self, snapshot: dict[str, bytes] | None = None) -> None:
        self.tracker = Tracker(Context(), TABLE)
        self.tracker.load_snapshot(snapshot or {"/proc/10/comm": b"main\n", "/proc/10/cwd": b"/home"})
        self.time = 0

    def add(
        self, kind: int, nr: int, pid: int, tid: int, result: int, args: tuple[int, ...], segments: list[Segment]
    ) -> Event:
        self.time += 1
        a, b, c, d, e, f = (*args, 0, 0, 0, 0, 0, 0)[:6]
        event = Event(self.time, kind, 0, 0, pid, tid, nr, self.time, self.time, result, (a, b, c, d, e, f), segments)
        self.tracker.apply(event)
        return event

    def call(
        self,
        name: str,
        result: int,
        *args: int,
        pid: int = 10,
        tid: int | None = None,
        memory: dict[int, bytes] | None = None,
    ) -> Event:
        segments = [Segment(arg, SegmentFlag.OUT, 0x1000, len(data), data) for arg, data in (memory or {}).items()]
        return self.add(Kind.SYSCALL, TABLE.by_name[name].number, pid, tid or pid, result, args, segments)

    def other(self, kind: int, pid: int, tid: int, *args: int, **memory: bytes) -> Event:
        segments = [Segment(SegmentArg[name.upper()], 0, 0, len(data), data) for name, data in memory.items()]
        return self.add(kind, -1, pid, tid, 0, args, segments)

    def fork(self, pid: int, parent: int = 10) -> None:
        self.other(Kind.FORK, pid, pid, parent, parent, 0, 0, comm=b"main\0")

    def label(self, number: int, pid: int = 10) -> str:
        self.tracker.settle()
        return self.tracker.processes[pid].descriptors.labels[number]


def opened(story: Story, path: bytes, number: int, *, pid: int = 10, cloexec: bool = False) -> None:
    story.call("openat", number, 0xFFFFFF9C, 1, 0o2000000 if cloexec else 0, pid=pid, memory={1: path + b"\0"})


def test_fork_copies_descriptors_and_clone_files_shares_them():
    story = Story()
    opened(story, b"/a", 3)
    story.fork(11)
    story.call("close", 0, 3, pid=11)
    assert (story.label(3, 10), story.label(3, 11)) == ("3(<f>/a)", "3")
    story.fork(12)
    story.call("clone", 0, CLONE_FILES, pid=12)
    story.call("clone", 12, CLONE_FILES)
    opened(story, b"/b", 4, pid=12)
    assert story.label(4, 10) == "4(<f>/b)"


def test_exec_closes_cloexec_and_leaves_a_shared_table_to_the_others():
    story = Story()
    opened(story, b"/keep", 3)
    opened(story, b"/shut", 4, cloexec=True)
    story.fork(12)
    story.call("clone", 12, CLONE_FILES)
    story.other(Kind.EXEC, 12, 12, 12, filename=b"prog\0", argv=b"prog\0-v\0", envp=b"A=1\0", comm=b"prog\0")
    assert [story.label(number, 12) for number in (3, 4)] == ["3(<f>/keep)", "4"]
    assert story.label(4, 10) == "4(<f>/shut)"
    process = story.tracker.processes[12]
    assert (process.name, process.exe, process.args, process.exepath) == ("prog", "prog", ["-v"], "/home/prog")
    assert process.environ == ["A=1"]
    assert process.parent is story.tracker.processes[10]


def test_an_exec_of_itself_keeps_the_path():
    story = Story()
    story.other(Kind.EXEC, 10, 10, 10, filename=b"/bin/busybox\0", argv=b"sh\0", comm=b"sh\0")
    story.other(Kind.EXEC, 10, 10, 10, filename=b"/proc/self/exe\0", argv=b"cat\0", comm=b"exe\0")
    process = story.tracker.processes[10]
    assert (process.exepath, process.exec_filename) == ("/bin/busybox", "/proc/self/exe")


def test_a_child_seen_before_its_fork_inherits_still():
    story = Story()
    opened(story, b"/a", 3)
    opened(story, b"/own", 5, pid=11)
    story.call("fork", 11)
    child = story.tracker.processes[11]
    assert (child.ppid, child.name, child.cwd) == (10, "main", "/home")
    assert (story.label(3, 11), story.label(5, 11)) == ("3(<f>/a)", "5(<f>/own)")


def test_a_reused_pid_is_a_new_process():
    story = Story()
    story.fork(11)
    first = story.other(Kind.EXIT, 11, 11, 1).process
    story.fork(11)
    second = story.call("getpid", 11, pid=11).process
    assert first is not None
    assert second is not None
    assert first is not second


def test_threads_have_names_of_their_own_and_share_the_rest():
    story = Story()
    story.other(Kind.FORK, 10, 15, 10, 10, 0, 0, comm=b"main\0")
    event = story.call("prctl", 0, 15, 0x1000, tid=15, memory={1: b"worker\0" + bytes(9)})
    assert event.process is story.tracker.processes[10]
    assert (event.process.thread_name(15), event.process.name) == ("worker", "main")
    story.other(Kind.EXIT, 10, 15, 0)
    story.call("getpid", 10)
    assert 10 in story.tracker.processes


def test_dup_fcntl_close_range_and_chdir():
    story = Story()
    opened(story, b"x", 3)
    story.call("dup2", 7, 3, 7)
    story.call("fcntl", 8, 3, 1030, 0)
    assert [story.label(number) for number in (7, 8)] == ["7(<f>/home/x)", "8(<f>/home/x)"]
    assert story.tracker.processes[10].descriptors.get(8).cloexec  # type: ignore[union-attr]
    story.call("close_range", 0, 7, 0xFFFFFFFF, 0)
    assert [story.label(number) for number in (3, 7, 8)] == ["3(<f>/home/x)", "7", "8"]
    story.call("chdir", 0, 1, memory={0: b"../etc\0"})
    assert story.tracker.processes[10].cwd == "/etc"
    story.call("close", -9, 3)
    assert story.label(3) == "3(<f>/home/x)"


def test_a_file_without_a_name_is_no_directory():
    story = Story()
    story.call("openat", 3, 0xFFFFFF9C, 1, 0o200000, memory={1: b"/tmp\0"})
    story.call("openat", 4, 0xFFFFFF9C, 1, 0o20200002, memory={1: b"/tmp\0"})  # O_TMPFILE|O_RDWR
    assert (story.label(3), story.label(4)) == ("3(<d>/tmp)", "4(<f>/tmp)")


def test_pidfd_getfd_takes_the_name_from_the_other_process():
    story = Story()
    story.fork(11)
    opened(story, b"/secret", 9, pid=11)
    story.call("pidfd_open", 4, 11, 0)
    story.call("pidfd_getfd", 5, 4, 9, 0)
    assert (story.label(4), story.label(5)) == ("4(<P>11)", "5(<f>/secret)")


def test_ids_follow_setuid_and_setresgid():
    story = Story()
    story.call("setuid", 0, 33)
    story.call("setresgid", 0, 0xFFFFFFFF, 44, 0xFFFFFFFF)
    story.call("setreuid", 0, 1, 0xFFFFFFFF)
    process = story.tracker.processes[10]
    assert (process.uid, process.gid) == (33, 44)


def test_a_server_is_named_by_its_client_first():
    story = Story()
    inet = struct.pack("<H", 2) + struct.pack(">H", 80) + bytes([127, 0, 0, 1]) + bytes(8)
    peer = struct.pack("<H", 2) + struct.pack(">H", 9999) + bytes([127, 0, 0, 2]) + bytes(8)
    story.call("socket", 3, 2, 1, 0)
    story.call("bind", 0, 3, 1, 16, memory={1: inet})
    story.call("listen", 0, 3, 1)
    story.call("accept4", 4, 3, 1, 1, 0, memory={1: peer})
    assert story.label(3) == "3(<4t>127.0.0.1:80)"
    assert story.label(4) == "4(<4t>127.0.0.2:9999->127.0.0.1:80)"


CLONE_NEWPID, CLONE_NEWNET = 0x20000000, 0x40000000
HOST = {"/proc/10/comm": b"main\n", "/proc/10/status": b"NSpid:\t10\n", "/proc/5/comm": b"host\n"}


def forked(story: Story, pid: int, result: int, *, parent: int = 10) -> Process:
    story.fork(pid, parent)
    story.call("fork", result, pid=parent)
    return story.tracker.processes[pid]


def test_children_after_an_unshare_are_in_a_new_pid_namespace():
    story = Story(HOST)
    assert forked(story, 11, 11).vpid == 11
    story.call("unshare", 0, CLONE_NEWPID)
    assert [forked(story, pid, pid).vpid for pid in (12, 13, 14)] == [1, None, None]
    assert [story.tracker.processes[pid].has_own_pids for pid in (10, 11, 12, 13)] == [False, False, True, True]
    assert story.tracker.processes[11].relative(5).name == "host"
    assert story.tracker.processes[13].relative(5) is None


@pytest.mark.parametrize(
    ("result", "kinds", "known"),
    [(0, 0, False), (0, CLONE_NEWPID | CLONE_NEWNET, False), (0, CLONE_NEWNET, True), (-1, CLONE_NEWPID, True)],
)
def test_children_after_a_setns_may_be_in_another_pid_namespace(result, kinds, known):
    story = Story(HOST)
    story.call("setns", result, 3, kinds)
    child = forked(story, 11, 11)
    assert child.vpid == (11 if known else None)
    assert (child.relative(5) is None) != known
    assert forked(story, 12, 12 if known else 7, parent=11).vpid == (12 if known else 7)


def test_a_child_is_not_of_the_recordings_pid_namespace_before_its_fork_returns():
    story = Story(HOST)
    story.call("unshare", 0, CLONE_NEWPID)
    story.fork(11)
    story.fork(12, 11)
    assert [story.tracker.processes[pid].relative(5) for pid in (11, 12)] == [None, None]


def in_new_namespace(story: Story, pid: int) -> Process:
    """A child of the host's process that is the first in a pid namespace of its own."""
    story.fork(pid)
    story.call("clone", pid, CLONE_NEWPID)
    return story.tracker.processes[pid]


def test_an_id_means_a_process_of_the_same_pid_namespace():
    story = Story(HOST)
    first, second = in_new_namespace(story, 20), in_new_namespace(story, 30)
    ours, theirs = forked(story, 21, 2, parent=20), forked(story, 31, 2, parent=30)
    assert (first.relative(2), second.relative(2)) == (ours, theirs)
    assert (ours.relative(1), theirs.relative(1)) == (first, second)
    assert (ours.relative(2), theirs.relative(2)) == (ours, theirs)
    assert forked(story, 32, 3, parent=31).relative(1) is second
    assert ours.relative(3) is None
    assert first.relative(5) is None


def test_a_pid_namespace_within_another_has_ids_of_its_own():
    story = Story(HOST)
    outer = in_new_namespace(story, 20)
    story.fork(21, 20)
    story.call("clone", 2, CLONE_NEWPID, pid=20)
    inner = story.tracker.processes[21]
    child = forked(story, 22, 2, parent=21)
    assert (inner.vpid, child.relative(1), outer.relative(1)) == (1, inner, outer)


@pytest.mark.parametrize("entered", [1, 2])
def test_an_id_means_a_process_that_entered_the_same_container_if_only_one_is_called_so(entered):
    cgroup = f"0::/docker/{ID}\n".encode()
    snapshot = HOST | {"/proc/20/status": b"NSpid:\t20\t1\n", "/proc/20/cgroup": cgroup}
    for pid in range(30, 30 + entered):
        snapshot |= {f"/proc/{pid}/status": b"NSpid:\t1\t9\n", f"/proc/{pid}/cgroup": cgroup}
    snapshot |= {"/proc/40/status": b"NSpid:\t40\t9\n"}  # of another namespace, in no container
    processes = Story(snapshot).tracker.processes
    assert processes[30].relative(1) is processes[20]
    assert processes[20].relative(9) is (processes[30] if entered == 1 else None)
    assert processes[40].relative(1) is None


@pytest.mark.parametrize(
    ("cgroup", "expected"),
    [
        (f"/system.slice/docker-{ID}.scope", (ID[:12], None)),
        (f"/docker/{ID}", (ID[:12], None)),
        (f"/kubepods.slice/kubepods-pod1.slice/cri-containerd-{ID}.scope", (ID[:12], None)),
        (f"/kubepods/burstable/pod1/{ID}", (ID[:12], None)),
        (f"/machine.slice/libpod-{ID}.scope/container", (ID[:12], None)),
        (f"/machine.slice/libpod-conmon-{ID}.scope", (None, None)),
        (f"/system.slice/crio-conmon-{ID}.scope", (None, None)),
        (f"/docker/{ID}/machine.slice/libpod-conmon-{'f' * 64}.scope", (ID[:12], None)),
        ("/lxc.payload.web/system.slice", ("web", "web")),
        ("/machine.slice/systemd-nspawn@deb\\x2dian.service", ("deb-ian", "deb-ian")),
        ("/user.slice/user-1000.slice/session-2.scope", (None, None)),
        ("/", (None, None)),
    ],
)
def test_containers_are_named_by_their_cgroup(cgroup, expected):
    assert container_of(cgroup) == expected


def test_the_snapshot_says_who_was_there():
    story = Story(
        {
            "/proc/7/stat": b"7 (a) b) S 1 7 5 1025 0" + b" 0" * 13 + b" 150 0",
            "/proc/7/status": b"Uid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nNSpid:\t7\t1\n",
            "/proc/7/cmdline": b"prog\0two words\0",
            "/proc/7/loginuid": b"4294967295",
            "/proc/7/cgroup": f"1:name=x:/\n0::/docker/{ID}\n".encode(),
            "/proc/7/fd/3": b"anon_inode:[eventfd]",
            "/proc/7/fd/4": b"/etc",
            "/proc/7/fdinfo/4": b"pos:\t0\nflags:\t02200000\n",
            "/proc/7/fd/5": b"/memfd:buf (deleted)",
            "/proc/7/task/8/comm": b"two\n",
        }
    )
    process = story.tracker.processes[7]
    assert (process.name, process.ppid, process.sid, process.tty, process.start) == ("a) b", 1, 5, 1025, 1_500_000_000)
    assert (process.uid, process.gid, process.vpid, process.loginuid) == (2, 6, 1, -1)
    assert process.cmdline == "prog two words"
    assert process.container_id == ID[:12]
    assert [story.label(number, 7) for number in (3, 4, 5)] == [
        "3(<e>anon_inode:[eventfd])", "4(<d>/etc)", "5(<m>buf)",
    ]  # fmt: skip
    assert process.descriptors.get(4).cloexec  # type: ignore[union-attr]
    assert process.thread_name(8) == "two"


@pytest.mark.parametrize(
    ("folder", "path", "expected"),
    [("/a", "b", "/a/b"), ("/a", "../b/./c//d/", "/b/c/d"), (None, "b", "b"), ("/a", "", "/a"), ("/a", "//x", "/x")],
)
def test_paths(folder, path, expected):
    assert resolve_path(folder, path) == expected


SNAPSHOT_FILES = (
    *("stat", "status", "comm", "cmdline", "environ", "cgroup", "loginuid", "exe", "cwd", "fd/3", "fdinfo/3"),
    *("fd/99999999999", "net/tcp", "net/tcp6", "net/unix", "net/netlink", "task/9/comm", "task/x/comm"),
)


@given(st.dictionaries(st.sampled_from([f"/proc/7/{name}" for name in SNAPSHOT_FILES]), st.binary(max_size=200)))
def test_any_snapshot_is_survived(files):
    tracker = Tracker(Context(), TABLE)
    tracker.load_snapshot(files)
    assert all(process.pid == 7 for process in tracker.processes.values())


@given(st.binary(max_size=40), st.text(max_size=200))
def test_any_address_is_survived(data, text):
    parse_sockaddr(data)
    for kind in ("tcp", "udp6", "unix", "netlink", "packet", "other"):
        assert isinstance(parse_net_table(kind, "header\n" + text), dict)
