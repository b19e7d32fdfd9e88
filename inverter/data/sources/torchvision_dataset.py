"""Datasets of torchvision by name; none is unpickled."""

from __future__ import annotations

import difflib
import inspect
from typing import TYPE_CHECKING, Any

from PIL import Image

from inverter.data.pictures import to_rgb
from inverter.data.sources.dataset import DatasetSource, class_name
from inverter.data.sources.source import SourceImage

if TYPE_CHECKING:
    from inverter.config import DatasetConfig

UNPICKLING = ("CIFAR10", "CIFAR100", "LSUN", "LSUNClass")
"""Datasets whose files are pickles."""


class TorchvisionSource(DatasetSource):
    """A dataset of ``torchvision.datasets`` whose samples begin with a picture; a class name becomes the text.

    Args:
        name: Name of its class.
        options: Root, split and order.
        shard_size: Pictures a shard.
        num_images: How many pictures to take; None takes all.
    Raises:
        ValueError: An unknown name, a dataset of pickles, an option that it has not, or files that are not there.
    """

    def __init__(self, name: str, options: DatasetConfig, shard_size: int, num_images: int | None = None) -> None:
        self.dataset = open_torchvision(name, options)
        self.classes = getattr(self.dataset, "classes", None)
        super().__init__(
            f"{name}-{options.split}" if options.split else name,
            self.dataset,
            shard_size,
            num_images,
            start=options.start,
            shuffle=options.shuffle,
        )

    def read(self, number: int, key: str) -> SourceImage:
        sample = self.dataset[number]
        picture, label = (*sample, -1)[:2] if isinstance(sample, tuple) else (sample, -1)
        if not isinstance(picture, Image.Image):
            raise ValueError(f"sample {number} of {key} begins with a {type(picture).__name__}; allowed: a picture")
        label = label if type(label) is int else -1
        return SourceImage(key, to_rgb(picture), text=class_name(self.classes, label), label=label)


def open_torchvision(name: str, options: DatasetConfig) -> Any:
    """Dataset of ``torchvision.datasets`` by the name of its class, made with root and split as it takes them.

    Raises:
        ValueError: As ``TorchvisionSource``.
    """
    from torchvision import datasets

    known = [kind for kind in datasets.__all__ if inspect.isclass(getattr(datasets, kind)) and kind not in UNPICKLING]
    if name in UNPICKLING:
        raise ValueError(f"source=torchvision:{name} would unpickle its files; allowed: datasets that do not")
    if name not in known:
        close = difflib.get_close_matches(name, known, n=4, cutoff=0.0)
        raise ValueError(f"source=torchvision:{name} is unknown; the nearest are {', '.join(close)}")
    kind = getattr(datasets, name)
    parameters = inspect.signature(kind).parameters
    wanted: dict[str, Any] = {"root": options.root, "download": options.download or None}
    wanted[next((word for word in ("split", "image_set") if word in parameters), "split")] = options.split
    if "train" in parameters and options.split is not None:
        if options.split not in ("train", "test"):
            raise ValueError(f"dataset.split={options.split!r}; allowed with torchvision:{name}: train, test")
        wanted["train"] = options.split == "train"
        del wanted["split"]
    wanted = {word: value for word, value in wanted.items() if value is not None}
    if refused := [word for word in wanted if word not in parameters]:
        raise ValueError(f"source=torchvision:{name} takes no dataset.{refused[0]}")
    if "root" in parameters and options.root is None:
        raise ValueError(f"source=torchvision:{name} needs dataset.root, the folder of its files")
    try:
        return kind(**wanted)
    except (RuntimeError, OSError, ValueError, TypeError) as error:
        raise ValueError(f"source=torchvision:{name} cannot be opened: {' '.join(str(error).split())}") from error
