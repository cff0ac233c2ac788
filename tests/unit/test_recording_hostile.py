"""Recordings of format 2 that someone has forged: whatever they hold, reading fails as it should or not at all.

Nothing but a RetrogradeError is ever raised, and nothing outside of the recording's folder is opened.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import sysconfig
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import retrograde
from retrograde import cli
from retrograde.errors import RetrogradeError
from retrograde.recording import Recording
from retrograde.recording.sources import PackedFile
from tests.support import recording_writer as w

SECRET = b"this must stay where it is"
GOOD = "0123456789abcdef" * 2
NAMES = [
    GOOD, "a" * 32, "b" * 32, "../../secret", "../secret", "..", ".", "", "new", "A" * 32, "a" * 31, "a" * 33,
    f"/{GOOD[1:]}", f"../{GOOD[3:]}", "events-000000", "/etc/passwd", "../../../../../../etc/passwd", "\x1b[2J", "-",
]  # fmt: skip
PATHS = st.sampled_from(["/bin/cat", "[stack]", "", "../../etc/passwd", "/a b (deleted)", "\x1b[2J\x07", "\udcff"])
SETTINGS = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])

numbers = st.one_of(st.integers(0, 40), st.integers(0, 2**64 - 1), st.sampled_from([2**63, 2**64 - 1, 2**32]))
json_values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)),
    max_leaves=8,
)
maps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(NAMES), PATHS).map(
            lambda parts: f"1000-2000 r-xp 0 8:1 5 {parts[0]} {parts[1]}".encode("utf-8", "surrogateescape")
        ),
        st.binary(max_size=60),
    ),
    max_size=5,
).map(b"\n".join)
memory = st.builds(
    w.Memory,
    arg=st.one_of(st.integers(16, 29), st.integers(0, 255)),
    data=st.one_of(maps, st.binary(max_size=300), st.integers(0, 600).map(bytes)),
    flags=st.one_of(st.just(0), st.integers(0, 255)),
    address=numbers,
    full_length=st.one_of(st.none(), numbers),
)
rows = st.lists(
    st.builds(
        w.Row,
        nr=st.one_of(st.just(-1), st.integers(-(2**31), 2**31 - 1), st.integers(0, 300)),
        kind=st.one_of(
            st.sampled_from([w.START, w.MAPPED, w.TRAP, w.WRITTEN, w.CHECKSUM, w.SIGNAL, w.SWITCH, w.DATA]),
            st.integers(0, 255),
        ),
        flags=st.one_of(st.sampled_from([0, 4]), st.integers(0, 255)),
        args=st.tuples(*[numbers] * 6),
        memory=st.lists(memory, max_size=4),
        cpu=st.integers(0, 65535),
        pid=st.sampled_from([0, 1, 1000, 2**32 - 1]),
        tid=st.sampled_from([1, 1000, 2**32 - 1]),
        exit=numbers,
        duration=numbers,
        result=st.integers(-(2**63), 2**63 - 1),
    ),
    max_size=12,
)
# Bytes of a payload that are written over, at a place counted from its start.
changes = st.lists(st.tuples(st.integers(0, 1500), st.binary(min_size=1, max_size=8)), max_size=4)
infos = st.fixed_dictionaries(
    {},
    optional={
        "replay": json_values, "cpu": st.one_of(json_values, st.fixed_dictionaries({"midr": json_values})),
        "grade": st.one_of(st.just("replay"), json_values), "page_size": json_values, "command": json_values,
        "arch": st.sampled_from(["x86_64", "aarch64"]), "cpus": json_values, "version": json_values,
        "boottime_ns": json_values, "realtime_ns": json_values, "cwd": json_values, "filter": json_values,
    },
)  # fmt: skip
ends = st.fixed_dictionaries(
    {},
    optional={
        "unfaithful": st.one_of(json_values, st.lists(st.fixed_dictionaries({"what": st.text(), "seq": json_values}))),
        "exit_status": st.one_of(st.none(), st.integers(-(2**70), 2**70)), "reason": json_values, "events": json_values,
        "error": json_values, "duration_ns": json_values,
    },
)  # fmt: skip
entries = st.dictionaries(
    st.sampled_from([name for name in NAMES if name not in ("", ".", "..") and "/" not in name]),
    st.sampled_from(["file", "outside", "up", "sibling", "fifo", "folder"]),
    max_size=5,
)


class _Watch:
    """Notes what is opened; an audit hook cannot be taken away again."""

    def __init__(self) -> None:
        self.opened: list[tuple[str, int]] | None = None
        sys.addaudithook(self._hook)

    def _hook(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "open" and self.opened is not None and isinstance(args[0], str | bytes | os.PathLike):
            self.opened.append((os.fsdecode(args[0]), args[2]))


@pytest.fixture(scope="module")
def watch() -> _Watch:
    return _Watch()


_LIBRARIES = (sysconfig.get_path("stdlib"), sys.prefix, sys.base_prefix, "/usr/share/zoneinfo")
_OWN = [Path(retrograde.__file__).parent, *map(Path, _LIBRARIES)]


@contextlib.contextmanager
def nothing_else_is_opened(watch: _Watch, folder: Path) -> Iterator[None]:
    """Assert that only files of a recording are opened, and those of its folder by name and not through links."""
    watch.opened = []
    try:
        yield
    finally:
        opened, watch.opened = watch.opened, None
    for path, flags in opened:
        if "/" not in path:
            assert path not in ("", ".."), path
            assert flags & os.O_NOFOLLOW, path
        else:
            real = Path(os.path.realpath(path))
            assert real == folder or folder in real.parents or any(own in real.parents for own in _OWN), path


def fill(images: Path, kinds: dict[str, str], secret: Path) -> None:
    """Make a folder of images with all that may lie there."""
    images.mkdir()
    for name, kind in kinds.items():
        path = images / name
        if kind == "file":
            path.write_bytes(b"content")
        elif kind == "outside":
            path.symlink_to(secret)
        elif kind == "up":
            path.symlink_to("../../secret")
        elif kind == "sibling":
            path.symlink_to(GOOD)
        elif kind == "fifo":
            os.mkfifo(path)
        else:
            path.mkdir()


def write_changed(writer: w.RecordingWriter, chosen: list[w.Row], overwritten: list[tuple[int, bytes]]) -> None:
    """Write an EVENTS block some bytes of whose payload are wrong, under checksums that are right."""
    payload = bytearray(w.events_payload(chosen))
    for at, data in overwritten:
        place = at % len(payload)
        payload[place : place + len(data)] = data[: len(payload) - place]
    writer.raw(w.EVENTS, bytes(payload), count=len(chosen))
    writer.seq += len(chosen)


def read_all(path: Path) -> bytes:
    """Read a recording in all the ways there are; return the images' content."""
    content = b""
    with contextlib.suppress(RetrogradeError), Recording(path) as recording:
        for batch in recording.batches():
            for event in batch.events():
                assert batch.event(event.seq - batch.first_seq) == event
        for event in recording.events():
            assert "\n" not in str(event)
        assert isinstance(recording.processes, list)
        recording.to_arrow()
        recording.verify()
        for name in {*NAMES, *recording.images}:
            with contextlib.suppress(RetrogradeError), recording.image(name) as file:
                content += file.read()
    return content


VERBS = [
    ["read", "PATH"], ["read", "PATH", "--strace", "-t", "r"], ["read", "PATH", "--json"], ["read", "PATH", "--enter"],
    ["read", "PATH", "evt.type in (start, mapped, trap)", "-p", "%evt.category %evt.arg.path %evt.arg.image %evt.args"],
    ["stats", "PATH"], ["stats", "PATH", "--by", "process"], ["info", "PATH"], ["info", "PATH", "--json"],
    ["export", "PATH", "--json"],
]  # fmt: skip


def run_verbs(path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Run the verbs that read: whatever they raise is a defect."""
    for words in VERBS:
        cli.main([str(path) if word == "PATH" else word for word in words])
        printed, talk = capfdbinary.readouterr()
        assert SECRET not in printed + talk
        assert b"\x1b" not in printed + talk


def test_whatever_a_recording_holds(watch: _Watch, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    @SETTINGS
    @given(infos, st.lists(st.tuples(rows, changes), max_size=2), ends, entries)
    def check(
        info: dict[str, Any],
        blocks: list[tuple[list[w.Row], list[tuple[int, bytes]]]],
        end: dict[str, Any],
        kinds: dict[str, str],
    ) -> None:
        with tempfile.TemporaryDirectory() as name:
            secret, folder = Path(name).resolve() / "secret", Path(name).resolve() / "recording"
            secret.write_bytes(SECRET)
            writer = w.RecordingWriter(folder, info)
            for chosen, overwritten in blocks:
                write_changed(writer, chosen, overwritten)
            writer.end(**end)
            fill(folder / "images", kinds, secret)
            with nothing_else_is_opened(watch, folder):
                content = read_all(folder)
                run_verbs(folder, capfdbinary)
            assert content == b"content" * sum(
                kind == "file" and name in (GOOD, "a" * 32, "b" * 32) for name, kind in kinds.items()
            )
            packed = folder.with_name("packed.rgtr")
            assert cli.main(["pack", str(folder), "-o", str(packed)]) == 0
            assert read_all(packed) == content
            capfdbinary.readouterr()

    check()


headers = st.tuples(
    st.sampled_from([*(f"x/images/{name}" for name in NAMES), "x/events-000000", "images/" + GOOD, "../images/" + GOOD,
                     "/images/" + GOOD, "x" * 99, "x/info.json", f"x/images/../{GOOD}", "x/images/events-000001"]),
    st.sampled_from([b"0", b"0", b"\0", b"1", b"2", b"5", b"L", b"x", b"S"]),
    st.one_of(st.integers(0, 3000), st.sampled_from([-1, -512, -4096, 2**33, 2**63, 2**86]), st.none()),
)  # fmt: skip


def forged(name: str, kind: bytes, size: int | None) -> bytes:
    """Return a header of an archive whose size is what it should not be, under a checksum that is right."""
    member = tarfile.TarInfo("")
    header = bytearray(member.tobuf(tarfile.GNU_FORMAT)[:512])
    raw = name.encode("utf-8", "surrogateescape")[:100]
    header[: len(raw)] = raw
    if size is None:
        header[124:136] = b"what? 7_7+8\0"
    elif size < 0:
        header[124:136] = b"-%o\0" % -size + bytes(11 - len(b"%o" % -size) - 1)
    elif size < 8**11:
        header[124:136] = b"%011o\0" % size
    else:
        header[124:136] = b"\x80" + size.to_bytes(11, "big")
    header[156:157] = kind
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


def test_whatever_a_packed_recording_holds(watch: _Watch, tmp_path: Path) -> None:
    writer = w.RecordingWriter(tmp_path / "real")
    writer.events(w.simple_rows(3))
    writer.end()
    stream = writer.file.read_bytes()

    @SETTINGS
    @given(st.lists(st.tuples(headers, st.binary(max_size=700)), max_size=8), st.integers(0, 2048))
    def check(members: list[tuple[tuple[str, bytes, int | None], bytes]], cut: int) -> None:
        with tempfile.TemporaryDirectory() as name:
            home = Path(name).resolve()
            path = home / "one.rgtr"
            data = forged("x/events-000000", b"0", len(stream)) + stream + bytes(-len(stream) % 512)
            for header, content in members:
                data += forged(*header) + content + bytes(-len(content) % 512)
            path.write_bytes(data[: len(data) - cut] if cut < 600 else data)
            with nothing_else_is_opened(watch, home):
                read_all(path)
            with contextlib.suppress(RetrogradeError), Recording(path) as recording:
                assert all(0 <= size <= len(data) for size in recording.images.values())
                for image, size in recording.images.items():
                    assert len(recording.image(image).read()) == size
            target = home / "unpacked"
            assert cli.main(["pack", "--unpack", str(path), "-o", str(target)]) in (0, 1, 2, 3)
            assert {entry.name for entry in home.iterdir()} <= {"one.rgtr", "unpacked"}
            assert not any(entry.is_symlink() for entry in home.rglob("*"))

    check()


@pytest.mark.parametrize("kind", ["file", "fifo", "link to a folder", "link to itself", "folder in a folder"])
def test_a_folder_of_images_that_is_none(kind: str, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    writer = w.RecordingWriter(tmp_path / "recording")
    writer.end()
    images, other = writer.folder / "images", tmp_path / "other"
    other.mkdir()
    (other / GOOD).write_bytes(SECRET)
    if kind == "file":
        images.write_bytes(SECRET)
    elif kind == "fifo":
        os.mkfifo(images)
    elif kind == "folder in a folder":
        (images / GOOD / GOOD).mkdir(parents=True)
    else:
        images.symlink_to(other if kind == "link to a folder" else images)
    assert read_all(writer.folder) == b""
    run_verbs(writer.folder, capfdbinary)
    assert cli.main(["pack", str(writer.folder), "-o", str(tmp_path / "one.rgtr")]) == 0
    with Recording(tmp_path / "one.rgtr") as recording:
        assert recording.images == {}


def test_a_packed_file_keeps_what_its_header_says_to_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "one.rgtr"
    path.write_bytes(forged(f"x/images/{GOOD}", b"0", 2**60) + b"rest")
    place = PackedFile(path, os.open(path, os.O_RDONLY))
    try:
        assert place.images() == {GOOD: 4}
        with io.BytesIO() as copy:
            source = place.open_image(GOOD)
            copy.write(source.read(0, 1 << 20))
            source.close()
            assert copy.getvalue() == b"rest"
    finally:
        place.close()
