"""Image sources: a folder, image shards or samples of the prior, read shard by shard so that a stopped run goes on."""

from __future__ import annotations

import glob
import io
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any, Protocol

import braceexpand
import fsspec
import torch
from PIL import Image
from torch import Tensor
from webdataset.tariterators import group_by_keys, tar_file_expander

from inverter.data.manifest import is_url
from inverter.data.pictures import derive_seed, read_picture

EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp", ".bmp")


@dataclass(frozen=True)
class SourceImage:
    """A picture on its way into a pair shard.

    Args:
        key: Letters, digits, ``_`` and ``-``; unique in its source.
        image: RGB, any size.
        text: Caption; ``""`` is none.
        label: Class; -1 is none.
        group: Photo or clip that it was cut from; ``""`` is the picture itself.
        clip: Clip that it is a frame of; ``""`` is none.
        frame: Number of that frame; -1 is none.
        features: Features captured with it; None where the target computes them.
    """

    key: str
    image: Image.Image
    text: str = ""
    label: int = -1
    group: str = ""
    clip: str = ""
    frame: int = -1
    features: Tensor | None = None


class ImageSource(ABC):
    """Pictures in a fixed order, handed out one shard at a time, any shard first.

    Args:
        shard_size: Pictures a shard.
        num_images: Pictures in all; None is not known until the source ends.
    """

    def __init__(self, shard_size: int, num_images: int | None) -> None:
        for name, value in (("shard_size", shard_size), ("pairs", num_images)):
            if value is not None and value < 1:
                raise ValueError(f"{name}={value}; allowed: 1 or more")
        self.shard_size, self.num_images = shard_size, num_images

    @abstractmethod
    def shard(self, index: int) -> Iterator[SourceImage]:
        """Pictures of shard ``index``, the same ones each time; none behind the end."""

    def numbers(self, index: int) -> range:
        """Numbers of the pictures in shard ``index``, as far as the length is known."""
        stop = (index + 1) * self.shard_size
        return range(index * self.shard_size, stop if self.num_images is None else min(stop, self.num_images))


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


class TarSource(ImageSource):
    """Pictures of WebDataset shards (``.tar``, ``.tar.gz``) with optional ``json`` or ``txt`` beside each.

    ``json`` may hold ``caption`` or ``text``, ``label`` (an integer) and ``group``. Going forward skips by counting,
    without decoding; going back starts again.

    Args:
        pattern: Path, glob, braces, or an fsspec URL.
        shard_size: Pictures a shard.
        num_images: Take the first pictures only; None takes all.
    Raises:
        ValueError: ``pattern`` matches nothing or names a command (``pipe:``).
    """

    def __init__(self, pattern: str, shard_size: int, num_images: int | None = None) -> None:
        super().__init__(shard_size, num_images)
        self.urls = expand_shards(pattern)
        self._samples: Iterator[dict[str, Any]] | None = None
        self._position = 0
        self._used: set[str] = set()

    def shard(self, index: int) -> Iterator[SourceImage]:
        numbers = self.numbers(index)
        if not numbers:
            return
        if self._samples is None or self._position > numbers.start:
            self._samples, self._position, self._used = self._open(), 0, set()
        for sample in self._samples:
            key = unique_key(sample["__key__"], self._used)
            self._position += 1
            if self._position > numbers.start:
                yield _decode_sample(key, sample)
            if self._position >= numbers.stop:
                return

    def _open(self) -> Iterator[dict[str, Any]]:
        for sample in group_by_keys(tar_file_expander(self._streams())):
            if any(extension[1:] in sample for extension in EXTENSIONS):
                yield sample

    def _streams(self) -> Iterator[dict[str, Any]]:
        for url in self.urls:  # opened here rather than by WebDataset, which would also run `pipe:` commands
            with fsspec.open(url, "rb") as stream:
                yield {"url": url, "stream": stream}


class Prior(Protocol):
    """What ``PriorSource`` uses of a ``DiffusionPrior``."""

    @property
    def prompts(self) -> Sequence[str]: ...
    def embed(self, prompts: Sequence[str], /) -> Tensor: ...
    def sample(
        self, conditioning: Tensor | None = None, *, num_inference_steps: int, generator: torch.Generator | None
    ) -> Tensor: ...
    def decode(self, latents: Tensor, /) -> Tensor: ...


class PriorSource(ImageSource):
    """Samples of the prior, without guidance, of prompts from its own list (of the empty prompt where it has none).

    Args:
        prior: The prior that draws.
        shard_size: Pictures a shard; each shard has its own generator, seeded by (seed, split, index).
        num_images: Pictures in all.
        num_inference_steps: Denoising steps a picture.
        batch_size: Pictures drawn at once.
        seed: Seed of prompts and noise.
        split: Split that the pictures are for; every split gets others.
        bf16: Draw under bf16 autocast.
    Raises:
        ValueError: ``num_images`` is None.
    """

    def __init__(
        self,
        prior: Prior,
        shard_size: int,
        num_images: int | None,
        *,
        num_inference_steps: int,
        batch_size: int,
        seed: int,
        split: str,
        bf16: bool = False,
    ) -> None:
        if num_images is None:
            raise ValueError("pairs=null; allowed with source=prior: 1 or more (the prior never runs out)")
        super().__init__(shard_size, num_images)
        self.prior, self.batch_size, self.num_inference_steps = prior, batch_size, num_inference_steps
        self.seed, self.split, self.bf16 = seed, split, bf16

    @torch.no_grad()
    def shard(self, index: int) -> Iterator[SourceImage]:
        seed = derive_seed(self.seed, self.split, index)
        generator, words = torch.Generator().manual_seed(seed), Random(seed)
        numbers = self.numbers(index)
        for start in range(numbers.start, numbers.stop, self.batch_size):
            batch = range(start, min(start + self.batch_size, numbers.stop))
            prompts = [words.choice(self.prior.prompts) if self.prior.prompts else "" for _ in batch]
            pictures = (self._draw(prompts, generator) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu()
            for number, prompt, picture in zip(batch, prompts, pictures, strict=True):
                yield SourceImage(f"{self.split}-{number:07d}", Image.fromarray(picture.numpy()), text=prompt)

    def _draw(self, prompts: list[str], generator: torch.Generator) -> Tensor:
        """Pictures ``(B, 3, S, S)`` float32 in [0, 1]."""
        conditioning = self.prior.embed(prompts)
        with torch.autocast(conditioning.device.type, torch.bfloat16, enabled=self.bf16):
            latents = self.prior.sample(conditioning, num_inference_steps=self.num_inference_steps, generator=generator)
            return self.prior.decode(latents).float().clamp(0, 1)


def expand_shards(pattern: str) -> list[str]:
    """Shards that a path, glob, brace pattern or URL names, in order.

    Raises:
        ValueError: A ``pipe:`` command, or nothing matches.
    """
    urls: list[str] = []
    for part in braceexpand.braceexpand(pattern):
        if part.lstrip().startswith("pipe:") or "::pipe:" in part:
            raise ValueError(f"shards {pattern!r} name a command; allowed: a path, glob, braces or URL")
        found = [part] if is_url(part) else sorted(glob.glob(part, recursive=True))  # noqa: PTH207 (Path.glob takes no absolute pattern)
        if not found:
            raise ValueError(f"shards {pattern!r}: {part!r} matches no file")
        urls += found
    return urls


def unique_key(name: str, used: set[str]) -> str:
    """Key of a name: other characters become ``_``; a key that was used before, or a long one, ends in a hash.

    Keys differ in more than case, so that files named after them can lie in one folder anywhere.
    """
    key = re.sub(r"[^A-Za-z0-9_-]", "_", name)
    attempt = 0
    while len(key) > 80 or key.lower() in used:
        key = f"{key[:60]}-{sha256(f'{name}/{attempt}'.encode()).hexdigest()[:8]}"
        attempt += 1
    used.add(key.lower())
    return key


def _decode_sample(key: str, sample: dict[str, Any]) -> SourceImage:
    name = f"{sample['__url__']}: {sample['__key__']}"
    data = next(sample[extension[1:]] for extension in EXTENSIONS if extension[1:] in sample)
    try:
        meta = json.loads(sample.get("json", b"{}"))
        text = sample.get("txt", b"").decode().strip()
    except ValueError as error:
        raise ValueError(f"{name}: json or txt cannot be read: {error}") from error
    if not isinstance(meta, dict):
        raise ValueError(f"{name}: json is a {type(meta).__name__}; allowed: an object")
    label = meta.get("label")
    return SourceImage(
        key,
        read_picture(io.BytesIO(data), name),
        text=str(meta.get("caption") or meta.get("text") or text),
        label=label if type(label) is int else -1,
        group=str(meta.get("group") or ""),
    )
