"""The folder of recordings, and the verbs that keep house."""

from __future__ import annotations

import contextlib
import io
import json
import os
import stat
import tarfile
from pathlib import Path

import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from retrograde.cli import main
from retrograde.errors import NotFoundError, RetrogradeError
from retrograde.recording import Recording, store
from tests.support.recording_writer import RecordingWriter, simple_rows


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "store"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("RETROGRADE_DIR", str(folder))
    monkeypatch.delenv("SUDO_UID", raising=False)
    monkeypatch.chdir(tmp_path)
    return folder


def make(path: Path, *, end: bool = True) -> Path:
    writer = RecordingWriter(path)
    writer.events(simple_rows(30))
    if end:
        writer.end()
    return path


def test_folder_is_chosen_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUDO_UID", raising=False)
    monkeypatch.delenv("RETROGRADE_DIR", raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert store.recordings_folder() == tmp_path / ".local/share/retrograde"
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert store.recordings_folder() == Path("/data/retrograde")
    monkeypatch.setenv("RETROGRADE_DIR", "/elsewhere")
    assert store.recordings_folder() == Path("/elsewhere")


@pytest.mark.skipif(os.geteuid() != 0, reason="sudo's user is looked for by root alone")
def test_under_sudo_the_callers_folder_is_used_and_his(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pwd

    caller = next(user for user in pwd.getpwall() if user.pw_uid != 0)
    monkeypatch.setenv("SUDO_UID", str(caller.pw_uid))
    monkeypatch.delenv("RETROGRADE_DIR", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", "/root/data")
    assert store.recordings_folder() == Path(caller.pw_dir) / ".local/share/retrograde"
    monkeypatch.setenv("RETROGRADE_DIR", str(tmp_path / "a/b"))
    path = make(store.new_recording_path("/bin/ls"))
    store.set_latest(path)
    store.give(path)
    for entry in (tmp_path / "a/b", tmp_path / "a/b/latest", path, path / "events-000000"):
        assert entry.lstat().st_uid == caller.pw_uid


def test_names_are_numbered(home: Path) -> None:
    assert store.new_recording_path("/usr/bin/ls").name == "ls-0"
    make(home / "ls-0")
    make(home / "ls-7.rgtr")
    assert store.new_recording_path("ls").name == "ls-8"
    assert store.new_recording_path("../../etc/-a b;c").name == "a_b_c-0"
    assert store.new_recording_path("/").name == "recording-0"
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


def test_latest(home: Path) -> None:
    with pytest.raises(NotFoundError, match="yet"):
        store.resolve("latest")
    first, second = make(home / "ls-0"), make(home / "cat-0")
    store.set_latest(first)
    store.set_latest(second)
    assert store.resolve("latest") == second
    assert os.readlink(home / "latest") == "cat-0"
    assert store.list_recordings() == [first, second]


def test_unknown_names(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(home / "nginx-3")
    assert main(["info", "ngnix-3"]) == 2
    assert "did you mean nginx-3?" in capsys.readouterr().err
    assert main(["info", "/nowhere/at/all"]) == 2


def test_ls(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ls"]) == 0
    assert "no recording" in capsys.readouterr().err
    make(home / "cat-0")
    make(home / "cat-1", end=False)
    (home / "bad-0").mkdir()
    (home / "bad-0" / "events-000000").write_bytes(b"\x89RGTR\r\n\x1a\x09\0\0\0\0\0\0\0")
    assert main(["ls"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert "complete" in lines[1]
    assert "cat /etc/hostname" in lines[1]
    assert main(["ls", "--json"]) == 0
    found = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert {name: entry["state"] for name, entry in found.items()} == {
        "cat-0": "complete",
        "cat-1": "incomplete",
        "bad-0": "unreadable",
    }
    assert found["cat-0"]["events"] == 30
    assert "format 9" in found["bad-0"]["problem"]


def test_ls_does_not_obey_the_recording(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    RecordingWriter(
        home / "x-0", {"command": ["\x1b[2J", 5], "realtime_ns": 1 << 200, "hostname": "\x1b]0;x\x07"}
    ).end()
    assert main(["ls"]) == 0
    assert main(["info", "x-0"]) == 0
    assert "\x1b" not in capsys.readouterr().out


def test_info(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = make(home / "cat-0")
    assert main(["info", "cat-0", "--verify", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["blocks"] == {"INFO": 1, "EVENTS": 1, "END": 1}
    assert content["problems"] == []
    data = bytearray((path / "events-000000").read_bytes())
    data[-400] ^= 1
    (path / "events-000000").write_bytes(data)
    assert main(["info", "cat-0", "--verify"]) == 1
    assert "block 1 (EVENTS, events 0 to 29)" in capsys.readouterr().out


def test_rm(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = make(home / "cat-0"), make(home / "cat-1")
    outside = make(tmp_path / "outside")
    (home / "link").symlink_to(outside)
    store.set_latest(second)
    assert main(["rm", "cat-0", str(outside)]) == 2
    assert main(["rm", "link"]) == 2
    assert main(["rm", "nothing-1"]) == 2
    assert main(["rm"]) == 2
    assert first.exists()
    assert outside.exists()
    assert main(["rm", "latest"]) == 0
    assert not second.exists()
    assert os.readlink(home / "latest") == "cat-0"
    assert main(["rm", "--force", str(outside)]) == 0
    assert not outside.exists()
    assert main(["rm", "--all"]) == 0
    assert not first.exists()
    assert not (home / "latest").is_symlink()
    capsys.readouterr()


def test_rm_removes_recordings_only(home: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("keep")
    victim = make(home / "cat-0")
    (victim / "events-000001").symlink_to(tmp_path / "precious")
    assert main(["rm", "cat-0"]) == 0
    assert (tmp_path / "precious").read_text() == "keep"
    other = make(home / "cat-1")
    (other / "notes").write_text("mine")
    assert main(["rm", "cat-1"]) == 2
    assert (other / "events-000000").exists()
    (home / "plain").mkdir()
    assert main(["rm", "plain"]) == 2
    assert (home / "plain").exists()


def test_pack_and_unpack(home: Path, tmp_path: Path) -> None:
    path = make(home / "cat-0")
    assert main(["pack", "cat-0"]) == 0
    packed = tmp_path / "cat-0.rgtr"
    assert stat.S_IMODE(packed.stat().st_mode) == 0o600
    assert main(["pack", "cat-0"]) == 2
    assert main(["pack", "cat-0", "--force"]) == 0
    with Recording(path) as one, Recording(packed) as other:
        assert list(one.rows()) == list(other.rows())
        assert (other.info, other.end, other.problems, other.complete) == (one.info, one.end, [], True)
        assert other.kind == "packed"
        assert other.name == "cat-0"
    with tarfile.open(packed) as archive:
        assert archive.getnames() == ["cat-0/info.json", "cat-0/events-000000"]
    assert main(["pack", "--unpack", str(packed)]) == 2
    assert main(["pack", "--unpack", str(packed), "-o", "again"]) == 0
    for name in ("events-000000", "info.json"):
        assert (home / "again" / name).read_bytes() == (path / name).read_bytes()
    assert not (home / "again" / "incomplete").exists()


def test_packed_file_that_is_cut(home: Path, tmp_path: Path) -> None:
    make(home / "cat-0")
    assert main(["pack", "cat-0"]) == 0
    packed = tmp_path / "cat-0.rgtr"
    data = packed.read_bytes()
    for cut in range(512, len(data), 97):
        packed.write_bytes(data[:cut])
        with contextlib.suppress(RetrogradeError), Recording(packed) as recording:
            assert len(list(recording.rows())) in (0, 30)
            assert recording.problems or cut > len(data) - 10240


def test_hostile_archive_stays_inside(home: Path, tmp_path: Path) -> None:
    stream = (make(tmp_path / "real") / "events-000000").read_bytes()
    packed = tmp_path / "evil.rgtr"
    with tarfile.open(packed, "w") as archive:
        for name, target in (("../../events-000000", None), ("x/info.json", "/etc/passwd"), ("/tmp/evil-file", None)):
            member = tarfile.TarInfo(name)
            if target:
                member.type, member.linkname = tarfile.SYMTYPE, target
                archive.addfile(member)
            else:
                member.size = len(stream)
                archive.addfile(member, io.BytesIO(stream))
    with Recording(packed) as recording:
        assert len(list(recording.rows())) == 30
    assert main(["pack", "--unpack", str(packed), "-o", "evil"]) == 0
    assert sorted(entry.name for entry in (home / "evil").iterdir()) == ["events-000000"]
    assert not Path("/tmp/evil-file").exists()


def test_export_parquet(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(home / "cat-0")
    make(home / "cat-1")
    folder = tmp_path / "dataset"
    assert main(["export", "cat-0", "--parquet", str(folder)]) == 0
    assert main(["export", "cat-0", "--parquet", str(folder)]) == 2
    assert main(["export", "cat-0", "--parquet", str(folder), "--force"]) == 0
    assert main(["export", "cat-1", "--parquet", str(folder)]) == 0
    table = ds.dataset(folder, partitioning="hive").to_table()
    assert table.num_rows == 60
    assert set(table.column("recording").to_pylist()) == {"cat-0", "cat-1"}
    assert set(table.column("syscall").to_pylist()) == {"read"}
    part = pq.ParquetFile(folder / "recording=cat-0" / "part-00000.parquet")
    assert part.metadata.row_group(0).column(0).statistics.max == 29
    capsys.readouterr()


def test_export_json(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(home / "cat-0")
    assert main(["export", "cat-0", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) == 30
    assert lines[4]["data_base64"] == "MDAwMDAwMDAwNA=="
    assert lines[4]["args"][0] == 3
    assert main(["export", "cat-0", "--json", "-o", str(tmp_path / "out")]) == 0
    assert main(["export", "cat-0", "--json", "-o", str(tmp_path / "out")]) == 2
    assert len((tmp_path / "out").read_text().splitlines()) == 30


def test_export_json_does_not_replace_a_folder(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(home / "cat-0")
    (tmp_path / "out").mkdir()
    assert main(["export", "cat-0", "--json", "-o", str(tmp_path / "out"), "--force"]) == 2
    assert f"{tmp_path / 'out'} is a folder" in capsys.readouterr().err


def test_export_json_follows_a_link_and_leaves_it_one(home: Path, tmp_path: Path) -> None:
    make(home / "cat-0")
    link, target = tmp_path / "link", tmp_path / "elsewhere" / "out"
    target.parent.mkdir()
    target.write_text("old")
    link.symlink_to(target)
    assert main(["export", "cat-0", "--json", "-o", str(link), "--force"]) == 0
    assert link.readlink() == target
    assert len(target.read_text().splitlines()) == 30
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert list(target.parent.iterdir()) == [target]
