"""Images in recordings: opened by name, packed, unpacked, counted and removed; never anything outside of the folder."""

from __future__ import annotations

import io
import json
import os
import stat
import tarfile
from pathlib import Path

import pytest

from retrograde.cli import main
from retrograde.errors import FormatError, NotFoundError, UsageError
from retrograde.recording import Recording, store
from tests.support.recording_writer import RecordingWriter, simple_rows

FIRST, SECOND = "0123456789abcdef" * 2, "f" * 32
CONTENT = bytes(range(256)) * 100


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "store"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("RETROGRADE_DIR", str(folder))
    monkeypatch.delenv("SUDO_UID", raising=False)
    monkeypatch.chdir(tmp_path)
    return folder


def make(path: Path, info: dict[str, object] | None = None, **end: object) -> Path:
    writer = RecordingWriter(path, {"replay": {"cpu": 0, "scheduling": "fifo", "vetoed": []}} | (info or {}))
    writer.image(FIRST, CONTENT)
    writer.image(SECOND, b"")
    writer.events(simple_rows(3))
    writer.end(**end)
    return path


def packed(path: Path) -> Path:
    assert main(["pack", str(path), "-o", str(path.parent / "one.rgtr"), "--force"]) == 0
    return path.parent / "one.rgtr"


def test_an_image_is_opened_by_its_name(home: Path) -> None:
    folder = make(home / "cat-0")
    for path in (folder, packed(folder)):
        with Recording(path) as recording:
            assert recording.images == {FIRST: len(CONTENT), SECOND: 0}
            opened = recording.image(FIRST)
            with recording.image(FIRST) as file:
                assert file.read(10) == CONTENT[:10]
                assert file.seek(-5, io.SEEK_END) == len(CONTENT) - 5
                assert file.read() == CONTENT[-5:]
                assert file.seek(300) == 300
                assert file.read(7) == CONTENT[300:307]
                with pytest.raises(ValueError, match="-1"):
                    file.seek(-1)
            assert recording.image(SECOND).read() == b""
            with pytest.raises(NotFoundError, match="holds no image"):
                recording.image("1" * 32)
        assert opened.read() == CONTENT  # also when the recording is closed
        opened.close()


def test_a_bare_stream_has_no_images(home: Path) -> None:
    with Recording(make(home / "cat-0") / "events-000000") as recording:
        assert recording.images == {}
        with pytest.raises(NotFoundError):
            recording.image(FIRST)


NO_NAMES = ["", "new", FIRST[:-1], FIRST + "0", FIRST.upper(), FIRST + "\n", "../../etc/passwd", "/etc/passwd",
            f"./{FIRST[2:]}", "\0" * 32, "g" * 32, "\u0661" * 32, "../info.json", f"../images/{FIRST}"]  # fmt: skip


@pytest.mark.parametrize("name", NO_NAMES)
def test_what_is_no_name_opens_nothing(name: str, home: Path) -> None:
    folder = make(home / "cat-0")
    for path in (folder, packed(folder)):
        with Recording(path) as recording, pytest.raises(FormatError, match="names no image"):
            recording.image(name)


def test_links_and_devices_are_no_images(home: Path, tmp_path: Path) -> None:
    folder = make(home / "cat-0")
    (tmp_path / "secret").write_text("secret")
    images = folder / "images"
    (images / ("a" * 32)).symlink_to(tmp_path / "secret")
    (images / ("b" * 32)).symlink_to(FIRST)
    os.mkfifo(images / ("c" * 32))
    (images / ("d" * 32)).mkdir()
    with Recording(folder) as recording:
        assert sorted(recording.images) == [FIRST, SECOND]
        for letter in "abcd":
            with pytest.raises(FormatError, match="cannot be read"):
                recording.image(letter * 32)
    with tarfile.open(packed(folder)) as archive:
        assert [name for name in archive.getnames() if "images" in name] == [
            f"cat-0/images/{FIRST}",
            f"cat-0/images/{SECOND}",
        ]


def test_a_folder_of_images_that_is_a_link_is_not_followed(home: Path, tmp_path: Path) -> None:
    folder, other = make(home / "cat-0"), make(tmp_path / "other")
    for image in (folder / "images").iterdir():
        image.unlink()
    (folder / "images").rmdir()
    (folder / "images").symlink_to(other / "images")
    with Recording(folder) as recording:
        assert recording.images == {}
        with pytest.raises(FormatError):
            recording.image(FIRST)
    assert main(["rm", "cat-0"]) == 0
    assert not folder.exists()
    assert (other / "images" / FIRST).read_bytes() == CONTENT


def test_packed_and_unpacked_they_are_the_same(home: Path) -> None:
    folder = make(home / "cat-0")
    assert main(["pack", "--unpack", str(packed(folder)), "-o", "again"]) == 0
    images = home / "again" / "images"
    assert stat.S_IMODE(images.stat().st_mode) == 0o700
    assert {image.name: image.read_bytes() for image in images.iterdir()} == {FIRST: CONTENT, SECOND: b""}
    assert all(stat.S_IMODE(image.stat().st_mode) == 0o600 for image in images.iterdir())


@pytest.mark.parametrize("length", [59, 60, 61, 64, 200])
def test_a_long_name_leaves_place_for_those_of_images(length: int, home: Path) -> None:
    with Recording(packed(make(home / ("x" * length)))) as recording:
        assert recording.images == {FIRST: len(CONTENT), SECOND: 0}


def test_of_an_archive_only_regular_files_of_its_folder_of_images_are_taken(home: Path, tmp_path: Path) -> None:
    stream = (make(tmp_path / "real") / "events-000000").read_bytes()
    path = tmp_path / "evil.rgtr"
    members = [
        ("x/events-000000", stream, None), (f"x/images/{FIRST}", b"image", None), (f"x/images/{FIRST}", b"other", None),
        (f"x/{SECOND}", b"", None), (f"x/images/more/{SECOND}", b"", None), ("x/images/../../evil", b"", None),
        (f"x/images/{'a' * 32}", b"", "/etc/passwd"), ("x/images/events-000001", stream, None),
    ]  # fmt: skip
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as archive:
        for name, content, target in members:
            member = tarfile.TarInfo(name)
            if target is not None:
                member.type, member.linkname = tarfile.SYMTYPE, target
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    with Recording(path) as recording:
        assert recording.images == {FIRST: 5}
        assert recording.image(FIRST).read() == b"image"
        assert len(list(recording.rows())) == 3
    assert main(["pack", "--unpack", str(path), "-o", "evil"]) == 0
    found = sorted(str(entry.relative_to(home / "evil")) for entry in (home / "evil").rglob("*"))
    assert found == ["events-000000", "images", f"images/{FIRST}"]


def test_sizes_count_images(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(home / "cat-0")
    assert main(["ls", "--json"]) == 0
    (entry,) = json.loads(capsys.readouterr().out)
    assert entry["size"] > len(CONTENT)
    with Recording(home / "cat-0") as recording:
        files = [file for file in (home / "cat-0").rglob("*") if file.is_file()]
        assert recording.stored_size == sum(file.stat().st_size for file in files)


def test_rm_takes_images_and_what_a_killed_capture_left(home: Path) -> None:
    folder = make(home / "cat-0")
    (folder / "images" / "new").write_bytes(b"half")
    assert main(["rm", "cat-0"]) == 0
    assert not folder.exists()


@pytest.mark.parametrize("name", ["notes", FIRST + "0", ".hidden"])
def test_rm_leaves_what_is_no_image(name: str, home: Path) -> None:
    folder = make(home / "cat-0")
    (folder / "images" / name).write_text("mine")
    with pytest.raises(UsageError, match=f"images/{name}"):
        store.remove(folder)
    assert (folder / "images" / name).read_text() == "mine"
    assert (folder / "images" / FIRST).exists()
    assert (folder / "events-000000").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="sudo's user is looked for by root alone")
def test_under_sudo_images_are_the_callers_too(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pwd

    caller = next(user for user in pwd.getpwall() if user.pw_uid != 0)
    monkeypatch.setenv("SUDO_UID", str(caller.pw_uid))
    folder = make(home / "cat-0")
    (folder / "link").symlink_to("/etc/passwd")
    store.give(folder)
    assert {entry.lstat().st_uid for entry in [folder, *folder.rglob("*")]} == {caller.pw_uid}
    assert Path("/etc/passwd").stat().st_uid == 0


def info(capsys: pytest.CaptureFixture[str], path: Path) -> dict[str, str]:
    assert main(["info", str(path)]) == 0
    pairs = [line.partition(":") for line in capsys.readouterr().out.splitlines()]
    return {name: value.strip() for name, _, value in pairs}


def test_info_says_whether_it_can_be_replayed(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = info(capsys, make(home / "yes"))
    assert lines["replayable"] == "yes"
    assert lines["cpu"] == "A CPU"
    assert lines["images"] == "2 files that the program mapped, 25.0 KiB"
    assert info(capsys, packed(home / "yes"))["replayable"] == "yes"
    assert info(capsys, home / "yes" / "events-000000")["replayable"].startswith("no: a bare stream")
    assert info(capsys, make(home / "null", {"replay": None}))["replayable"].startswith(
        "no: it does not hold the start"
    )
    assert info(capsys, make(home / "observe", {"grade": "observe"}))["replayable"] == "no: it is not of replay grade"
    lines = info(capsys, make(home / "but", {"cpu": {"midr": 16}}, unfaithful=[{"what": "a mapping", "seq": 5}]))
    assert lines["replayable"] == "yes, but what is unfaithful may differ"
    assert lines["unfaithful"] == "a mapping (near event 5)"
    assert lines["cpu"] == "MIDR 0x10"


def test_info_says_that_events_or_the_beginning_are_missing(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    writer = RecordingWriter(home / "lost", {"replay": {}, "cpu": ["\x1b"]})
    writer.loss(7)
    writer.end()
    (writer.folder / "events-000000").rename(writer.folder / "events-000003")
    assert main(["info", "lost", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["replayable"] is False
    assert content["obstacles"] == ["its beginning is not there any more", "7 events were lost"]
    assert (content["images"], content["image_bytes"], content["unfaithful"]) == (0, 0, [])


@pytest.mark.parametrize("version", [1, 2])
def test_every_golden_recording_is_described(version: int, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (Path(__file__).parents[1] / "golden" / f"v{version}").glob("*/"):
        assert ("yes" in info(capsys, path)["replayable"]) == path.name.startswith("replayable")
