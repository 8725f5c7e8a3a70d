"""Lines of a log file in blocks, as Arrow tables: bounded memory, no loop over lines.

Lines end at LF alone: a CSV reader would also break them at a lone CR or inside a quote that a
cut line left open, and lose good lines.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import numpy as np

from pipeline.errors import ConfigError

if TYPE_CHECKING:
    import pyarrow as pa

_LF, _CR = 10, 13
_BOM = b"\xef\xbb\xbf"
#: stands for bytes that are no UTF-8; a control character, so that the line is rejected as binary
UNREADABLE = "\x01"
_SAMPLE_BYTES = 262_144


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive lines: `table` has `number` (from 1) and `line`, without LF and trailing CR."""

    table: pa.Table
    lines: int
    crlf: int


def digest(path: Path) -> str:
    """sha256 of the bytes of a file; ConfigError when it cannot be read."""
    found = hashlib.sha256()
    with _opened(path) as file:
        while data := file.read(1 << 20):
            found.update(data)
    return found.hexdigest()


def _opened(path: Path) -> BinaryIO:
    try:
        opened = gzip.open(path) if path.suffix == ".gz" else path.open("rb")  # noqa: SIM115
    except OSError as error:
        raise ConfigError(f"log file {path} cannot be read: {error.strerror}") from error
    return cast("BinaryIO", opened)


def read_blocks(path: Path, size: int = 1 << 24, batch: int = 8192) -> Iterator[Block]:
    """The lines of a file, about `size` bytes at a time; Arrow batches of `batch` lines.

    A line longer than `size` becomes one unreadable line. `.gz` is unpacked on the way.
    """
    with _opened(path) as file:
        rest, before, first = b"", 0, True
        while data := file.read(size):
            if first:
                data, first = data.removeprefix(_BOM), False
            end = data.rfind(b"\n") + 1
            if end == 0:
                rest += data
                if len(rest) > size:
                    rest = UNREADABLE.encode()
                continue
            block = _block(rest + data[:end], before, batch)
            before += block.lines
            rest = data[end:]
            yield block
        if rest:
            yield _block(rest + b"\n", before, batch)


def _block(data: bytes, before: int, batch: int) -> Block:
    import pyarrow as pa

    data = _valid(data)
    codes = np.frombuffer(data, np.uint8)
    is_end = codes == _LF
    crlf = np.flatnonzero(is_end[1:] & (codes[:-1] == _CR))
    if len(crlf):
        codes = np.delete(codes, crlf)
        is_end = codes == _LF
    ends = np.flatnonzero(is_end)
    offsets = np.concatenate([[0], ends - np.arange(len(ends))]).astype(np.int32)
    text = codes[~is_end].tobytes()
    lines = pa.StringArray.from_buffers(len(ends), pa.py_buffer(offsets), pa.py_buffer(text))
    numbers = pa.array(np.arange(before + 1, before + len(ends) + 1, dtype=np.int64))
    table = pa.table({"number": numbers, "line": lines})
    # several batches let DuckDB use every core
    table = pa.Table.from_batches(table.to_batches(max_chunksize=batch), schema=table.schema)
    return Block(table, len(ends), len(crlf))


def _valid(data: bytes) -> bytes:
    """The same bytes, with what is no UTF-8 replaced; line ends stay where they are."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        codecs.register_error("sapa.unreadable", _replaced)
        return data.decode("utf-8", "sapa.unreadable").encode()
    return data


def _replaced(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return UNREADABLE, error.end


def split_fields(
    lines: pa.Table, delimiter: str, width: int, places: tuple[tuple[str, int], ...]
) -> pa.Table:
    """The fields of delimited lines: `number` and a text column for each of `places` (1-based).

    `lines` has `number` and `text`, whose every value is a well-formed line of `width` fields
    that ends in LF.
    """
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    if lines.num_rows == 0:
        names = {name: pa.array([], pa.string()) for name, _ in places}
        return pa.table({"number": pa.array([], pa.int64()), **names})
    text = pa.concat_arrays(lines["text"].chunks)
    _, offsets, data = text.buffers()
    wide = pa.types.is_large_string(text.type)
    ends = np.frombuffer(offsets, np.int64 if wide else np.int32)
    begin, end = int(ends[text.offset]), int(ends[text.offset + len(text)])
    columns = [f"f{place - 1}" for _, place in places]
    found = arrow_csv.read_csv(
        pa.BufferReader(data.slice(begin, end - begin)),
        read_options=arrow_csv.ReadOptions(column_names=[f"f{n}" for n in range(width)]),
        parse_options=arrow_csv.ParseOptions(delimiter=delimiter, ignore_empty_lines=False),
        convert_options=arrow_csv.ConvertOptions(
            include_columns=columns, column_types=dict.fromkeys(columns, pa.string())
        ),
    )
    named = found.rename_columns([name for name, _ in places])
    return named.append_column("number", lines["number"])


@dataclass(frozen=True, slots=True)
class Look:
    """What the beginning of a delimited file shows: its most common width, rows of that width."""

    first: tuple[str, ...]
    width: int
    rows: tuple[tuple[str, ...], ...]


def look(path: Path, delimiter: str, lines: int = 500) -> Look:
    """The first lines of a delimited file, split; nothing is decided here."""
    with _opened(path) as file:
        data = file.read(_SAMPLE_BYTES).removeprefix(_BOM)
    whole = data[: data.rfind(b"\n") + 1] or data
    text = whole.decode("utf-8", "replace").replace("\x00", "")
    rows = [
        tuple(next(csv.reader([line.rstrip("\r")], delimiter=delimiter), []))
        for line in text.split("\n")[:lines]
        if line.strip()
    ]
    if not rows:
        return Look((), 0, ())
    width = Counter(len(row) for row in rows).most_common(1)[0][0]
    return Look(rows[0], width, tuple(row for row in rows if len(row) == width))
