"""One file of a recording, and back: an uncompressed tar archive of its folder.

The blocks are compressed already, so that nothing is gained by compressing again, and left as they are a reader finds
them in place: a packed recording is opened without unpacking it.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import tarfile
from pathlib import Path

from retrograde.errors import CannotError, UsageError
from retrograde.recording import images, store
from retrograde.recording.sources import INCOMPLETE_NAME, INFO_NAME, Folder, PackedFile, Source, open_place

_CHUNK = 1 << 20
# With this in front, the name of an image still fits the 100 bytes that a header of the archive has for it.
_MAX_NAME = 60


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    return member


def pack(path: Path, output: Path, *, force: bool = False) -> None:
    """Write a recording's folder as one file.

    Args:
        path: the recording's folder.
        output: the file to write, private to its owner.
        force: replace a file that is there.

    Raises:
        UsageError: ``output`` exists, or ``path`` is packed already.
        CannotError: it cannot be written.
    """
    place = open_place(path)
    try:
        if not isinstance(place, Folder):
            raise UsageError(f"{path} is one file already", hint="copy it as it is")
        if output.exists() and not force:
            raise UsageError(f"{output} exists already", hint="choose another name, or replace it with --force")
        temporary = output.with_name(f".{output.name[:200]}.{os.getpid()}")
        try:
            _write(place, temporary, path.name if 0 < len(os.fsencode(path.name)) <= _MAX_NAME else "recording")
            store.give(temporary)
            temporary.replace(output)
        except OSError as error:
            raise CannotError(f"{output} cannot be written: {error.strerror or error}") from None
        finally:
            with contextlib.suppress(OSError):  # not there any more, or never
                temporary.unlink()
    finally:
        place.close()


def _write(folder: Folder, output: Path, name: str) -> None:
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with (
        os.fdopen(descriptor, "wb") as file,
        tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as archive,
    ):
        info = folder.info()
        if info is not None:
            archive.addfile(_member(f"{name}/{INFO_NAME}", len(info)), io.BytesIO(info))
        if folder.incomplete:
            archive.addfile(_member(f"{name}/{INCOMPLETE_NAME}", 0))
        for number in folder.numbers():
            _add(archive, name, folder.open(number))
        for image in folder.images():
            _add(archive, f"{name}/{images.FOLDER_NAME}", folder.open_image(image))


def _add(archive: tarfile.TarFile, folder: str, source: Source) -> None:
    # A file that grows meanwhile is taken as long as it is now.
    size = source.size()
    with images.SourceFile(source) as file:
        archive.addfile(_member(f"{folder}/{source.name}", size), file)


def unpack(path: Path, folder: Path) -> None:
    """Make a recording's folder of a packed file.

    Args:
        path: the packed file.
        folder: is made; must not exist.

    Raises:
        UsageError: ``folder`` exists, or ``path`` is no packed recording.
        CannotError: it cannot be written.
    """
    place = open_place(path)
    try:
        if not isinstance(place, PackedFile):
            raise UsageError(f"{path} is no packed recording", hint=f"retrograde pack {path}    makes one")
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            raise UsageError(f"{folder} exists already", hint="choose another name") from None
        except OSError as error:
            raise CannotError(f"{folder} cannot be made: {error.strerror}") from None
        try:
            _unpack(place, folder)
            store.give(folder)
        except OSError as error:
            store.remove(folder)
            raise CannotError(f"{folder} cannot be written: {error.strerror}") from None
    finally:
        place.close()


def _create(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def _copy(source: Source, path: Path) -> None:
    with images.SourceFile(source) as content, os.fdopen(_create(path), "wb") as file:
        shutil.copyfileobj(content, file, _CHUNK)


def _unpack(place: PackedFile, folder: Path) -> None:
    (folder / INCOMPLETE_NAME).touch(mode=0o600)
    for number in place.numbers():
        _copy(place.open(number), folder / f"events-{number:06}")
    names = place.images()
    if names:
        (folder / images.FOLDER_NAME).mkdir(mode=0o700)
    for name in names:
        _copy(place.open_image(name), folder / images.FOLDER_NAME / name)
    info = place.info()
    if info is not None:
        with os.fdopen(_create(folder / INFO_NAME), "wb") as file:
            file.write(info)
    if not place.incomplete:
        (folder / INCOMPLETE_NAME).unlink()
