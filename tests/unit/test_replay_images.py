"""What the ELF files of a recording say: symbols, source lines, call frames; and what hostile ones do."""

from __future__ import annotations

import contextlib
import io
import random
import shutil
import struct
import subprocess
from pathlib import Path
from typing import cast

import pytest

from retrograde.errors import FormatError, RetrogradeError
from retrograde.recording import Recording
from retrograde.replay.backtrace import unwind
from retrograde.replay.bounded_bytes import WORD, Bytes
from retrograde.replay.call_frames import Row
from retrograde.replay.debuggee import Mapping
from retrograde.replay.dwarf_expression import evaluate
from retrograde.replay.elf_image import ElfImage
from retrograde.replay.modules import Modules
from retrograde.replay.registers import Registers
from tests.support.commands import PROGRAMS

_PAGE = 4096
_SOURCE = PROGRAMS / "looked_at.c"
_NAMES = ("square", "from_handler", "compare", "main")


def _built(folder: Path, *options: str, compiler: str = "gcc") -> Path:
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    path = folder / "program"
    subprocess.run([compiler, "-g", "-w", "-pthread", "-o", str(path), str(_SOURCE), *options], check=True)
    return path


def _image(data: bytes) -> ElfImage:
    return ElfImage(io.BytesIO(data), "program")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return _built(tmp_path_factory.mktemp("images"), "-O1", "-fno-inline").read_bytes()


def _line(text: str) -> int:
    lines = _SOURCE.read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


# ---- sound files ----


@pytest.mark.parametrize(
    ("compiler", "options", "arch"),
    [
        ("gcc", ("-O0",), "x86_64"),
        ("gcc", ("-O2", "-gdwarf-4", "-gz"), "x86_64"),
        ("gcc", ("-O0", "-gdwarf-2", "-no-pie"), "x86_64"),
        ("gcc", ("-O0", "-gdwarf64", "-static"), "x86_64"),
        ("aarch64-linux-gnu-gcc", ("-O0",), "arm64"),
        ("aarch64-linux-gnu-gcc", ("-O2", "-static", "-mbranch-protection=standard"), "arm64"),
    ],
)
def test_symbols_lines_and_frames(compiler: str, options: tuple[str, ...], arch: str, tmp_path: Path) -> None:
    image = _image(_built(tmp_path, *options, compiler=compiler).read_bytes())
    assert image.arch == arch
    for name in _NAMES:
        (symbol,) = image.symbols.named(name)
        assert image.symbols.at(symbol.address) == symbol
        assert image.symbols.at(symbol.address + symbol.size - 1) == symbol
        file, line = image.lines.at(symbol.address) or ("", 0)
        assert file.endswith("looked_at.c")
        assert abs(line - _line({"compare": "int compare", "square": "int square"}.get(name, f" {name}("))) <= 2
        row = image.frames.row(symbol.address)
        assert isinstance(row, Row)
        assert not row.signal
    (square,) = image.symbols.named("square")
    assert square.address in image.lines.addresses("looked_at.c", _line("int square"))
    assert image.symbols.named("squar") == []
    assert "square" in image.symbols.functions_like("sqare")
    assert image.frames.row(8) is None
    assert image.symbols.at(8) is None
    assert image.lines.at(8) is None


def test_the_end_of_a_name_is_a_name_of_its_own(program: bytes) -> None:
    """Linkers store `handler` within `from_handler`."""
    image = _image(program)
    assert image.symbols.named("handler")[0].address != image.symbols.named("from_handler")[0].address
    assert image.symbols.named("andler") == []


# ---- unwinding on arm64, on memory made up ----


class _Memory:
    """Words of a stack."""

    def __init__(self) -> None:
        self.words: dict[int, int] = {}

    def read(self, address: int, length: int) -> bytes:
        """As a replay does."""
        data = b"".join(
            self.words[at].to_bytes(8, "little") if at in self.words else b""
            for at in range(address, address + length, 8)
        )
        return data[:length]


class _OneImage:
    """A recording with one image."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def image(self, name: str) -> io.BytesIO:
        """Return it."""
        return io.BytesIO(self._data)


def _modules(data: bytes, bias: int, memory: _Memory) -> Modules:
    (code,) = (segment for segment in _image(data).segments if segment.executable)
    maps = [
        Mapping(
            bias + code.address // _PAGE * _PAGE,
            bias + (code.address + code.size + _PAGE - 1) // _PAGE * _PAGE,
            "r-xp",
            code.offset // _PAGE * _PAGE,
            "/program",
            "0" * 32,
        )
    ]
    return Modules(cast(Recording, _OneImage(data)), lambda: maps, memory.read)


@pytest.mark.parametrize("protection", ["none", "standard"])
def test_frames_on_arm64(protection: str, tmp_path: Path) -> None:
    data = _built(
        tmp_path, "-O0", f"-mbranch-protection={protection}", compiler="aarch64-linux-gnu-gcc"
    ).read_bytes()  # fmt: skip
    bias, memory = 0x5500000000, _Memory()
    symbols = _image(data).symbols
    square, go_deep, main = (symbols.named(name)[0].address + bias for name in ("square", "go_deep", "main"))
    # go_deep calls square; both and main have a frame record, whose return addresses are signed where they are to be.
    signed = 0x3A << 48 if protection == "standard" else 0
    stack = 0x7FFF0000
    memory.words = {stack + at * 8: 0 for at in range(64)}
    memory.words |= {stack: stack + 32, stack + 8: (main + 40) | signed}
    memory.words |= {stack + 32: 0, stack + 40: signed}
    general = [0] * 31 + [stack, square, 0]
    general[29], general[30] = stack, go_deep + 36
    registers = Registers("arm64", struct.pack("<34Q", *general))
    frames = unwind(registers, "arm64", memory.read, _modules(data, bias, memory), 100)
    assert [frame.function for frame in frames] == ["square", "go_deep", "main"]
    assert [frame.pc for frame in frames] == [square, go_deep + 36, main + 40]
    assert [frame.cfa for frame in frames][:2] == [stack, stack + 32]
    assert frames[0].line == _line("int square")


def test_registers_of_arm64() -> None:
    registers = Registers("arm64", struct.pack("<34Q", *range(34)), lambda: struct.pack("<66Q", *range(66)))
    assert (registers.x7, registers.lr, registers.fp, registers.sp, registers["pc"], registers.pstate) == (
        7, 30, 29, 31, 32, 33,
    )  # fmt: skip
    assert registers.v1 == 2 | 3 << 64
    assert registers.arguments == tuple(range(8))
    assert registers.result == 0
    assert len(registers) == 34
    with pytest.raises(AttributeError):
        _ = registers.rip


# ---- DWARF expressions ----


@pytest.mark.parametrize(
    ("code", "value"),
    [
        (
            "77 08 80 00 3f 1a 3b 2a 33 24 22",
            0x1010,
        ),  # of the PLT: breg7, breg16, lit15, and, …
        ("77 a0 01 06", 0x1234),  # of __restore_rt: breg7 160; deref
        ("09 ff", WORD),
        ("31 32 16 1c", 1),
        ("33 39 1d", 3),
        ("09 f8 32 1b", -4 & WORD),
        ("34 35 36 17 13 13", 6),
        ("31 28 01 00 32 35", 5),
        ("10 80 01 11 7f 22", 127),
        ("30 20 1f", 1),
    ],
)
def test_expressions(code: str, value: int) -> None:
    registers = {7: 0x1000, 16: 0x40100F}

    def read(address: int, length: int) -> bytes:
        assert address == 0x10A0
        return (0x1234).to_bytes(length, "little")

    assert evaluate(bytes.fromhex(code), registers, read) == value


@pytest.mark.parametrize(
    "code", ["2f fd ff", "22", "", "ff", "70 00", "08", "31 30 1b", "31 30 1d", "2f 00 80", "94 09"]
)
def test_expressions_that_mean_nothing(code: str) -> None:
    with pytest.raises(FormatError):
        evaluate(bytes.fromhex(code), {7: 1}, lambda address, length: bytes(length))


def test_an_expression_ends() -> None:
    with pytest.raises(FormatError, match=r"fills its stack|does not end"):
        evaluate(bytes.fromhex("31 2f fc ff"), {}, lambda address, length: bytes(length))
    with pytest.raises(FormatError):
        evaluate(bytes.fromhex("31" + "12 1e" * 4000), {}, lambda address, length: b"", (WORD,) * 300)


def test_numbers() -> None:
    assert Bytes(b"\xe5\x8e\x26").uleb() == 624485
    assert Bytes(b"\x80\x7f").sleb() == -128
    assert Bytes(b"\xff" * 9 + b"\x01").uleb() == WORD
    for wrong in (b"\x80" * 30, b"\x80", b""):
        with pytest.raises(FormatError):
            Bytes(wrong).uleb()
        with pytest.raises(FormatError):
            Bytes(wrong).sleb()
    with pytest.raises(FormatError):
        Bytes(b"abc").text()
    with pytest.raises(FormatError):
        Bytes(b"abcd" * 4).pointer(0x9B, 0)


# ---- hostile files ----


def _ask(data: bytes) -> None:
    """Ask all there is; a RetrogradeError is an answer."""
    places = [0, 0x1000, 0x1180, 0x11D0, 0x1234, 0x1300, 0x2000, 0x4000, 1 << 40, WORD]
    questions = [
        lambda image: [image.symbols.at(place) for place in places],
        lambda image: image.symbols.named("square"),
        lambda image: image.symbols.functions_like("sqare"),
        lambda image: [image.lines.at(place) for place in places],
        lambda image: image.lines.addresses("looked_at.c", 14),
        lambda image: [image.frames.row(place) for place in range(0x1000, 0x1400, 32)],
        lambda image: image.build_id,
        lambda image: image.bias(0x555500000000, 0x1000, executable=True),
    ]
    try:
        image = _image(data)
    except RetrogradeError:
        return
    for question in questions:
        with contextlib.suppress(RetrogradeError):
            question(image)
    memory = _Memory()
    memory.words = {0x7FF0 + 8 * at: 0x1180 + 16 * at for at in range(64)}
    maps = [Mapping(0x1000, 0x3000, "r-xp", 0x1000, "/program", "0" * 32)]
    modules = Modules(cast(Recording, _OneImage(data)), lambda: maps, memory.read)
    for pc in (0, 0x1180, 0x11D5, 0x1250):
        registers = Registers("x86_64", struct.pack("<27Q", *([0x8000] * 16 + [pc] + [0x7FF8] * 10)))
        assert len(unwind(registers, "x86_64", memory.read, modules, 50)) <= 50
        str(modules.place(pc))


@pytest.mark.parametrize("seed", range(8))
def test_whatever_a_file_holds_it_is_refused_or_read(program: bytes, seed: int) -> None:
    rng = random.Random(seed)
    image = _image(program)
    interesting = [0, 1, 2, 0x7F, 0x80, 0xFF]
    # The headers, and the sections that are parsed.
    spans = [(0, 64), (64, 64 + 56 * 13), (len(program) - 64 * 40, len(program))]
    for name in (".eh_frame", ".eh_frame_hdr", ".debug_line", ".debug_line_str", ".symtab", ".note.gnu.build-id"):
        content = image.section(name)
        assert content
        at = program.index(content)
        spans.append((at, at + len(content)))
    for _ in range(40):
        data = bytearray(program)
        for _ in range(rng.choice((1, 2, 8, 64))):
            begin, end = rng.choice(spans)
            at = rng.randrange(begin, end)
            data[at] = rng.choice(interesting) if rng.random() < 0.5 else rng.randrange(256)
            if rng.random() < 0.1:
                data[at : at + 8] = rng.choice((WORD, 1 << 63, 1 << 31, 0)).to_bytes(8, "little")
        if rng.random() < 0.1:
            del data[rng.randrange(len(data)) :]
        _ask(bytes(data))


def test_other_files_are_refused(program: bytes) -> None:
    narrow, swapped = b"\x7fELF\1\1" + program[6:], b"\x7fELF\2\2" + program[6:]
    for data in (b"", b"\x7fELF", b"#!/bin/sh\n", program[:64], narrow, swapped):
        with pytest.raises(FormatError):
            _image(data)


def test_what_a_name_holds_does_not_reach_the_terminal(program: bytes) -> None:
    data = program.replace(b"from_handler\0", b"from\x1b[31m\x07er\0")
    assert data != program
    image = _image(data)
    (symbol,) = image.symbols.named("from\x1b[31m\x07er")
    (code,) = (segment for segment in image.segments if segment.executable)
    modules = _modules(data, 0x5500000000, _Memory())
    assert code.executable
    assert modules.place(symbol.address + 0x5500000000).function == "from.[31m.er"


def test_a_section_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    data = bytearray(_built(tmp_path, "-gz=zlib").read_bytes())
    image = _image(bytes(data))
    assert image.lines.files
    header = struct.pack("<IIQQ", 1, 0, len(image.section(".debug_line") or b""), 1)
    at = data.index(header)
    data[at : at + 24] = struct.pack("<IIQQ", 1, 0, 1 << 40, 1)
    with pytest.raises(FormatError, match="unpacks to 1099511627776 bytes"):
        _ = _image(bytes(data)).lines
