"""Tables of vectors: Parquet, Arrow and Feather by pyarrow, ``.npy`` of two axes; a few rows at a time in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from inverter.config import TableConfig
from inverter.config.errors import one_line
from inverter.data.files import extension

ARROW = (".parquet", ".arrow", ".feather")
SUFFIXES = (*ARROW, ".npy")
ROWS = 1024
"""Rows that are read at a time, and that say whether vectors are of length 1."""
TOLERANCE = 1e-3
"""Of that length, which vectors in half precision keep."""


@dataclass(frozen=True)
class Rows:
    """Rows of a table that follow each other.

    Args:
        start: Number of the first.
        vectors: ``(n, D)`` float32.
        pictures: A path, or the bytes of a picture, a row; None where they were not asked for.
        labels: A class a row; None where they were not asked for.
    """

    start: int
    vectors: np.ndarray
    pictures: list[str | bytes] | None = None
    labels: list[int] | None = None


class VectorTable:
    """A column of vectors of one length, and columns of pictures and labels where they are asked for.

    Args:
        path: A Parquet, Arrow or Feather file, or ``.npy`` of floating point ``(n, D)``.
        options: Which columns are meant; that of the vectors is else the only one of lists of floating point.
    Raises:
        ValueError: It cannot be read, has no such column or more than one that could be meant, or no row.
    """

    def __init__(self, path: Path, options: TableConfig | None = None) -> None:
        options = options or TableConfig()
        self.path, self.picture, self.label = path, options.picture, options.label
        if extension(path) == ".npy":
            self._array: np.ndarray | None = _open_npy(path)
            if options.picture or options.label or options.vector:
                raise ValueError(f"table {path} has no columns; allowed: table.vector, .picture and .label of null")
            self.vector, self.num_rows = "", len(self._array)
        else:
            self._array = None
            self._batches = _Batches(path)
            self.columns, self.num_rows = self._batches.columns, self._batches.num_rows
            self.vector = self._column("vector", options.vector, "lists of floating point")
            for name, kind in (("picture", "text, bytes or pictures"), ("label", "whole numbers")):
                if getattr(self, name) is not None:
                    self._column(name, getattr(self, name), kind)
        if not self.num_rows:
            raise ValueError(f"table {path} holds no row; allowed: 1 or more")
        first = next(self.rows())
        self.width = first.vectors.shape[1]
        self.num_looked_at = len(first.vectors)
        self.normalised = bool((np.abs(np.linalg.norm(first.vectors, axis=1) - 1) < TOLERANCE).all())

    def pictures_column(self) -> str:
        """The only column that can hold pictures.

        Raises:
            ValueError: There is none, or more than one.
        """
        fitting = [] if self._array is not None else self._of_kind("text, bytes or pictures")
        if len(fitting) != 1:
            columns = "no column" if not fitting else f"columns {', '.join(fitting)}"
            raise ValueError(
                f"table {self.path} has {columns} of pictures, without which there is nothing to train with; allowed: "
                "table.picture=COLUMN (paths or bytes), source=folder:PATH with a picture a row, or inverting alone"
            )
        return fitting[0]

    def describe(self) -> str:
        """What its vectors are, half a sentence: whether they are of length 1 is told from the first rows."""
        length = "of length 1 (L2-normalised)" if self.normalised else "of lengths that differ from 1"
        return f"vectors of {self.width} numbers, {length} in the first {self.num_looked_at} rows"

    def rows(self) -> Iterator[Rows]:
        """All rows in order, up to 1024 at a time.

        Raises:
            ValueError: A vector is missing, of another length than the first, or not finite; or a picture or a label is
                missing. The message names file and row.
        """
        start, width = 0, getattr(self, "width", None)
        for vectors, pictures, labels in self._read():
            width = self._check(vectors, start, width)
            rows = np.asarray(np.stack(vectors) if isinstance(vectors, list) else vectors)
            with np.errstate(over="ignore"):
                rows = rows.astype(np.float32)
            wrong = np.flatnonzero(~np.isfinite(rows).all(1))
            if len(wrong):
                raise ValueError(
                    f"table {self.path}, row {start + wrong[0]}: {self._named('vector')} NaN or infinity, or numbers "
                    "beyond the range of float32; allowed: finite numbers"
                )
            yield Rows(start, rows, self._full("picture", pictures, start), self._full("label", labels, start))
            start += len(rows)

    def read(self, num_rows: int) -> tuple[np.ndarray, np.ndarray | None]:
        """The first ``num_rows`` vectors ``(n, D)``, or all, and their labels ``(n,)``; no further part is read.

        Raises:
            ValueError: As :meth:`rows`.
        """
        parts = []
        for rows in self.rows():
            parts.append(rows)
            if rows.start + len(rows.vectors) >= num_rows:
                break
        vectors = np.concatenate([rows.vectors for rows in parts])[:num_rows]
        if self.label is None:
            return vectors, None
        return vectors, np.array([label for rows in parts for label in rows.labels or ()])[:num_rows]

    def _read(self) -> Iterator[tuple[Any, list | None, list | None]]:
        if self._array is not None:
            for begin in range(0, len(self._array), ROWS):
                yield self._array[begin : begin + ROWS], None, None
            return
        wanted = [name for name in (self.vector, self.picture, self.label) if name]
        for batch in self._batches.read(wanted):
            pictures = None if self.picture is None else [_picture(each) for each in batch[self.picture].to_pylist()]
            labels = None if self.label is None else batch[self.label].to_pylist()
            yield _vectors(batch[self.vector]), pictures, labels

    def _check(self, vectors: Any, start: int, width: int | None) -> int:
        """Length of all vectors."""
        if isinstance(vectors, np.ndarray):
            return vectors.shape[1]
        for number, vector in enumerate(vectors):
            width = len(vector) if width is None and vector is not None else width
            if vector is None or len(vector) != width or not width:
                fault = "is empty" if vector is None else f"holds {len(vector)} numbers"
                needed = f"{width}, as in the rows before" if width else "1 or more"
                raise ValueError(
                    f"table {self.path}, row {start + number}: column {self.vector!r} {fault}; allowed: {needed}"
                )
        return width or 0

    def _full(self, name: str, values: list | None, start: int) -> list | None:
        if values is not None and None in values:
            row = start + values.index(None)
            raise ValueError(f"table {self.path}, row {row}: {self._named(name)} nothing; allowed: a {name}")
        return values

    def _named(self, name: str) -> str:
        return f"column {getattr(self, name)!r} holds" if getattr(self, name) else "it holds"

    def _of_kind(self, kind: str) -> list[str]:
        return [column for column, own in self.columns.items() if own == kind]

    def _column(self, name: str, wanted: str | None, kind: str) -> str:
        fitting = self._of_kind(kind)
        if wanted is None and len(fitting) == 1:
            return fitting[0]
        if wanted not in fitting:
            raise ValueError(
                f"table.{name} is {wanted!r}, but table {self.path} has the columns {list(self.columns)}; "
                f"allowed, of {kind}: {', '.join(fitting) or 'none of them'}"
            )
        return wanted


class _Batches:
    """Record batches of a file that pyarrow reads."""

    def __init__(self, path: Path) -> None:
        try:
            import pyarrow
        except ImportError as error:
            raise ValueError(f"table {path} needs pyarrow; install '.[vectors]' in the checkout") from error
        self.path, self.errors = path, (pyarrow.ArrowException, OSError)
        try:
            schema, self.num_rows = self._open()
        except self.errors as error:
            raise ValueError(f"table {path} cannot be read: {one_line(error)}") from error
        self.columns = {field.name: _kind(field.type) for field in schema}

    def _open(self) -> tuple[Any, int]:
        """Schema and number of rows."""
        if extension(self.path) == ".parquet":
            import pyarrow.parquet

            with pyarrow.parquet.ParquetFile(self.path) as file:
                return file.schema_arrow, file.metadata.num_rows
        schema, batches = self._arrow()
        return schema, sum(batch.num_rows for batch in batches)

    def _arrow(self) -> tuple[Any, Iterator[Any]]:
        """Schema and batches of an Arrow file, which Feather is too, or of a stream, as `datasets` writes it."""
        import pyarrow

        source = pyarrow.memory_map(str(self.path))
        try:
            file = pyarrow.ipc.open_file(source)
        except pyarrow.ArrowInvalid:
            source.seek(0)
            stream = pyarrow.ipc.open_stream(source)
            return stream.schema, iter(stream)
        return file.schema, (file.get_batch(number) for number in range(file.num_record_batches))

    def read(self, columns: list[str]) -> Iterator[Any]:
        """Batches of up to 1024 rows; of a Parquet file a row group at a time is read."""
        try:
            if extension(self.path) == ".parquet":
                import pyarrow.parquet

                with pyarrow.parquet.ParquetFile(self.path) as file:
                    yield from file.iter_batches(ROWS, columns=columns)
                return
            for batch in self._arrow()[1]:
                batch.validate(full=True)  # offsets of a damaged file lead out of its memory
                for begin in range(0, batch.num_rows, ROWS):
                    yield batch.slice(begin, ROWS)
        except self.errors as error:
            raise ValueError(f"table {self.path} cannot be read: {one_line(error)}") from error


def _kind(type_: Any) -> str:
    """What a column of a type can be used as."""
    from pyarrow import types

    type_ = getattr(type_, "storage_type", type_)
    if types.is_list(type_) or types.is_large_list(type_) or types.is_fixed_size_list(type_):
        return "lists of floating point" if types.is_floating(type_.value_type) else str(type_)
    if types.is_struct(type_):  # as `datasets` keeps pictures
        names = {type_.field(number).name for number in range(type_.num_fields)}
        return "text, bytes or pictures" if names == {"bytes", "path"} else str(type_)
    if any(check(type_) for check in (types.is_string, types.is_large_string, types.is_binary, types.is_large_binary)):
        return "text, bytes or pictures"
    return "whole numbers" if types.is_integer(type_) else str(type_)


def _vectors(column: Any) -> Any:
    """Vectors of a column: an array ``(n, D)`` where all are of one length, else a list of arrays and None."""
    import pyarrow
    import pyarrow.compute

    column = getattr(column, "storage", column)
    lengths = pyarrow.compute.list_value_length(column)
    values = column.flatten()
    if len(column) and not column.null_count and pyarrow.compute.count_distinct(lengths).as_py() == 1 and len(values):
        return values.to_numpy(zero_copy_only=False).reshape(len(column), -1)
    return [None if each is None else np.asarray(each, np.float64) for each in column.to_pylist()]


def _picture(value: Any) -> str | bytes | None:
    return (value["bytes"] or value["path"]) if isinstance(value, dict) else value


def _open_npy(path: Path) -> np.ndarray:
    try:
        array = np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # a hostile header, which NumPy parses as a literal, fails with errors of many classes
        raise ValueError(f"table {path} cannot be read: {one_line(error)}") from error
    if array.ndim != 2 or array.dtype.name not in ("float16", "float32", "float64") or not array.shape[1]:
        raise ValueError(f"table {path} holds {array.dtype} {array.shape}; allowed: floating point (n, D)")
    return array
