"""Pictures of a folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from inverter.data.pictures import read_picture
from inverter.data.sources.source import EXTENSIONS, ImageSource, SourceImage, unique_key


class FolderSource(ImageSource):
    """Pictures of a folder and its subfolders, in the order of their paths.

    Args:
        folder: Where to look for png, jpg, webp and bmp files.
        shard_size: Pictures a shard.
        num_images: Take the first pictures only; None takes all.
    Raises:
        ValueError: The folder is missing or holds no picture.
    """

    def __init__(self, folder: Path, shard_size: int, num_images: int | None = None) -> None:
        if not folder.is_dir():
            raise ValueError(f"source=folder:{folder} is no folder")
        files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in EXTENSIONS and path.is_file())
        if not files:
            raise ValueError(f"source=folder:{folder} holds no picture; allowed: {', '.join(EXTENSIONS)}")
        super().__init__(shard_size, len(files) if num_images is None else min(num_images, len(files)))
        self.folder, self.files = folder, files
        used: set[str] = set()
        self.keys = [unique_key(str(path.relative_to(folder).with_suffix("")), used) for path in files]

    def shard(self, index: int) -> Iterator[SourceImage]:
        for number in self.numbers(index):
            path = self.files[number]
            yield SourceImage(self.keys[number], read_picture(path, str(path)))
