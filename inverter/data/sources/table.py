"""A table of vectors as a store keeps them, with the pictures that they were made of."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from pathlib import Path

import torch

from inverter.config import TableConfig
from inverter.data.files import listed
from inverter.data.pictures import read_picture
from inverter.data.sources.captured import read_spec
from inverter.data.sources.folder import FolderSource
from inverter.data.sources.source import SequentialSource, SourceImage, unique_key
from inverter.data.table import VectorTable

log = logging.getLogger(__name__)
Item = tuple[int, torch.Tensor, str | bytes | Path, int]


class TableSource(SequentialSource[Item]):
    """Rows of a table: a vector and a picture each.

    Args:
        table: Parquet, Arrow, Feather or ``.npy``.
        options: Its columns.
        shard_size: Rows a shard.
        num_images: Take the first rows only; None takes all.
        folder: Of the pictures: paths in the table begin here, and without a column of them there is a picture a row,
            in the order of their paths. None: the table has pictures, or paths that begin where it lies.
    Raises:
        ValueError: The table cannot be used, has no pictures, or as many rows as ``folder`` has not pictures.
    """

    def __init__(
        self,
        table: Path,
        options: TableConfig,
        shard_size: int,
        num_images: int | None = None,
        *,
        folder: Path | None = None,
    ) -> None:
        self.table = VectorTable(table, options)
        self.files: list[Path] | None = None
        if folder is None and options.picture is None:
            self.table.picture = self.table.pictures_column()
        elif folder is not None and options.picture is None:
            self.files = FolderSource(folder, shard_size).files
            if len(self.files) != self.table.num_rows:
                raise ValueError(
                    f"table {table} has {self.table.num_rows} rows and {folder} {len(self.files)} pictures; allowed: a "
                    "picture a row, in the order of their paths, or table.picture=COLUMN with their paths"
                )
        rows = self.table.num_rows
        super().__init__(shard_size, rows if num_images is None else min(num_images, rows))
        self.folder = table.parent if folder is None else folder
        self.captured = f"pictures and the stored {self.table.describe()}"
        self.spec = read_spec(table.parent, lambda: (self.table.width,))
        if self.spec.feature_shape != (self.table.width,):
            raise ValueError(f"{table.parent / 'spec.json'} says {self.spec.feature_shape}, not ({self.table.width},)")
        log.info("%s: %s", table, self.table.describe())

    def listing(self) -> list[str]:
        pictures = () if self.files is None else (listed(path, self.folder) for path in self.files)
        return [f"{self.table.path.name}:{self.table.path.stat().st_size}", *pictures]

    def items(self) -> Iterator[Item]:
        for rows in self.table.rows():
            for number, vector in enumerate(torch.from_numpy(rows.vectors), start=rows.start):
                at = number - rows.start
                picture = rows.pictures[at] if rows.pictures is not None else self.files[number]  # type: ignore[index]
                yield number, vector, picture, -1 if rows.labels is None else rows.labels[at]

    def decode(self, item: Item) -> SourceImage:
        number, vector, picture, label = item
        if isinstance(picture, bytes):
            name = f"row {number} of {self.table.path}"
            image = read_picture(io.BytesIO(picture), name)
        else:
            path = self.folder / picture
            if not path.is_file():
                raise ValueError(f"table {self.table.path}, row {number}: picture {path} is not there")
            image = read_picture(path, str(path))
        key = unique_key(f"row-{number:08d}", set())
        return SourceImage(key, image, label=label, features=vector)
