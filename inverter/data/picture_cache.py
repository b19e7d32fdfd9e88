"""Pictures of image shards decoded once and mapped into memory: what the prior and the second judge are trained on."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from inverter.data.pictures import read_picture, square, to_tensor
from inverter.data.sources.source import EXTENSIONS
from inverter.data.sources.tar import TarSource, expand_shards, picture_member, read_annotations
from inverter.run.files import whole_file, write_text
from inverter.run.progress import track
from inverter.run.seeds import derive_seed

log = logging.getLogger(__name__)
TEXTS = ("caption", "foreground", "background")


class PictureCache(Dataset[dict[str, Any]]):
    """Decoded pictures of image shards, in their order.

    A sample holds ``image`` ``(3, S, S)`` uint8, ``key``, ``label`` (-1 where there is none), ``wnid`` (WordNet's id of
    the class), ``caption``, ``foreground`` and ``background``.

    Args:
        pattern: Image shards (``.tar``, ``.tar.gz``): path, glob, braces or an fsspec URL.
        resolution: Side S of the pictures in pixels.
        folder: Where the decoded pictures lie; they are written there at the first use, complete or not at all.
    Raises:
        ValueError: A shard is missing or damaged, or holds no picture.
    """

    def __init__(self, pattern: str, resolution: int, folder: Path) -> None:
        path = folder / f"{derive_seed(*identity(pattern), resolution):016x}"
        texts, pixels = path.with_suffix(".json"), path.with_suffix(".u8")
        if not texts.is_file():
            items = TarSource(pattern, shard_size=1).items()
            samples = ({"key": key, **decode_sample(sample, resolution)} for key, sample in items)
            write_pictures(pattern, samples, texts, pixels)
        self.samples: list[dict[str, Any]] = json.loads(texts.read_text(encoding="utf-8"))
        self.resolution, self._pixels = resolution, pixels

    @cached_property
    def pictures(self) -> np.ndarray:
        """All pictures ``(N, 3, S, S)`` uint8, mapped into memory."""
        shape = (len(self), 3, self.resolution, self.resolution)
        return np.memmap(self._pixels, np.uint8, mode="r", shape=shape)

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if key != "pictures"}  # a reading process maps them too

    def __len__(self) -> int:
        return len(self.samples)

    def image(self, index: int) -> Tensor:
        """Picture ``(3, S, S)`` uint8."""
        return torch.from_numpy(np.array(self.pictures[index]))

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"image": self.image(index), **self.samples[index]}


def first_pictures(pattern: str, resolution: int, count: int) -> Tensor:
    """The first pictures of image shards ``(N, 3, S, S)`` float32 in [0, 1], decoded now and not kept.

    Raises:
        ValueError: A shard is missing or damaged, or holds no picture.
    """
    items = islice(TarSource(pattern, shard_size=1).items(), count)
    pictures = [decode_sample(sample, resolution)["image"] for _, sample in items]
    return torch.stack(pictures).float() / 255


def decode_sample(sample: dict[str, Any], resolution: int) -> dict[str, Any]:
    """Decode the picture and the words of one WebDataset sample; nothing else in it is read.

    Returns:
        ``image`` ``(3, S, S)`` uint8, centre-cropped and resized, ``label``, and ``wnid``, ``group``, ``caption``,
        ``foreground`` and ``background``, ``""`` for what the sample does not say.
    """
    key = str(sample.get("__key__"))
    member = picture_member(sample, key)
    if member is None:
        raise ValueError(f"sample {key!r} has no picture; allowed: {', '.join(e[1:] for e in EXTENSIONS)}")
    picture = square(read_picture(io.BytesIO(sample[member]), key), resolution)
    annotations = read_annotations(sample)
    label = annotations.get("label")
    words = {**{name: str(annotations.get(name) or "") for name in ("wnid", "group")}, **_words(annotations)}
    return {"image": to_tensor(picture), "label": label if type(label) is int else -1, **words}


def read_words(pattern: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Key, and ``caption``, ``foreground`` and ``background``, of each picture of image shards, none decoded."""
    yield from ((key, _words(read_annotations(sample))) for key, sample in TarSource(pattern, shard_size=1).items())


def write_pictures(source: str, samples: Iterable[dict[str, Any]], texts: Path, pixels: Path) -> None:
    """Write what a cache reads, complete or not at all.

    Args:
        source: Where they come from.
        samples: ``image`` ``(3, S, S)`` uint8 and what is said of it.
        texts: File of what is said; written last.
        pixels: File of the pictures.
    Raises:
        ValueError: There is no sample.
    """
    pixels.parent.mkdir(parents=True, exist_ok=True)
    annotations = []
    with whole_file(pixels) as stream:
        for sample in track(samples, f"pictures of {source}"):
            stream.write(sample["image"].numpy().tobytes())
            annotations.append({key: value for key, value in sample.items() if key != "image"})
    if not annotations:
        raise ValueError(f"data: {source} gave no picture; allowed: a source with 1 or more")
    write_text(texts, json.dumps(annotations))
    log.info("%d pictures of %s in %s", len(annotations), source, pixels)


def collate(samples: list[dict[str, Any]]) -> dict[str, Any]:
    """Batch with ``image`` ``(B, 3, S, S)`` float32 in [0, 1], ``label`` ``(B,)`` and the words as lists."""
    batch: dict[str, Any] = {"image": torch.stack([sample["image"] for sample in samples]).float().div_(255)}
    batch["label"] = torch.tensor([sample["label"] for sample in samples])
    return batch | {key: [sample[key] for sample in samples] for key in samples[0] if key not in batch}


def identity(pattern: str) -> list[object]:
    """Names, sizes and times of the shards: a cache is of these files and of no others; of a URL, the name alone."""
    shards = expand_shards(pattern)
    return [f"{shard}:{_mark(Path(shard))}" for shard in shards]


def _mark(path: Path) -> str:
    """Size and time of a file: tar pads, so that another content may have the same size; ``""`` for a URL."""
    return f"{(status := path.stat()).st_size}:{status.st_mtime_ns}" if path.is_file() else ""


def _words(annotations: dict[str, Any]) -> dict[str, str]:
    return {text: str(annotations.get(text) or "") for text in TEXTS}
