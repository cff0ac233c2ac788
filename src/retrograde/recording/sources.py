"""Where a recording's bytes lie: a folder, a packed file, or a bare block stream.

A recording may come from anyone. Only regular files with the names that the format gives are opened, never through a
symbolic link, and only below the recording's own folder.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from retrograde.errors import CannotError, FormatError, NotFoundError
from retrograde.recording import images
from retrograde.recording.blocks import STREAM_MAGIC
from retrograde.recording.tar import TarMember, read_members

EVENTS_NAME = re.compile(r"events-(\d{6,12})")
INFO_NAME = "info.json"
INCOMPLETE_NAME = "incomplete"
_MAX_INFO = 1 << 20


@dataclass(slots=True)
class Source:
    """A range of an open file.

    Attributes:
        name: the file's name in the recording.
        number: its number in the rotation.
        descriptor: of the open file; closed by :meth:`close` if ``owned``.
        start, length: the range; length None: to wherever the file ends at that moment.
    """

    name: str
    number: int
    descriptor: int
    start: int = 0
    length: int | None = None
    owned: bool = True

    def size(self) -> int:
        """Return the bytes that are there now."""
        there = max(0, os.fstat(self.descriptor).st_size - self.start)
        return there if self.length is None else min(self.length, there)

    def read(self, at: int, count: int) -> bytes:
        """Return up to ``count`` bytes from ``at``; none at the end."""
        if self.length is not None:
            count = min(count, self.length - at)
        return os.pread(self.descriptor, count, self.start + at) if count > 0 else b""

    def close(self) -> None:
        """Close the file."""
        if self.owned and self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def _open_regular(name: str, folder: int) -> int:
    """Open a file of a folder, never through a link, and nothing but a regular file.

    Raises:
        OSError: it is none, or cannot be opened.
    """
    # O_NONBLOCK: a FIFO of that name must not hold us.
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "is no regular file", name)
    return descriptor


class Folder:
    """A recording's folder.

    Args:
        path: of the folder.
    """

    kind = "folder"

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def close(self) -> None:
        """Close the folder."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def numbers(self) -> list[int]:
        """Return the numbers of the events files, in order."""
        matches = (EVENTS_NAME.fullmatch(name) for name in os.listdir(self._descriptor))
        return sorted({int(match[1]) for match in matches if match})

    def open(self, number: int) -> Source:
        """Open an events file.

        Raises:
            OSError: it is gone, not readable, or no regular file.
        """
        name = f"events-{number:06}"
        return Source(name, number, _open_regular(name, self._descriptor))

    def info(self) -> bytes | None:
        """Return info.json, None where there is none that can be read."""
        try:
            descriptor = _open_regular(INFO_NAME, self._descriptor)
        except OSError:
            return None
        try:
            return os.pread(descriptor, _MAX_INFO, 0)
        finally:
            os.close(descriptor)

    @property
    def incomplete(self) -> bool:
        """Whether the capture has not closed it."""
        return INCOMPLETE_NAME in os.listdir(self._descriptor)

    @property
    def has_marks(self) -> bool:
        """Whether it holds anything that a recording's folder holds."""
        return bool(self.numbers()) or self.incomplete or INFO_NAME in os.listdir(self._descriptor)

    def stored_size(self) -> int:
        """Return the bytes of its files."""
        names = [name for name in os.listdir(self._descriptor) if EVENTS_NAME.fullmatch(name) or name == INFO_NAME]
        sizes = (os.stat(name, dir_fd=self._descriptor, follow_symlinks=False).st_size for name in names)
        return sum(sizes) + sum(self.images().values())

    def _open_images(self) -> int:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(images.FOLDER_NAME, flags, dir_fd=self._descriptor)

    def images(self) -> dict[str, int]:
        """Return the bytes of each image by its name."""
        try:
            folder = self._open_images()
        except OSError:
            return {}
        try:
            names = sorted(name for name in os.listdir(folder) if images.NAME.fullmatch(name))
            found = ((name, os.stat(name, dir_fd=folder, follow_symlinks=False)) for name in names)
            return {name: status.st_size for name, status in found if stat.S_ISREG(status.st_mode)}
        finally:
            os.close(folder)

    def open_image(self, name: str) -> Source:
        """Open an image, whose name has been checked.

        Raises:
            OSError: it is not there, not readable, or no regular file.
        """
        folder = self._open_images()
        try:
            return Source(name, 0, _open_regular(name, folder))
        finally:
            os.close(folder)


class PackedFile:
    """A recording in one file: an uncompressed tar archive of its folder.

    Args:
        path: of the file.
        descriptor: of the open file; this closes it.
    """

    kind = "packed"

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self._members: dict[int, TarMember] = {}
        self._texts: dict[str, TarMember] = {}
        self._images: dict[str, TarMember] = {}
        for member in read_members(descriptor):
            match = EVENTS_NAME.fullmatch(member.name)
            if member.folder == images.FOLDER_NAME:
                if images.NAME.fullmatch(member.name):
                    self._images.setdefault(member.name, member)
            elif match:
                self._members.setdefault(int(match[1]), member)
            elif member.name in (INFO_NAME, INCOMPLETE_NAME):
                self._texts.setdefault(member.name, member)

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def numbers(self) -> list[int]:
        """Return the numbers of the events files, in order."""
        return sorted(self._members)

    def open(self, number: int) -> Source:
        """Open an events file."""
        member = self._members[number]
        return Source(member.name, number, self._descriptor, member.start, member.length, owned=False)

    def info(self) -> bytes | None:
        """Return info.json, None where there is none."""
        member = self._texts.get(INFO_NAME)
        if member is None or member.length > _MAX_INFO:
            return None
        return os.pread(self._descriptor, member.length, member.start)

    @property
    def incomplete(self) -> bool:
        """Whether the capture had not closed it."""
        return INCOMPLETE_NAME in self._texts

    @property
    def has_marks(self) -> bool:
        """Whether it holds anything that a recording's folder holds."""
        return bool(self._members or self._texts)

    def stored_size(self) -> int:
        """Return the bytes of the file."""
        return os.fstat(self._descriptor).st_size

    def images(self) -> dict[str, int]:
        """Return the bytes of each image by its name."""
        return {name: self._image(name, self._descriptor).size() for name in sorted(self._images)}

    def _image(self, name: str, descriptor: int) -> Source:
        member = self._images[name]
        return Source(name, 0, descriptor, member.start, member.length, owned=descriptor != self._descriptor)

    def open_image(self, name: str) -> Source:
        """Open an image, whose name has been checked.

        Raises:
            OSError: it is not there.
        """
        if name not in self._images:
            raise FileNotFoundError(errno.ENOENT, "is not there", name)
        # It may stay open for longer than the recording.
        return self._image(name, os.dup(self._descriptor))


class StreamFile:
    """A bare block stream in a file: what the capture wrote to a pipe, or one file of a recording.

    Args:
        path: of the file.
        descriptor: of the open file; this closes it.
    """

    kind = "stream"
    incomplete = False
    has_marks = True

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        match = EVENTS_NAME.fullmatch(path.name)
        self._number = int(match[1]) if match else 0

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def numbers(self) -> list[int]:
        """Return the numbers of the events files: it is one."""
        return [self._number]

    def open(self, number: int) -> Source:
        """Open the stream."""
        return Source(self.path.name, number, self._descriptor, owned=False)

    def info(self) -> bytes | None:
        """Return None: a bare stream has its END block only."""
        return None

    def stored_size(self) -> int:
        """Return the bytes of the file."""
        return os.fstat(self._descriptor).st_size

    def images(self) -> dict[str, int]:
        """Return nothing: a bare stream has no images."""
        return {}

    def open_image(self, name: str) -> Source:
        """Raise OSError: a bare stream has no images."""
        raise FileNotFoundError(errno.ENOENT, "is not there", name)


Place = Folder | PackedFile | StreamFile


def open_place(path: Path) -> Place:
    """Open a recording's folder or file.

    Raises:
        NotFoundError: there is nothing at ``path``.
        CannotError: it may not be read.
        FormatError: it is no recording.
    """
    try:
        if path.is_dir():
            place: Place = Folder(path)
        else:
            place = _open_file(path)
    except (FileNotFoundError, NotADirectoryError):
        raise NotFoundError(f"there is no recording at {path}", hint="`retrograde ls` lists the recordings") from None
    except PermissionError:
        raise CannotError(
            f"{path} may not be read: recordings are private to their owner",
            hint=f"sudo chown -R $(id -un) {path}",
        ) from None
    except OSError as error:
        raise CannotError(f"{path} cannot be read: {error.strerror}") from None
    if not place.has_marks:
        place.close()
        raise FormatError(
            f"{path} is no recording: it holds no events-000000", hint="`retrograde ls` lists the recordings"
        )
    return place


def _open_file(path: Path) -> Place:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise FormatError(f"{path} is no recording: it is neither a folder nor a regular file")
        head = os.pread(descriptor, 512, 0)
        if head[257:262] == b"ustar":
            return PackedFile(path, descriptor)
        if head.startswith(STREAM_MAGIC) or EVENTS_NAME.fullmatch(path.name):
            return StreamFile(path, descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    raise FormatError(f"{path} is no recording: it does not begin as one", hint="`retrograde ls` lists the recordings")
