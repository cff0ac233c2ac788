"""An ELF file of a recording: where it is loaded, its sections, its symbols, its lines, its call frames.

It comes from whoever made the recording, and may hold anything: sizes are bounded, and whatever does not fit is a
FormatError.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, BinaryIO

from elftools.elf.elffile import ELFFile

from retrograde.errors import FormatError, RetrogradeError

if TYPE_CHECKING:
    from retrograde.replay.call_frames import CallFrames
    from retrograde.replay.source_lines import SourceLines
    from retrograde.replay.symbols import Symbols

_PAGE = 4096
_MOST_SEGMENTS = 4096
_MOST_SECTIONS = 65536
_LARGEST_SECTION = 1 << 30
_LARGEST_UNPACKED = 256 << 20
_EXECUTABLE = 1
_ARCHITECTURES = {"EM_X86_64": "x86_64", "EM_AARCH64": "arm64"}


@dataclass(frozen=True, slots=True)
class LoadSegment:
    """A PT_LOAD of a file.

    Attributes:
        address, size: in memory, as the file has them.
        offset, file_size: in the file.
        executable: whether it is code.
    """

    address: int
    size: int
    offset: int
    file_size: int
    executable: bool


@contextlib.contextmanager
def _hostile(name: str) -> Iterator[None]:
    """Turn whatever pyelftools raises on nonsense into a FormatError."""
    try:
        yield
    except RetrogradeError:
        raise
    except Exception as error:
        raise FormatError(f"{name} is no sound ELF file: {type(error).__name__} {error}"[:300]) from error


class ElfImage:
    """An ELF file.

    Args:
        stream: its content.
        name: for messages.

    Attributes:
        arch: `x86_64` or `arm64`.
        segments: what is loaded.
        frame_header: address and length of .eh_frame_hdr, or None.

    Raises:
        FormatError: it is none, or of another machine.
    """

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self.name = name
        self._stream = stream
        with _hostile(name):
            self._length = stream.seek(0, os.SEEK_END)
            stream.seek(0)
            if stream.read(6) != b"\x7fELF\2\1":
                raise FormatError(f"{name} is no ELF file of a 64-bit little-endian machine")
            self._elf = ELFFile(stream)
            self.arch = _ARCHITECTURES.get(self._elf["e_machine"], "")
            if not self.arch:
                raise FormatError(f"{name} is for another machine")
            self._read_segments()

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def _read_segments(self) -> None:
        elf = self._elf
        if elf.num_segments() > _MOST_SEGMENTS:
            raise FormatError(f"{self.name} has {elf.num_segments()} segments")
        self.segments: list[LoadSegment] = []
        self.frame_header: tuple[int, int] | None = None
        for header in (elf.get_segment(at).header for at in range(elf.num_segments())):
            if header.p_type == "PT_LOAD":
                self.segments.append(
                    LoadSegment(
                        header.p_vaddr,
                        header.p_memsz,
                        header.p_offset,
                        header.p_filesz,
                        bool(header.p_flags & _EXECUTABLE),
                    )
                )
            elif header.p_type == "PT_GNU_EH_FRAME":
                self.frame_header = header.p_vaddr, header.p_filesz

    @cached_property
    def _section_count(self) -> int:
        with _hostile(self.name):
            count = int(self._elf.num_sections()) if self._elf["e_shoff"] else 0
        if count > _MOST_SECTIONS:
            raise FormatError(f"{self.name} has {count} sections")
        return count

    @cached_property
    def _sections(self) -> dict[str, int]:
        with _hostile(self.name):
            return {self._elf.get_section(at).name: at for at in reversed(range(self._section_count))}

    def section(self, name: str) -> bytes | None:
        """Return a section's content, unpacked; None where it has none."""
        if name not in self._sections:
            return None
        with _hostile(self.name):
            section = self._elf.get_section(self._sections[name])
            header = section.header
            if header.sh_type == "SHT_NOBITS":
                return None
            if header.sh_size > _LARGEST_SECTION or header.sh_offset + header.sh_size > self._length:
                raise FormatError(f"{self.name}: its section {name} is {header.sh_size} bytes long, and it is not")
            if section.compressed and section.data_size > _LARGEST_UNPACKED:
                raise FormatError(f"{self.name}: its section {name} unpacks to {section.data_size} bytes")
            return bytes(section.data())

    def section_end(self, number: int) -> int:
        """Return the address behind a section, by its number; 0 where there is none."""
        if not 0 < number < self._section_count:
            return 0
        with _hostile(self.name):
            header = self._elf.get_section(number).header
            return int(header.sh_addr + header.sh_size)

    def section_address(self, name: str) -> int:
        """Return a section's address; 0 where it has none."""
        if name not in self._sections:
            return 0
        with _hostile(self.name):
            return int(self._elf.get_section(self._sections[name]).header.sh_addr)

    def at(self, address: int, length: int) -> bytes:
        """Return what the file has for an address; less where it does not go so far."""
        for segment in self.segments:
            within = address - segment.address
            if 0 <= within < segment.file_size:
                with _hostile(self.name):
                    self._stream.seek(segment.offset + within)
                    return self._stream.read(max(0, min(length, segment.file_size - within)))
        return b""

    def bias(self, start: int, offset: int, *, executable: bool) -> int | None:
        """Return what has to be added to the file's addresses, where `offset` of the file is mapped at `start`."""
        found = [
            start - segment.address + segment.offset - offset
            for segment in self.segments
            if segment.offset // _PAGE * _PAGE <= offset < segment.offset + max(segment.file_size, 1)
            and segment.executable == executable
        ]
        return found[0] if found else None

    def is_code(self, address: int) -> bool:
        """Return whether an address of the file is in a segment of code."""
        return any(s.executable and s.address <= address < s.address + s.size for s in self.segments)

    @cached_property
    def build_id(self) -> str:
        """The build id in hexadecimal digits; empty where there is none."""
        note = self.section(".note.gnu.build-id") or b""
        return note[16:64].hex() if note[12:16] == b"GNU\0" else ""

    @cached_property
    def symbols(self) -> Symbols:
        """Its symbols."""
        from retrograde.replay.symbols import Symbols

        return Symbols(self)

    @cached_property
    def lines(self) -> SourceLines:
        """Its source lines."""
        from retrograde.replay.source_lines import SourceLines

        return SourceLines(self)

    @cached_property
    def frames(self) -> CallFrames:
        """Its call frame information."""
        from retrograde.replay.call_frames import CallFrames

        return CallFrames(self)
