"""The folder in which recordings live."""

from __future__ import annotations

import contextlib
import os
import pwd
import re
from pathlib import Path

from retrograde.errors import CannotError, NotFoundError, UsageError
from retrograde.recording import images
from retrograde.recording.sources import EVENTS_NAME, INCOMPLETE_NAME, INFO_NAME

LATEST = "latest"
PACKED_SUFFIX = ".rgtr"
_FOLDER_ITSELF = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_UNUSUAL = re.compile(r"[^A-Za-z0-9._+-]+")


def _invoking_user() -> pwd.struct_passwd | None:
    """Return the user who called sudo, None where nobody did."""
    uid = os.environ.get("SUDO_UID", "")
    if os.geteuid() != 0 or not uid.isdecimal() or uid == "0":
        return None
    try:
        return pwd.getpwuid(int(uid))
    except KeyError:
        return None


def owner() -> tuple[int, int] | None:
    """Return uid and gid that files made here are to have, None where they have them anyway."""
    user = _invoking_user()
    return None if user is None else (user.pw_uid, user.pw_gid)


def recordings_folder() -> Path:
    """Return the folder in which recordings live: `$RETROGRADE_DIR`, else `$XDG_DATA_HOME/retrograde`, else
    `~/.local/share/retrograde`. Under sudo it is that of the user who called sudo. It need not exist."""
    named = os.environ.get("RETROGRADE_DIR")
    if named:
        return Path(named).expanduser().absolute()
    user = _invoking_user()
    data = os.environ.get("XDG_DATA_HOME")
    # Under sudo XDG_DATA_HOME is root's, if it is set at all.
    if data and Path(data).is_absolute() and user is None:
        return Path(data) / "retrograde"
    home = Path(user.pw_dir) if user is not None else Path.home()
    return home / ".local/share/retrograde"


def give(path: Path) -> None:
    """Give a file, a link or an (own) folder and all that it holds to the user who called sudo."""
    target = owner()
    if target is None:
        return
    try:
        folder = os.open(path, _FOLDER_ITSELF)
    except OSError:  # no folder: a file, or a link to one
        os.chown(path, *target, follow_symlinks=False)
        return
    try:
        _give_folder(folder, target)
    finally:
        os.close(folder)


def _give_folder(folder: int, target: tuple[int, int]) -> None:
    """Give an open folder and all that it holds; itself last, since whoever has it may put links in its place."""
    for name in os.listdir(folder):
        try:
            inner = os.open(name, _FOLDER_ITSELF, dir_fd=folder)
        except OSError:
            os.chown(name, *target, dir_fd=folder, follow_symlinks=False)
            continue
        try:
            _give_folder(inner, target)
        finally:
            os.close(inner)
    os.fchown(folder, *target)


def _make_folder(folder: Path) -> None:
    missing = []
    parent = folder
    # os.path.exists is False where Path.exists raises: in a folder that may not be searched.
    while not os.path.exists(parent):
        missing.append(parent)
        parent = parent.parent
    try:
        for path in reversed(missing):
            path.mkdir(mode=0o700, exist_ok=True)
            give(path)
    except OSError as error:
        raise CannotError(
            f"the recordings' folder {folder} cannot be made: {error.strerror}",
            hint="export RETROGRADE_DIR=/a/folder/you/may/write",
        ) from None


def new_recording_path(exe: str) -> Path:
    """Return a path for a new recording, `<exe>-<n>`; its folder is the capture's to make.

    Args:
        exe: the program, as name or path.

    Raises:
        CannotError: the recordings' folder cannot be made.
    """
    folder = recordings_folder()
    _make_folder(folder)
    name = _UNUSUAL.sub("_", os.path.basename(exe)).strip("._-")[:64] or "recording"
    pattern = re.compile(rf"{re.escape(name)}-(\d{{1,9}})")
    try:
        taken = [int(match[1]) for entry in os.listdir(folder) if (match := pattern.match(entry))]
    except OSError as error:
        raise CannotError(
            f"the recordings' folder {folder} cannot be read: {error.strerror}",
            hint="export RETROGRADE_DIR=/a/folder/you/may/write",
        ) from None
    return folder / f"{name}-{max(taken, default=-1) + 1}"


def set_latest(path: Path) -> None:
    """Make the link `latest` point to a recording of the recordings' folder; of another folder: do nothing."""
    folder = recordings_folder()
    if path.absolute().parent != folder:
        return
    temporary = folder / f".{LATEST}-{os.getpid()}"
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    temporary.symlink_to(path.name)
    give(temporary)
    temporary.replace(folder / LATEST)


def is_recording(path: Path) -> bool:
    """Return whether a path looks like a recording: a folder with its files, or a packed file."""
    if path.suffix == PACKED_SUFFIX and path.is_file():
        return True
    try:
        names = os.listdir(path)
    except OSError:
        return False
    return any(EVENTS_NAME.fullmatch(name) or name in (INFO_NAME, INCOMPLETE_NAME) for name in names)


def list_recordings() -> list[Path]:
    """Return the recordings of the recordings' folder, oldest first."""
    folder = recordings_folder()
    try:
        entries = [entry for entry in folder.iterdir() if not entry.is_symlink() and is_recording(entry)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise CannotError(f"the recordings' folder {folder} cannot be read: {error.strerror}") from None
    return sorted(entries, key=lambda entry: (_time(entry), entry.name))


def _time(path: Path) -> int:
    # The first file's is the start; a packed file has its own only.
    for candidate in (path / "events-000000", path):
        try:
            return candidate.stat(follow_symlinks=False).st_mtime_ns
        except OSError:
            continue
    return 0


def resolve(name: str | Path) -> Path:
    """Return the path of a recording.

    Args:
        name: of a recording in the recordings' folder (`latest` for the newest), or a path.

    Raises:
        NotFoundError: there is none; names the nearest.
        UsageError: the name is empty.
    """
    text = os.fspath(name)
    if not text or "\0" in text:
        raise UsageError("the recording's name is empty", hint="`retrograde ls` lists the recordings")
    path = Path(text).expanduser()
    folder = recordings_folder()
    if isinstance(name, str) and "/" not in text and text not in (".", ".."):
        for candidate in (folder / text, folder / f"{text}{PACKED_SUFFIX}"):
            if os.path.exists(candidate):
                return candidate.resolve() if text == LATEST else candidate
        if text == LATEST:
            return _newest(folder)
    if os.path.exists(path):
        return path
    import difflib

    near = difflib.get_close_matches(text, [entry.name for entry in list_recordings()], n=1)
    hint = f"did you mean {near[0]}?" if near else "`retrograde ls` lists the recordings"
    raise NotFoundError(f"there is no recording {text!r} in {folder}", hint=hint)


def _newest(folder: Path) -> Path:
    """Return what `latest` should name where the link is not there or leads nowhere."""
    recordings = list_recordings()
    if not recordings:
        raise NotFoundError(f"there is no recording in {folder} yet", hint="retrograde record -- ls    makes one")
    return recordings[-1]


def make_recordings_folder() -> Path:
    """Return the recordings' folder, made if it was missing.

    Raises:
        CannotError: it cannot be made.
    """
    folder = recordings_folder()
    _make_folder(folder)
    return folder


def is_inside(path: Path) -> bool:
    """Return whether a recording lies in the recordings' folder, links resolved."""
    return path.resolve().parent == recordings_folder().resolve()


def _files(path: Path) -> tuple[list[Path], list[Path]]:
    """Return the files and the folders that a recording's folder holds.

    Raises:
        UsageError: something else is among them.
    """
    files, folders = [], []
    foreign = []
    for name in sorted(os.listdir(path)):
        entry = path / name
        if name == images.FOLDER_NAME and entry.is_dir() and not entry.is_symlink():
            folders.append(entry)
            names = sorted(os.listdir(entry))
            files += [entry / each for each in names]
            foreign += [f"{name}/{each}" for each in names if not _is_image(each)]
        else:
            files.append(entry)
            if not EVENTS_NAME.fullmatch(name) and name not in (INFO_NAME, INCOMPLETE_NAME, images.FOLDER_NAME):
                foreign.append(name)
    if foreign:
        raise UsageError(f"{path} is not removed: it also holds {foreign[0]!r}, which is no part of a recording")
    return files, folders


def _is_image(name: str) -> bool:
    return bool(images.NAME.fullmatch(name)) or name == images.UNFINISHED_NAME


def remove(path: Path) -> None:
    """Remove a recording: the files that the format knows, and their folder. A link is removed, not what it names.

    Raises:
        UsageError: it is no recording, or its folder holds something else.
        CannotError: it may not be removed.
    """
    try:
        if path.is_symlink() or path.is_file():
            path.unlink()
            return
        files, folders = _files(path)
        if not files and not folders and not is_inside(path):
            raise UsageError(f"{path} is not removed: it is empty, which is no part of a recording")
        for file in files:
            file.unlink()
        for folder in [*folders, path]:
            folder.rmdir()
    except FileNotFoundError:
        raise NotFoundError(f"there is no recording at {path}") from None
    except OSError as error:
        raise CannotError(f"{path} cannot be removed: {error.strerror}") from None


def mend_latest() -> None:
    """Make `latest` name the newest recording that is left; remove it where there is none."""
    link = recordings_folder() / LATEST
    if not link.is_symlink() or link.exists():
        return
    left = list_recordings()
    if left:
        set_latest(left[-1])
    else:
        link.unlink()
