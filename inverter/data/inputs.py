"""What is to be inverted: pictures, which a target turns into features, or features as they were captured."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

import torch
from torch import Tensor

from inverter.config import VideoConfig
from inverter.data.feature_axes import is_batched
from inverter.data.feature_files import CONVERT, NAMES, SUFFIXES, how_to_convert, load_images
from inverter.data.files import count_kinds, extension, relative_stem, visible_files
from inverter.data.pictures import read_picture, square, to_tensor
from inverter.data.sources.folder import FolderSource
from inverter.data.sources.source import EXTENSIONS as PICTURES
from inverter.data.sources.source import SourceImage, unique_key
from inverter.data.sources.tar import TarSource, is_shards
from inverter.data.sources.video import EXTENSIONS as VIDEO_EXTENSIONS
from inverter.data.sources.video import VideoSource
from inverter.data.table import ARROW, VectorTable
from inverter.targets.shape import layer_names

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Input:
    """One picture or one image's features.

    Args:
        key: Names its reconstruction.
        picture: ``(3, S, S)`` uint8; None where there are features only.
        features: By layer, as they were read; None where the target makes them from the picture.
        stated: Whether it was said what the features' axes are.
    """

    key: str
    picture: Tensor | None = None
    features: dict[str, Tensor] | None = None
    stated: bool = False


def is_clip(path: Path) -> bool:
    """Whether an input is a video file."""
    return extension(path) in VIDEO_EXTENSIONS and path.is_file()


def is_sequence(path: Path) -> bool:
    """Whether an input may hold more than one image: a folder, a video file or shards."""
    return path.is_dir() or is_clip(path) or is_shards(path.name) or is_table(path)


def is_table(path: Path) -> bool:
    """Whether an input is a table of vectors; ``.npy`` is one image's features."""
    return extension(path) in ARROW and path.is_file()


def read_inputs(
    path: Path, layers: Sequence[str], size: int, video: VideoConfig | None = None, axes: str | None = None
) -> Iterator[Input]:
    """Inputs of a picture, a clip, image shards, a feature file, a table of vectors, or a folder of such.

    Args:
        path: Where they lie; shards may be named by globs and braces.
        layers: Dotted names; with several, also joint ones, a feature file has one tensor a layer.
        size: Pixels a side that pictures are cut and resized to.
        video: Which frames of a clip are taken.
        axes: What the axes of features are; where they begin with a batch, each image of a file is an input, its number
            behind the file's name.
    Raises:
        ValueError: Nothing that can be read, or ``axes`` without feature files.
    """
    if is_table(path):
        yield from _rows(path, layers)
        return
    files = feature_files(path)
    layers = list(dict.fromkeys(chain.from_iterable(map(layer_names, layers))))
    used: set[str] = set()
    for file in files:
        name = relative_stem(file, path) if path.is_dir() else file.stem
        for number, features in enumerate(load_images(file, layers, axes)):
            key = f"{name}-{number:06d}" if is_batched(axes) else name
            yield Input(unique_key(key, used), features=features, stated=axes is not None)
    if files:
        return
    if axes is not None:
        raise ValueError(f"feature_axes={axes!r}, but input {str(path)!r} holds no features; allowed: {NAMES}")
    for picture in read_pictures(path, video or VideoConfig()):
        yield Input(picture.key, to_tensor(square(picture.image, size)))


def _rows(path: Path, layers: Sequence[str]) -> Iterator[Input]:
    if len(layers) > 1:
        raise ValueError(f"input {str(path)!r} holds the vectors of one layer; allowed: one of {', '.join(layers)}")
    for rows in VectorTable(path).rows():
        for number, vector in enumerate(torch.from_numpy(rows.vectors), start=rows.start):
            yield Input(f"row-{number:08d}", features={layers[0]: vector})


def feature_files(path: Path) -> list[Path]:
    """Feature files of an input: itself, or those of a folder and its subfolders; none where it holds pictures.

    Raises:
        ValueError: Features in files that are not read, or a folder of features and of something else that could be
            inverted.
    """
    given = visible_files(path) if path.is_dir() else [path]
    files = [file for file in given if extension(file) in SUFFIXES]
    pictures = [file for file in given if extension(file) in (*PICTURES, *VIDEO_EXTENSIONS) or is_shards(file.name)]
    unread = [file for file in given if extension(file) in CONVERT]
    if unread and not pictures:
        raise ValueError(f"input is {str(unread[0])!r}, {how_to_convert(unread[0])}")
    if files and pictures:
        raise ValueError(f"input {str(path)!r} holds {files[0].name} and {pictures[0].name}; allowed: one kind")
    if unread:
        log.warning("input %s: %s left out beside the pictures", path, count_kinds(unread))
    return files


def batches(inputs: Iterator[Input], size: int, limit: int | None = None) -> Iterator[list[Input]]:
    """The first ``limit`` inputs in groups of ``size``, the last smaller; never more than one group in memory.

    Raises:
        ValueError: ``size`` or ``limit`` is below 1.
    """
    for name, value in (("batch_size", size), ("limit", limit)):
        if value is not None and value < 1:
            raise ValueError(f"{name} is {value}; allowed: 1 or more")
    inputs = islice(inputs, limit)
    while group := list(islice(inputs, size)):
        yield group


def read_pictures(path: Path, video: VideoConfig) -> Iterator[SourceImage]:
    """Pictures of a file, a folder, a clip or shards, one at a time.

    Raises:
        ValueError: Nothing that can be read.
    """
    if path.is_dir():
        return FolderSource(path, shard_size=1 << 20).shard(0)
    if is_clip(path):
        return VideoSource(str(path), 1 << 20, stride=video.stride, fps=video.fps).shard(0)
    if is_shards(path.name):
        return TarSource(str(path), shard_size=1 << 20).shard(0)
    if path.is_file():
        return iter([SourceImage(unique_key(path.stem, set()), read_picture(path, str(path)))])
    raise ValueError(f"input is {str(path)!r}; allowed: a picture, a clip, a folder, shards, or features: {NAMES}")
