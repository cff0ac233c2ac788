"""What a replay needs of a program's state, in a few words: starts, mappings, instructions, places in the code."""

from __future__ import annotations

from typing import NamedTuple

from retrograde.events import Kind, SegmentArg
from retrograde.state.calls import SegmentTuple
from retrograde.state.text import decode, printable

# Which words of the general registers are the program counter and the stack pointer.
_PLACES = {"x86_64": (16, 19), "arm64": (32, 31)}
_TRAPS = {0: "rdtsc", 1: "rdtscp", 2: "cpuid", 3: "cntvct", 4: "rdrand", 5: "rdseed", 6: "rdpid"}
_REGISTERS = int(SegmentArg.REGISTERS)
_MAPS = int(SegmentArg.MAPS)
_PARTS = 7
_ADDRESSES = 1 << 64

Pairs = list[tuple[str, str]]


class Mapping(NamedTuple):
    """What a line of MAPS says besides addresses: all as the recording has it, which may be anything."""

    perms: str
    image: str
    path: str


def _mapping(line: bytes) -> Mapping:
    """Return a line `start-end perms offset major:minor inode image path`; what it lacks is empty."""
    parts = line.split(None, _PARTS - 1)
    parts += [b""] * (_PARTS - len(parts))
    perms, image, path = (printable(decode(parts[at])) for at in (1, 5, 6))
    return Mapping(perms, image, path)


def _lines(segments: list[SegmentTuple]) -> list[bytes]:
    text = b"".join(data for arg, _, _, _, data in segments if arg == _MAPS)
    return [line for line in text.split(b"\n") if line]


def _place(arch: str, segments: list[SegmentTuple]) -> tuple[int, int] | None:
    """Return the program counter and the stack pointer, None where the registers are not there."""
    for arg, _, _, _, data in segments:
        if arg == _REGISTERS and arch in _PLACES:
            words = [data[8 * word : 8 * word + 8] for word in _PLACES[arch]]
            if all(len(word) == 8 for word in words):
                return int.from_bytes(words[0], "little"), int.from_bytes(words[1], "little")
    return None


def switch_pairs(arch: str, args: tuple[int, ...], segments: list[SegmentTuple]) -> Pairs:
    """Return where a thread was when it left the CPU: `call` inside a system call; nothing where it is not known."""
    if args[2] == 1:
        return [("at", "call")]
    place = _place(arch, segments)
    return [("at", f"{place[0]:#x}")] if place is not None else []


def replay_pairs(arch: str, kind: int, args: tuple[int, ...], segments: list[SegmentTuple]) -> Pairs:
    """Return (name, text) pairs of a START, MAPPED, TRAP, WRITTEN or CHECKSUM event; none of another kind."""
    if kind == Kind.TRAP:
        return [("insn", _TRAPS.get(args[0], str(args[0]))), ("at", f"{args[1]:#x}")]
    if kind == Kind.START:
        place = _place(arch, segments)
        pairs = [("pc", f"{place[0]:#x}"), ("sp", f"{place[1]:#x}")] if place is not None else []
        return [*pairs, ("mappings", str(len(_lines(segments))))]
    if kind == Kind.MAPPED:
        return _mapped_pairs(args, segments)
    if kind == Kind.WRITTEN:
        return _written_pairs(args)
    if kind == Kind.CHECKSUM:
        return [("pages", str(args[0]))]
    return []


def _mapped_pairs(args: tuple[int, ...], segments: list[SegmentTuple]) -> Pairs:
    pairs = [("addr", f"{args[0]:#x}-{(args[0] + args[1]) % _ADDRESSES:#x}")]
    lines = _lines(segments)
    if not lines:
        return pairs
    first = _mapping(lines[0])
    pairs += [(name, text) for name, text in first._asdict().items() if text and text != "-"]
    return pairs if len(lines) == 1 else [*pairs, ("mappings", str(len(lines)))]


def _written_pairs(args: tuple[int, ...]) -> Pairs:
    what, where, inode, offset, size, length = args[:6]
    if what == 1:
        return [("process", str(where)), ("addr", f"{offset:#x}"), ("length", str(length))]
    file = f"{where >> 32:02x}:{where & 0xFFFFFFFF:02x}/{inode}"
    return [("file", file), ("offset", str(offset)), ("length", str(length)), ("size", str(size))]
