"""One file of a user's table: its columns, and its rows batch by batch."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, TextIO, cast

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from summands.data.labels import plain
from summands.data.table_files import ending, readable
from summands.files.words import TableError

# Bytes of CSV, and rows of Parquet, that are held at a time.
BLOCK_BYTES = 8_000_000
BATCH_ROWS = 262_144

# What stands for bytes that are not UTF-8.
_UNREADABLE = "\N{REPLACEMENT CHARACTER}"

_DAMAGED = (pa.ArrowException, EOFError, zlib.error, gzip.BadGzipFile)


@dataclass(frozen=True)
class Part:
    """One file of a table.

    Parameters
    ----------
    path : Path
        Its name ends with one of `summands.data.table_files.ENDINGS`.
    separator : str, optional
        Of the columns of text; by default the one that its name stands for.
    skip_lines : int
        Lines of text before the one that names the columns.
    """

    path: Path
    separator: str | None = None
    skip_lines: int = 0

    @property
    def text(self) -> bool:
        """Whether it is text (CSV), which has no types."""
        return ending(self.path) != ".parquet"

    @cached_property
    def schema(self) -> pa.Schema:
        """Columns and types, see `plain`; all columns of text are strings.

        Raises
        ------
        TableError
            If the file is empty or cannot be read.
        """
        if self.text:
            return pa.schema([(name, pa.string()) for name in self._header()])
        with readable(self.path), self._whole(), pq.ParquetFile(self.path) as file:
            return pa.schema(
                [(field.name, plain(field.type)) for field in file.schema_arrow]
            )

    def batches(self, types: Mapping[str, pa.DataType]) -> Iterator[pa.RecordBatch]:
        """Read columns, in the order of the rows.

        Parameters
        ----------
        types : mapping of str to DataType
            What to read, and the type to read it as.

        Yields
        ------
        pyarrow.RecordBatch
            Of these columns.

        Raises
        ------
        TableError
            If the file is damaged, is no table, or holds bytes that are not UTF-8.
        """
        read = self._text_batches if self.text else self._parquet_batches
        wanted = pa.schema(list(types.items()))
        with readable(self.path), self._whole():
            for batch in read(list(types)):
                columns = [self._cast(batch, name, types[name]) for name in types]
                yield pa.record_batch(columns, schema=wanted)

    def place(self, row: int) -> str:
        """Say where a row is: the line of text that it begins in, or its number.

        Parameters
        ----------
        row : int
            Counted from 0.
        """
        if not self.text:
            return f"row {row + 1}"
        with readable(self.path), self._reader() as file:
            # The header is a record too.
            for line, record in self._records(file):
                if not record:
                    continue
                if row < 0:
                    return f"line {line}"
                row -= 1
        return "the last line"

    def first_lines(self, count: int) -> list[str]:
        """Read the first lines of text, those before the names of the columns too."""
        with readable(self.path), self._whole(), self._all_bytes() as file:
            lines = [file.readline() for _ in range(count)]
        text = b"".join(lines).decode("utf-8-sig", "replace")
        return text.splitlines()

    def _cast(self, batch: pa.RecordBatch, name: str, kind: pa.DataType) -> pa.Array:
        try:
            return batch.column(name).cast(kind)
        except pa.ArrowException as error:
            raise TableError(
                f'{self.path}: column "{name}" cannot be read as {kind} ({error})'
            ) from None

    def _parquet_batches(self, names: list[str]) -> Iterator[pa.RecordBatch]:
        # Columns come through a buffer, however large their row groups are.
        with pq.ParquetFile(self.path, buffer_size=1 << 20, pre_buffer=False) as file:
            yield from file.iter_batches(BATCH_ROWS, columns=names, use_threads=False)

    def _text_batches(self, names: list[str]) -> Iterator[pa.RecordBatch]:
        with self._bytes() as file:
            counted = _Quotes(file)
            try:
                yield from pyarrow.csv.open_csv(
                    pa.PythonFile(counted, "r"),
                    pyarrow.csv.ReadOptions(block_size=BLOCK_BYTES, use_threads=False),
                    pyarrow.csv.ParseOptions(
                        delimiter=self.delimiter, newlines_in_values=True
                    ),
                    pyarrow.csv.ConvertOptions(
                        include_columns=names,
                        column_types=dict.fromkeys(names, pa.string()),
                    ),
                )
            except pa.ArrowInvalid as error:
                if not self._only_a_header():
                    raise TableError(f"{self.path}: {self._explain(error)}") from None
            if counted.odd and (fault := self._unclosed()):
                raise TableError(f"{self.path}: {fault}")

    @property
    def delimiter(self) -> str:
        """What stands between the columns of text."""
        return self.separator or ("\t" if ".tsv" in ending(self.path) else ",")

    def _header(self) -> list[str]:
        with readable(self.path), self._whole(), self._reader() as file:
            records = csv.reader(file, delimiter=self.delimiter)
            try:
                header: list[str] = next(filter(None, records), [])
            except csv.Error as error:
                raise TableError(f"{self.path}: is not CSV ({error})") from None
        if any(_UNREADABLE in name for name in header):
            raise TableError(f"{self.path}: {self._not_utf8()}")
        if not header and self.skip_lines:
            raise TableError(
                f"{self.path}: nothing is left below the {self.skip_lines} lines of "
                "`skip_lines`"
            )
        if not header:
            raise TableError(f"{self.path}: is empty; its first line must name columns")
        return header

    def _only_a_header(self) -> bool:
        with self._reader() as file:
            records = (record for _, record in self._records(file) if record)
            return next(records, None) is not None and next(records, None) is None

    def _explain(self, error: pa.ArrowInvalid) -> str:
        """Find out in which line text is no table; slow, as it reads all again."""
        if "UTF8" in str(error):
            return self._not_utf8()
        if fault := self._unclosed() or self._ragged():
            return fault
        if "straddling" in str(error):
            return f"a row is longer than {BLOCK_BYTES} bytes; is a quote not closed?"
        return f"is not CSV ({str(error).splitlines()[0]})"

    def _ragged(self) -> str | None:
        columns = len(self.schema)
        with self._reader() as file:
            for line, record in self._records(file):
                if record and len(record) != columns:
                    return (
                        f"line {line} has {len(record)} values for {columns} columns; "
                        "put values that hold a separator into double quotes"
                    )
        return None

    def _unclosed(self) -> str | None:
        with self._reader() as file:
            ends = self.skip_lines
            records = csv.reader(file, delimiter=self.delimiter, strict=True)
            try:
                for _ in records:
                    ends = self.skip_lines + records.line_num
            except csv.Error as error:
                if "end of data" in str(error):
                    return f"line {ends + 1} opens a quote that is never closed"
        return None

    def _not_utf8(self) -> str:
        with self._all_bytes() as file:
            start = file.read(2)
        if start in (b"\xff\xfe", b"\xfe\xff"):
            return "is UTF-16; save it as UTF-8"
        seen = 0
        with self._all_bytes() as file:
            for number, line in enumerate(file, 1):
                try:
                    line.decode(
                        "utf-8", "strict" if number > self.skip_lines else "ignore"
                    )
                except UnicodeDecodeError as error:
                    return (
                        f"line {number} is not UTF-8 (byte {seen + error.start + 1} of "
                        "the text); save the table as UTF-8"
                    )
                seen += len(line)
        return "is not UTF-8; save it so"

    def _records(self, file: TextIO) -> Iterator[tuple[int, list[str]]]:
        """Read records of text as far as it goes, with the lines they begin in."""
        records = csv.reader(file, delimiter=self.delimiter)
        ends = self.skip_lines
        with contextlib.suppress(csv.Error):
            for record in records:
                yield ends + 1, record
                ends = self.skip_lines + records.line_num

    def _bytes(self) -> BinaryIO:
        """Open the file where its columns are named."""
        file = self._all_bytes()
        for _ in range(self.skip_lines):
            file.readline()
        return file

    def _all_bytes(self) -> BinaryIO:
        if ending(self.path).endswith(".gz"):
            return cast(BinaryIO, gzip.open(self.path))
        return self.path.open("rb")

    def _reader(self) -> TextIO:
        # Unused columns may hold anything.
        csv.field_size_limit(max(BLOCK_BYTES, csv.field_size_limit()))
        return io.TextIOWrapper(self._bytes(), "utf-8-sig", "replace", newline="")

    def _whole(self) -> _Whole:
        return _Whole(self.path)


class _Quotes:
    """Bytes that pass through, whose quotes are counted.

    Text that ends within quotes is no error to the parser, which takes all lines since
    they were opened for one value. Their number is odd then.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.odd = False
        self.closed = False

    def read(self, size: int) -> bytes:
        block = self._file.read(size)
        self.odd ^= bool(block.count(b'"') % 2)
        return block

    def close(self) -> None:
        self.closed = True


class _Whole:
    """Context in which a file is read: what is damaged becomes a `TableError`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        if isinstance(error, _DAMAGED):
            reason = str(error).strip().splitlines() or [type(error).__name__]
            raise TableError(f"{self.path}: is damaged ({reason[0]})") from None


def repeated(names: Sequence[str]) -> list[str]:
    """Names that come more than once, each once."""
    return [name for name in dict.fromkeys(names) if names.count(name) > 1]
