"""Formatters for whole batches: one for each line of the syscall table and shape of the memory that came with it.

The shape of an event is which arguments its memory belongs to, and in which order. It is found for a whole batch with
numpy; the formatter that is made for it takes the pieces of memory by their places, so that a line costs one call and
no search. Events with memory behind further pointers, or that could not be read, have no shape: they take the
formatters of :mod:`retrograde.printer.renderer`, which look alike.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from retrograde.events import SegmentFlag
from retrograde.printer.dialect import SHOWN_BYTES, Memo
from retrograde.printer.renderer import Renderer
from retrograde.syscalls import Param, Syscall

if TYPE_CHECKING:
    from retrograde.recording.batch import Batch

# Returns a line. Takes the line's head, the thread's label and tid, the duration, the result, a0 … a5, all pieces of
# memory, the place of the event's first among them, and the process.
ShapeFormatter = Callable[..., str]

_OUT = int(SegmentFlag.OUT)
_PLAIN_FLAGS = int(SegmentFlag.IN | SegmentFlag.OUT | SegmentFlag.ENTER)
_MOST_PIECES = 4
_PARAMETERS = "head, label, tid, duration, r, a0, a1, a2, a3, a4, a5, D, s, P"
# A recording may come from anyone: neither shapes nor texts may fill the memory.
_MOST_SHAPES = 4096
_LONGEST_TEXT = 4096
_MOST_TEXT = 4 << 20
_ALONE = ("execve", "execveat", "clone3")  # whose arguments are looked for elsewhere too
# A key: number of the call, variant, count of pieces, a byte for each of them.
_NUMBER_BITS, _VARIANT_BITS, _COUNT_BITS = 10, 13, 3
_VARIANT_SHIFT = _NUMBER_BITS
_COUNT_SHIFT = _VARIANT_SHIFT + _VARIANT_BITS
_PIECE_SHIFT = _COUNT_SHIFT + _COUNT_BITS


class Texts(Memo):
    """Texts by what they are made of, bytes or a text; programs name the same files again and again."""

    _size = 0

    def __missing__(self, value: bytes | str) -> str:
        if len(value) > _LONGEST_TEXT:
            return self._make(value)
        self._size += len(value)
        if self._size > _MOST_TEXT:
            self.clear()
            self._size = len(value)
        text = self[value] = self._make(value)
        return text


class _Made(dict[int, ShapeFormatter | None]):
    """Formatters by key, made when first asked for."""

    def __init__(self, make: Callable[[int], ShapeFormatter | None]) -> None:
        super().__init__({-1: None})
        self._make = make

    def __missing__(self, key: int) -> ShapeFormatter | None:
        if len(self) >= _MOST_SHAPES:
            return None
        made = self[key] = self._make(key)
        return made


class Shapes:
    """Finds the formatters of a batch's events.

    Args:
        render: makes them.
        form: `line` or `strace`.
        around: what stands before and behind the call in a line, as parts of an f-string over the parameters.
        kept_bytes: so much of each piece of memory is there when a line is made.
    """

    def __init__(self, render: Renderer, form: str, around: tuple[str, str], kept_bytes: int) -> None:
        self._render = render
        self._form = form
        self._around = around
        self._kept_bytes = kept_bytes
        self._shown_bytes = SHOWN_BYTES[render.dialect.name]
        dialect = render.dialect
        # Of a text that was cut, the length that it had does not matter, only that it was longer.
        self._texts = [
            render.bind(Texts(lambda data: dialect.text(data, len(data)))),
            render.bind(Texts(lambda data: dialect.text(data, len(data) + 1))),
        ]
        self._memory: dict[tuple[str, str, int], str] = {}
        self._made = _Made(self._make)
        self._lines: list[Syscall] = []
        self._places: dict[int, int] = {}
        self._choosers = np.zeros(1 << _NUMBER_BITS, np.bool_)
        for nr in render.table.calls:
            self._choosers[nr & ((1 << _NUMBER_BITS) - 1)] |= render.table.has_variants(nr)

    def formatters(self, batch: Batch, rows: NDArray[np.bool_]) -> list[ShapeFormatter | None]:
        """Return the formatter of each event, None for events without a shape.

        Args:
            batch: n events.
            rows: shape (n,), where completed calls of the table are: the others have no formatter.
        """
        count, total = batch.count, batch.segment_total
        keys = np.where(rows, batch.nr, 0).astype(np.int64)
        shaped = rows.copy()
        if total:
            counts, starts = batch.segment_count.astype(np.int64), batch.segment_start
            arg, flags = batch.segment_arg.astype(np.int64), batch.segment_flags.astype(np.int64)
            length, full = batch.segment_length, batch.segment_full_length
            odd = (arg >= 6) | (flags & ~_PLAIN_FLAGS != 0)
            if odd.any():
                shaped[np.repeat(np.arange(count), counts)[odd]] = False
            shaped &= counts <= _MOST_PIECES
            cut = full > np.minimum(length, self._kept_bytes)
            codes = arg | flags << 3 | cut.astype(np.int64) << 6 | (length > self._shown_bytes).astype(np.int64) << 7
            keys |= np.minimum(counts, _MOST_PIECES) << _COUNT_SHIFT
            for place in range(_MOST_PIECES):
                there = np.flatnonzero(counts > place)
                if not len(there):
                    break
                keys[there] |= codes[starts[there] + place] << (_PIECE_SHIFT + 8 * place)
        choosing = np.flatnonzero(shaped & self._choosers[keys & ((1 << _NUMBER_BITS) - 1)])
        if len(choosing):
            keys[choosing] |= self._variants(batch, choosing) << _VARIANT_SHIFT
        keys[~shaped] = -1
        return list(map(self._made.__getitem__, keys.tolist()))

    def _variants(self, batch: Batch, rows: NDArray[np.intp]) -> NDArray[np.int64]:
        """Return for each row which line of the table the command among its arguments selects, as a number from 1."""
        found = np.zeros(len(rows), np.int64)
        numbers = batch.nr[rows]
        for nr in set(numbers.tolist()):
            of_nr = np.flatnonzero(numbers == nr)
            at = rows[of_nr]
            if not self._render.table.choosers(nr):  # its variants are all of the other architecture
                continue
            indices = sorted({index for chooser in self._render.table.choosers(nr) for index, _ in chooser.selectors})
            columns = [batch.args[index][at].tolist() for index in indices]
            commands = columns[0] if len(columns) == 1 else list(zip(*columns, strict=True))
            rows_of = dict(zip(commands, at.tolist(), strict=True))
            chosen = {command: self._variant(batch, nr, row) for command, row in rows_of.items()}
            found[of_nr] = list(map(chosen.__getitem__, commands))
        return found

    def _variant(self, batch: Batch, nr: int, row: int) -> int:
        line = self._render.table.choose(nr, tuple([int(column[row]) for column in batch.args]))
        assert line is not None
        place = self._places.get(id(line))
        if place is None:
            self._lines.append(line)
            place = self._places[id(line)] = len(self._lines)
        return place

    def _make(self, key: int) -> ShapeFormatter | None:
        nr = key & ((1 << _NUMBER_BITS) - 1)
        variant = key >> _VARIANT_SHIFT & ((1 << _VARIANT_BITS) - 1)
        call = self._lines[variant - 1] if variant else self._render.table.calls[nr]
        count = key >> _COUNT_SHIFT & ((1 << _COUNT_BITS) - 1)
        pieces = [key >> (_PIECE_SHIFT + 8 * place) & 0xFF for place in range(count)]
        values = []
        for position, param in enumerate(call.params):
            source = self._argument(call, param, position, pieces)
            if source is None:
                return None
            values.append((param.name, source))
        before, after = self._around
        source = self._render.assemble(self._form, call, values)
        return self._render.compile(f'f"{before}" {source} f"{after}"', _PARAMETERS)

    def _argument(self, call: Syscall, param: Param, position: int, pieces: list[int]) -> str | None:  # noqa: PLR0911
        """Return the source that shows an argument, None where it takes more than the pieces."""
        variable = f"a{position}"
        if param.direction is None:
            return self._render.value(param.type, variable)
        if call.name in _ALONE:
            return None
        places = [place for place, piece in enumerate(pieces) if piece & 7 == position]
        if not places:
            return f"(hex({variable}) if {variable} else 'NULL')"
        kind = param.type.kind
        if kind in ("strings", "iovec", "msghdr", "mmsghdr"):
            return None
        if kind in ("path", "string"):
            return f"{self._texts[pieces[places[0]] >> 6 & 1]}[{_piece(places[0])}]"
        if kind == "bytes":
            return self._render.dialect.data_source(
                _piece(places[0]), pieces[places[0]] >> 7 == 1, pieces[places[0]] >> 6 & 1 == 1, self._render.bind
            )
        written = [place for place in places if pieces[place] >> 3 & _OUT]
        name = self._whole(param)
        return f"{name}({_piece((written or places)[0])}, P)"

    def _whole(self, param: Param) -> str:
        type_ = param.type
        brackets = self._render.dialect.name == "strace" and type_.width > 0
        whole = self._render.bytes_formatter(type_)
        return self._render.bind((lambda data, process: f"[{whole(data, process)}]") if brackets else whole)


def _piece(place: int) -> str:
    """Return the source of an event's piece of memory."""
    return f"D[s + {place}]" if place else "D[s]"


@functools.lru_cache(maxsize=8)
def shapes(render: Renderer, form: str, around: tuple[str, str], kept_bytes: int) -> Shapes:
    """Return the shapes of a look; what was made for one recording serves the next."""
    return Shapes(render, form, around, kept_bytes)
