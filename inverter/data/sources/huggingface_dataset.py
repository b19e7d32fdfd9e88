"""Datasets that Hugging Face's ``datasets`` reads; none runs code of its own or is unpickled."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inverter.data.pictures import read_picture
from inverter.data.sources.dataset import DatasetSource, class_name
from inverter.data.sources.source import SourceImage

if TYPE_CHECKING:
    from inverter.config import DatasetConfig

FORMATS = ("arrow", "imagefolder", "parquet", "webdataset")


class HuggingFaceSource(DatasetSource):
    """A dataset of the hub or of a folder, read by Hugging Face's ``datasets``; a class name becomes the text.

    Args:
        name: Id on the hub, or a folder: one that ``save_to_disk`` wrote, or one with pictures, parquet or arrow files.
        options: Configuration, split, columns and order.
        shard_size: Pictures a shard.
        num_images: How many pictures to take; None takes all.
    Raises:
        ValueError: ``datasets`` is not installed, the dataset cannot be loaded, or it has no such split or column.
    """

    def __init__(self, name: str, options: DatasetConfig, shard_size: int, num_images: int | None = None) -> None:
        dataset = open_huggingface(name, options)
        kinds = {column: type(feature).__name__ for column, feature in dataset.features.items()}
        self.image = _pick(kinds, "Image", "dataset.image", options.image)
        self.label = next((column for column, kind in kinds.items() if kind == "ClassLabel"), None)
        self.text = options.text and _pick(kinds, "Value", "dataset.text", options.text)
        from datasets import Image as Encoded

        self.dataset = dataset.cast_column(self.image, Encoded(decode=False))
        self.classes = dataset.features[self.label].names if self.label else None
        split = options.split or "train"
        super().__init__(
            f"{Path(name).name}-{split}",
            dataset,
            shard_size,
            num_images,
            start=options.start,
            shuffle=options.shuffle,
        )

    def read(self, number: int, key: str) -> SourceImage:
        sample = self.dataset[number]
        encoded = sample[self.image]
        if not encoded:
            raise ValueError(f"sample {number} of {key} has no {self.image}")
        file = Path(encoded["path"]) if encoded["bytes"] is None else io.BytesIO(encoded["bytes"])
        label = sample[self.label] if self.label else None
        label = -1 if label is None else int(label)
        text = str(sample[self.text] or "") if self.text else class_name(self.classes, label)
        return SourceImage(key, read_picture(file, key), text=text, label=label)


def open_huggingface(name: str, options: DatasetConfig) -> Any:
    """One split of a dataset; formats other than ``FORMATS`` are refused before anything is read.

    Raises:
        ValueError: As ``HuggingFaceSource``.
    """
    try:
        import datasets
    except ImportError as error:
        raise ValueError(f"source=huggingface:{name} needs: pip install '.[huggingface]' in the checkout") from error
    split = options.split or "train"
    try:
        if (folder := Path(name)).is_dir() and list(folder.glob("*dataset*.json")) + list(folder.glob("state.json")):
            loaded = datasets.load_from_disk(name)
            if isinstance(loaded, datasets.DatasetDict):
                return loaded[split]
            if options.split is not None:
                raise ValueError(f"dataset.split={split!r}; the folder holds one split: set dataset.split=null")
            return loaded
        builder = datasets.load_dataset_builder(name, options.config)
        form = type(builder).__module__.rpartition(".")[2]
        if form not in FORMATS:
            raise ValueError(f"its files are read as {form}; allowed: {', '.join(FORMATS)}")
        return datasets.load_dataset(name, options.config, split=split)
    except (OSError, ValueError, KeyError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        raise ValueError(f"source=huggingface:{name} cannot be opened: {' '.join(str(error).split())}") from error


def _pick(kinds: dict[str, str], kind: str, option: str, wanted: str | None) -> str:
    fitting = [column for column, own in kinds.items() if own == kind]
    if wanted is None and fitting:
        return fitting[0]
    if wanted not in fitting:
        raise ValueError(f"{option}={wanted!r}; allowed: {', '.join(fitting) or f'none, no column is of type {kind}'}")
    return wanted
