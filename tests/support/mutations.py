"""Random changes to recordings, for what reads them."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable

from tests.support import recording_writer as w
from tests.support.altered import Altered

# Where the replayer keeps its own two pages in each process that it replays (native/replay/tracee.h).
STUB_CODE, STUB_DATA, STUB_END = 0x10000, 0x11000, 0x12000

_NUMBERS = [
    0, 1, 2, 3, 7, 8, 0xFF, 0xFFF, 0x1000, 0x7FFF, 0xFFFF, STUB_CODE, STUB_CODE + 2, STUB_DATA, STUB_END,
    STUB_CODE - 0x1000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 32, 0x7FFFFFFFF000, 0x7FFFFFFFFFFF, 0x800000000000,
    0xFFFFFFFFFF600000, (1 << 63) - 1, 1 << 63, (1 << 64) - 4096, (1 << 64) - 516, (1 << 64) - 1,
]  # fmt: skip
# The calls that a replay carries out, and those whose results it knows more of: x86-64 and arm64.
_CALLS = [
    0, 1, 9, 10, 11, 12, 15, 25, 28, 30, 56, 57, 58, 59, 60, 67, 157, 158, 186, 202, 216, 218, 231, 273, 310, 311, 329,
    435, 93, 94, 98, 99, 139, 178, 196, 197, 214, 215, 220, 221, 222, 226, 233, 234, 271,
]  # fmt: skip
_MAPS = [
    b"10000-11000 rwxp 00000000 00:00 0 -",
    b"f000-10000 rwxp 00000000 00:00 0 -",
    b"12000-13000 rwxp 00000000 00:00 0 - [stack]",
    b"400000-401000 rwxs 00000000 00:01 5 -",
    b"400000-401000 rwxs 00000000 00:01 5 ../../../../../../etc/passwd /a",
    b"400000-401000 r-xp 00000000 00:01 5 " + b"0" * 32 + b" /a",
    b"400000-401000 r-xp 00000000 00:01 5 - /etc/passwd",
    b"0-7ffffffff000 rwxp 00000000 00:00 0 -",
    b"ffffffffff600000-ffffffffff601000 r-xp 00000000 00:00 0 - [vsyscall]",
    b"400000-401000 rwxs fffffffffffff000 00:01 5 -",
    b"nonsense",
    b"",
]


def _number(rng: random.Random, now: int) -> int:
    choice = rng.randrange(5)
    if choice == 0:
        return now ^ (1 << rng.randrange(64))
    if choice == 1:
        return now + rng.choice((-4096, -8, -1, 1, 8, 4096))
    if choice == 2:
        return rng.getrandbits(64)
    return rng.choice(_NUMBERS)


def _row(rng: random.Random, recording: Altered) -> w.Row:
    return rng.choice(recording.rows)


def _change_row(rng: random.Random, recording: Altered) -> None:
    row = _row(rng, recording)
    what = rng.choice(("nr", "result", "args", "args", "kind", "pid", "tid", "cpu", "flags", "exit"))
    if what == "args":
        args = list(row.args)
        index = rng.randrange(6)
        args[index] = _number(rng, args[index]) % (1 << 64)
        row.args = tuple(args)
    elif what == "kind":
        row.kind = rng.choice((*range(1, 13), 255))
    elif what == "nr":
        row.nr = rng.choice((*_CALLS, -1, rng.getrandbits(31)))
    elif what in ("pid", "tid"):
        setattr(row, what, rng.choice((_row(rng, recording).tid or 0, rng.choice(_NUMBERS) % (1 << 32))))
    else:
        setattr(row, what, _number(rng, getattr(row, what)))


def _change_memory(rng: random.Random, recording: Altered) -> None:
    rows = [row for row in recording.rows if row.memory]
    if not rows:
        return
    piece = rng.choice(rng.choice(rows).memory)
    what = rng.choice(("arg", "flags", "address", "data", "data", "length", "full_length", "maps"))
    if what == "arg":
        piece.arg = rng.choice((*range(6), *range(16, 28), 255))
    elif what == "flags":
        piece.flags ^= 1 << rng.randrange(5)
    elif what == "address":
        piece.address = _number(rng, piece.address) % (1 << 64)
    elif what == "full_length":
        piece.full_length = _number(rng, piece.full_length or 0) % (1 << 64)
    elif what == "length":
        piece.data = piece.data[: rng.randrange(len(piece.data) + 1)] if rng.random() < 0.7 else piece.data * 2
    elif what == "maps" and piece.arg == w.MAPS:
        lines = piece.data.splitlines()
        lines.insert(rng.randrange(len(lines) + 1), rng.choice(_MAPS))
        piece.data = b"\n".join(lines)
    elif piece.data:
        data = bytearray(piece.data)
        for _ in range(rng.choice((1, 1, 4, 32))):
            data[rng.randrange(len(data))] = rng.choice((0, 0xFF, 0x90, 0xCC, rng.getrandbits(8)))
        piece.data = bytes(data)


def _change_order(rng: random.Random, recording: Altered) -> None:
    block = rng.choice([block for block in recording.blocks if block.rows])
    at = rng.randrange(len(block.rows))
    choice = rng.randrange(4)
    if choice == 0 and len(block.rows) > 1:
        del block.rows[at]
    elif choice == 1:
        block.rows.insert(at, copy.deepcopy(_row(rng, recording)))
    elif choice == 2:
        other = rng.randrange(len(block.rows))
        block.rows[at], block.rows[other] = block.rows[other], block.rows[at]
    else:
        del block.rows[at + 1 :]


def _write_over(rng: random.Random, recording: Altered) -> None:
    block = rng.choice(recording.blocks)
    for _ in range(rng.choice((1, 1, 3, 16))):
        offset = rng.choice((rng.randrange(16), rng.getrandbits(24)))
        block.overwritten.append((offset, rng.getrandbits(8)))


_CHANGES: list[Callable[[random.Random, Altered], None]] = [
    _change_row,
    _change_row,
    _change_memory,
    _change_memory,
    _change_order,
    _write_over,
]


def mutate(recording: Altered, seed: str) -> Altered:
    """Return a copy with a few random changes, the same ones for the same seed."""
    rng = random.Random(seed)
    changed = Altered(copy.deepcopy(recording.blocks), recording.images, recording.version)
    for _ in range(rng.choice((1, 1, 2, 3, 6))):
        rng.choice(_CHANGES)(rng, changed)
    return changed
