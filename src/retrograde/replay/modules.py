"""What is loaded where in a replayed process: the ELF files behind its addresses, and what they say of them."""

from __future__ import annotations

import bisect
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from retrograde.errors import CannotError, FormatError, NotFoundError, RetrogradeError
from retrograde.recording.describe import printable
from retrograde.replay.bounded_bytes import WORD
from retrograde.replay.debuggee import Mapping
from retrograde.replay.elf_image import ElfImage

if TYPE_CHECKING:
    from retrograde.recording import Recording
    from retrograde.replay.dwarf_expression import ReadMemory

_LARGEST_IN_MEMORY = 1 << 20


@dataclass(frozen=True, slots=True)
class Module:
    """An ELF file in memory.

    Attributes:
        path: where it was when it was recorded, or `[vdso]`.
        bias: what is added to the file's addresses.
        begin, end: its addresses.
        image: the file.
        debug: the file with its symbols and lines: the same, or one apart.
    """

    path: str
    bias: int
    begin: int
    end: int
    image: ElfImage
    debug: ElfImage


@dataclass(frozen=True, slots=True)
class Place:
    """What is known of an address.

    Attributes:
        function: the function's name, or None.
        offset: from its beginning.
        file: the source file as the debugging information names it, or None.
        line: its line, or None.
        module: the path of the file that holds the code, or None.
    """

    function: str | None = None
    offset: int = 0
    file: str | None = None
    line: int | None = None
    module: str | None = None

    def __str__(self) -> str:
        text = f"{self.function}+{self.offset}" if self.function and self.offset else self.function or "?"
        if self.file is not None:
            return f"{text} at {self.file.rpartition('/')[2]}:{self.line}"
        return f"{text} in {self.module.rpartition('/')[2]}" if self.module else text


class Modules:
    """The ELF files of a process.

    Args:
        recording: has the files' content; nothing else is read, unless it is asked for.
        maps: returns the memory map; the same object as long as it is the same.
        read: reads the process's memory.
        debug_directories: folders of this machine with `.build-id/12/3456.debug` in them.
    """

    def __init__(
        self,
        recording: Recording,
        maps: Callable[[], list[Mapping]],
        read: ReadMemory,
        debug_directories: Sequence[Path] = (),
    ) -> None:
        self._recording = recording
        self._maps = maps
        self._read = read
        self._directories = debug_directories
        self._images: dict[str | bytes, ElfImage | None] = {}
        self._debug: dict[str, ElfImage | None] = {}
        self._last: list[Mapping] | None = None
        self._modules: list[Module] = []
        self._begins: list[int] = []

    def close(self) -> None:
        """Close the files."""
        for image in (*self._images.values(), *self._debug.values()):
            if image is not None:
                image.close()
        self._images.clear()
        self._debug.clear()
        self._last = None

    # ---- what is loaded ----

    def all(self) -> list[Module]:
        """Return what is loaded, in order of address."""
        maps = self._maps()
        if maps is not self._last:
            found: dict[tuple[int, int], Module] = {}
            for mapping in maps:
                if mapping.permissions[2:3] == "x" and (module := self._module(mapping, maps)) is not None:
                    found.setdefault((id(module.image), module.bias), module)
            self._modules = sorted(found.values(), key=lambda module: module.begin)
            self._begins = [module.begin for module in self._modules]
            self._last = maps
        return self._modules

    def _module(self, mapping: Mapping, maps: list[Mapping]) -> Module | None:
        image = self._image(mapping)
        if image is None:
            return None
        offset = mapping.offset if mapping.image is not None else 0
        bias = image.bias(mapping.start, offset, executable=True)
        if bias is None:
            return None
        begin = min(segment.address for segment in image.segments) + bias
        end = max(segment.address + segment.size for segment in image.segments) + bias
        return Module(mapping.path, bias, begin, end, image, self._debug_file(image, maps) or image)

    def _image(self, mapping: Mapping) -> ElfImage | None:
        if mapping.image is not None:
            if mapping.image not in self._images:
                name = mapping.path or mapping.image
                self._images[mapping.image] = self._opened(lambda: self._recording.image(str(mapping.image)), name)
            return self._images[mapping.image]
        if mapping.path == "[vdso]":
            data = self._read(mapping.start, min(mapping.end - mapping.start, _LARGEST_IN_MEMORY))
            if data not in self._images:
                self._images[data] = self._opened(lambda: io.BytesIO(data), mapping.path)
            return self._images[data]
        return None

    @staticmethod
    def _opened(open_stream: Callable[[], BinaryIO], name: str) -> ElfImage | None:
        stream = None
        try:
            stream = open_stream()
            return ElfImage(stream, printable(name))
        except RetrogradeError:
            if stream is not None:
                stream.close()
            return None

    def _debug_file(self, image: ElfImage, maps: list[Mapping]) -> ElfImage | None:
        """Return a file's debugging information where it is apart: mapped by the program, or where it was asked for."""
        try:
            build_id = image.build_id
        except FormatError:
            return None
        if len(build_id) < 6:
            return None
        if build_id not in self._debug:
            self._debug[build_id] = self._find_debug_file(build_id, maps)
        return self._debug[build_id]

    def _find_debug_file(self, build_id: str, maps: list[Mapping]) -> ElfImage | None:
        name = f".build-id/{build_id[:2]}/{build_id[2:]}.debug"
        for mapping in maps:
            if mapping.image is not None and mapping.path.endswith(f"/{name}"):
                return self._opened(partial(self._recording.image, mapping.image), name)
        for directory in self._directories:
            path = directory / name
            if path.is_file():
                found = self._opened(partial(_open_outside, path), str(path))
                if found is None:
                    raise CannotError(f"{path} is no debugging information")
                return found
        return None

    def at(self, address: int) -> Module | None:
        """Return what is loaded at an address."""
        modules = self.all()
        at = bisect.bisect_right(self._begins, address) - 1
        return modules[at] if at >= 0 and address < modules[at].end else None

    def is_code(self, address: int) -> bool:
        """Return whether there is code at an address at this moment."""
        return any(m.start <= address < m.end and m.permissions[2:3] == "x" for m in self._maps())

    # ---- what is known of addresses ----

    def place(self, address: int) -> Place:
        """Return what is known of an address; what is damaged says nothing."""
        module = self.at(address)
        if module is None:
            return Place()
        function, offset, file, line = None, 0, None, None
        within = address - module.bias & WORD
        try:
            symbol = module.debug.symbols.at(within)
            if symbol is not None:
                function, offset = printable(symbol.name), within - symbol.address
        except FormatError:
            pass
        try:
            found = module.debug.lines.at(within)
            if found is not None:
                file, line = printable(found[0]), found[1]
        except FormatError:
            pass
        return Place(function, offset, file, line, printable(module.path))

    def symbol(self, name: str, first: str = "") -> tuple[int, int]:
        """Return the address and the size of a symbol.

        Args:
            name: of a function or a variable that is not local to a function.
            first: path of the file that is looked into before all others.

        Raises:
            NotFoundError: there is none.
        """
        for module in self._in_order(first):
            try:
                found = module.debug.symbols.named(name) or module.image.symbols.named(name)
            except FormatError:
                continue
            if found:
                return found[0].address + module.bias & WORD, found[0].size
        raise NotFoundError(f"there is no symbol {printable(name)} in what is loaded", hint=self._like(name, first))

    def _in_order(self, first: str) -> list[Module]:
        # The program, the libraries, the dynamic linker, which has some of libc's functions as well.
        return sorted(
            self.all(), key=lambda m: (m.path != first, m.path.rpartition("/")[2].startswith(("ld-", "ld.", "[")))
        )

    def _like(self, name: str, first: str) -> str:
        for module in self._in_order(first)[:1]:
            try:
                if near := module.debug.symbols.functions_like(name):
                    return f"did you mean {', '.join(map(printable, near))}?"
            except FormatError:
                pass
        return "a library that is not loaded yet has no symbols: go further first, for instance to main"

    def line(self, file: str, line: int, first: str = "") -> list[int]:
        """Return where the code of a source line begins.

        Raises:
            NotFoundError: there is no code of it.
        """
        for module in self._in_order(first):
            try:
                found = module.debug.lines.addresses(file, line)
            except FormatError:
                continue
            if found:
                return [address + module.bias & WORD for address in found]
        raise NotFoundError(f"there is no code of {printable(file)}:{line} in what is loaded")


def _open_outside(path: Path) -> BinaryIO:
    return path.open("rb")
