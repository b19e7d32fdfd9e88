"""What is to be inverted: pictures, which a target turns into features, or features as they were captured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from inverter.config import VideoConfig
from inverter.config.errors import one_line
from inverter.data.pictures import read_picture, square, to_tensor
from inverter.data.sources.captured import SUFFIXES, load_features, unbatched
from inverter.data.sources.folder import FolderSource
from inverter.data.sources.source import EXTENSIONS as PICTURES
from inverter.data.sources.source import SourceImage, unique_key
from inverter.data.sources.tar import SUFFIXES as SHARDS
from inverter.data.sources.tar import TarSource
from inverter.data.sources.video import EXTENSIONS as VIDEO_EXTENSIONS
from inverter.data.sources.video import VideoSource
from inverter.targets.output import channels_first

PICKLED = (".pt", ".pth", ".pkl", ".pickle")


@dataclass(frozen=True)
class Input:
    """One picture or one image's features.

    Args:
        key: Names its reconstruction.
        picture: ``(3, S, S)`` uint8; None where there are features only.
        features: By layer, without a batch dimension; None where the target makes them from the picture.
    """

    key: str
    picture: Tensor | None = None
    features: dict[str, Tensor] | None = None


def is_clip(path: Path) -> bool:
    """Whether an input is a video file."""
    return path.suffix.lower() in VIDEO_EXTENSIONS and path.is_file()


def is_sequence(path: Path) -> bool:
    """Whether an input may hold more than one image: a folder, a video file or shards."""
    return path.is_dir() or is_clip(path) or path.name.endswith(SHARDS)


def read_inputs(path: Path, layers: Sequence[str], size: int, video: VideoConfig | None = None) -> Iterator[Input]:
    """Inputs of a picture, a video file, image shards, a feature file, or a folder of pictures or of feature files.

    Args:
        path: Where they lie; shards may be named by globs and braces.
        layers: Dotted names; with several, a feature file is ``.safetensors`` with one tensor a layer.
        size: Pixels a side that pictures are cut and resized to.
        video: Which frames of a clip are taken.
    Raises:
        ValueError: Nothing that can be read.
    """
    files = feature_files(path)
    used: set[str] = set()
    for file in files:
        name = file.relative_to(path).with_suffix("") if path.is_dir() else file.stem
        yield Input(unique_key(str(name), used), features=load_layers(file, layers))
    if files:
        return
    for picture in read_pictures(path, video or VideoConfig()):
        yield Input(picture.key, to_tensor(square(picture.image, size)))


def feature_files(path: Path) -> list[Path]:
    """Feature files of an input: itself, or those of a folder and its subfolders; none where it holds pictures.

    Raises:
        ValueError: Pickles, or a folder of features and of something else that could be inverted.
    """
    given = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    files = [file for file in given if file.suffix in SUFFIXES]
    pickled = [file for file in given if file.suffix in PICKLED]
    if pickled and (files or len(pickled) == len(given)):
        raise ValueError(
            f"input is {str(pickled[0])!r}, pickled and never read; allowed: .npy or .safetensors; convert what you "
            "trust: np.save('features.npy', torch.load('features.pt').float().cpu().numpy())"
        )
    pictures = [file for file in given if file.suffix.lower() in PICTURES]
    if files and pictures:
        raise ValueError(f"input {str(path)!r} holds {files[0].name} and {pictures[0].name}; allowed: one kind")
    return files


def load_layers(path: Path, layers: Sequence[str]) -> dict[str, Tensor]:
    """One image's features by layer, float32, channels first.

    Raises:
        ValueError: The file cannot be read, or has not one tensor for each of several layers.
    """
    if len(layers) == 1:
        return {layers[0]: load_features(path)}
    try:
        tensors = load_file(path) if path.suffix == ".safetensors" else {}
    except (SafetensorError, OSError) as error:
        raise ValueError(f"feature file {path} cannot be read: {one_line(error)}") from error
    if set(tensors) != set(layers):
        raise ValueError(f"feature file {path} holds {sorted(tensors)}; allowed: .safetensors with {sorted(layers)}")
    tensors = {layer: unbatched(values) for layer, values in tensors.items()}
    for layer, values in tensors.items():
        if not values.is_floating_point() or not values.isfinite().all() or not 1 <= values.ndim <= 3:
            raise ValueError(f"feature file {path}: {layer} is no finite floating-point array of 1 to 3 axes")
    return {layer: channels_first(tensors[layer][None].float())[0] for layer in layers}


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
    if path.name.endswith(SHARDS):
        return TarSource(str(path), shard_size=1 << 20).shard(0)
    if path.is_file():
        return iter([SourceImage(unique_key(path.stem, set()), read_picture(path, str(path)))])
    raise ValueError(f"input is {str(path)!r}; allowed: a picture, a clip, a folder, shards, or .npy/.safetensors")
