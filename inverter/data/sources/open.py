"""From ``source=KIND:LOCATION`` to the source."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from inverter.data.sources.captured import CapturedSource
from inverter.data.sources.folder import FolderSource
from inverter.data.sources.huggingface_dataset import HuggingFaceSource
from inverter.data.sources.photos import PhotoSource
from inverter.data.sources.prior import PriorSource
from inverter.data.sources.source import ImageSource
from inverter.data.sources.table import TableSource
from inverter.data.sources.tar import TarSource
from inverter.data.sources.torchvision_dataset import TorchvisionSource
from inverter.data.sources.video import VideoSource
from inverter.data.table import SUFFIXES as TABLES

if TYPE_CHECKING:
    from inverter.config import PrepareConfig

SOURCES = (
    "prior",
    "photos",
    "table",
    "folder:PATH",
    "shards:PATTERN",
    "video:PATH",
    "torchvision:NAME",
    "huggingface:NAME",
)


def open_source(config: PrepareConfig, prior: Any = None) -> ImageSource:
    """Source that ``config.source`` names; ``prior`` draws the pictures of ``source=prior``.

    Raises:
        ValueError: An unknown source, or options that do not go together.
    """
    kind, _, location = config.source.partition(":")
    size, pairs = config.shard_size, config.pairs
    if config.features is not None:
        table = Path(config.features).suffix.lower() in TABLES
        if kind not in ("folder", *(["table"] if table else [])) or config.augment != "none":
            allowed = "table or folder:PATH" if table else "folder:PATH"
            raise ValueError(
                f"source={config.source} augment={config.augment}; with captured features allowed: {allowed} and none"
            )
        if table:
            folder = Path(location) if kind == "folder" else None
            return TableSource(Path(config.features), config.table, size, pairs, folder=folder)
        shape = config.feature_shape
        return CapturedSource(
            Path(location), Path(config.features), size, pairs, feature_shape=shape, axes=config.feature_axes
        )
    if kind == "table":
        raise ValueError("source=table is the pictures of a table; allowed: with features, the table's path")
    for name in ("feature_shape", "feature_axes"):
        if (value := getattr(config, name)) is not None:
            raise ValueError(f"{name}={value}; allowed: with features, the folder of captured ones")
    if kind == "folder" and location:
        return FolderSource(Path(location), size, pairs)
    if kind == "shards" and location:
        return TarSource(location, size, pairs, member=config.dataset.image)
    if kind == "video" and location:
        return VideoSource(location, size, pairs, stride=config.video.stride, fps=config.video.fps)
    if kind == "torchvision" and location:
        return TorchvisionSource(location, config.dataset, size, pairs)
    if kind == "huggingface" and location:
        return HuggingFaceSource(location, config.dataset, size, pairs)
    if config.source == "photos":
        return PhotoSource(size, pairs, seed=config.seed, split=config.split)
    if config.source == "prior":
        steps, batch_size = config.num_inference_steps, config.batch_size
        return PriorSource(
            prior,
            size,
            pairs,
            num_inference_steps=steps,
            batch_size=batch_size,
            seed=config.seed,
            split=config.split,
            bf16=config.precision == "bf16",
        )
    raise ValueError(f"source={config.source!r}; allowed: {', '.join(SOURCES)}")
