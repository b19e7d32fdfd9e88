"""Pictures of a folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from inverter.data.files import count_kinds, extension, listed, visible_files, warn_left_out
from inverter.data.pictures import read_picture
from inverter.data.sources.source import EXTENSIONS, ImageSource, SourceImage, unique_key

UNREAD = (".gif", ".tif", ".tiff", ".heic", ".heif", ".avif", ".jp2", ".jxl", ".jfif", ".ppm", ".svg", ".psd", ".dng")
CONTAINERS = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".tar", ".zip")
"""What holds pictures and is no picture."""


class FolderSource(ImageSource):
    """Pictures of a folder and its subfolders, in the order of their paths; hidden ones are left out.

    Pictures and clips of other kinds that lie among them are left out with a warning.

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
        given = visible_files(folder)
        files = [path for path in given if extension(path) in EXTENSIONS]
        if not files:
            contents = f"; it holds {count_kinds(given)}" if given else ""
            raise ValueError(f"source=folder:{folder} holds no picture; allowed: {', '.join(EXTENSIONS)}{contents}")
        warn_left_out(f"source=folder:{folder}", given, (*UNREAD, *CONTAINERS), EXTENSIONS)
        super().__init__(shard_size, len(files) if num_images is None else min(num_images, len(files)))
        self.folder, self.files = folder, files
        used: set[str] = set()
        self.keys = [unique_key(str(path.relative_to(folder).with_suffix("")), used) for path in files]

    def listing(self) -> list[str]:
        return [listed(path, self.folder) for path in self.files[: self.num_images]]

    def shard(self, index: int) -> Iterator[SourceImage]:
        for number in self.numbers(index):
            path = self.files[number]
            yield SourceImage(self.keys[number], read_picture(path, str(path)))
