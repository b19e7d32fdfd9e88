"""From pictures to pair shards: what `prepare` does between its sources and its manifest."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import astuple, replace
from itertools import chain, count, islice, takewhile
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from PIL import Image
from torch import Tensor

from inverter.data.captured_target import CapturedTarget
from inverter.data.manifest import SPLITS
from inverter.data.origins import picture_hash
from inverter.data.pictures import AUGMENTS, mirrors, swap_sides, to_tensor
from inverter.data.shards import ShardRecord, ShardWriter
from inverter.data.sources.source import ImageSource, SourceImage
from inverter.run.device import PRECISIONS
from inverter.run.seeds import derive_seed

if TYPE_CHECKING:
    from inverter.config import PrepareConfig
    from inverter.targets.bundle import TargetBundle
    from inverter.targets.spec import TargetSpec

    Sender = TargetBundle | CapturedTarget


class PairBuilder:
    """Compute features and latents of a source's pictures, batch by batch, and write them as shards, a set a target.

    Args:
        folders: Name of a target to the folder of its shards.
        source: The pictures.
        config: How to write them; its precision is ``bf16`` or ``fp32``.
        resolution: Side of the stored images in pixels.
        target: Images ``(B, 3, S, S)`` in [0, 1] to features by name; where the source brings them what sends them
            on, or None.
        encode: Images to latents; None stores no latents.
        device: Where ``target`` and ``encode`` live.
        specs: Of features that no target sends, which say what shape these have; None is not known.
    """

    def __init__(
        self,
        folders: Mapping[str, Path],
        source: ImageSource,
        config: PrepareConfig,
        resolution: int,
        *,
        target: Sender | None = None,
        encode: Callable[[Tensor], Tensor] | None = None,
        device: torch.device | str = "cpu",
        specs: Mapping[str, TargetSpec] | None = None,
    ) -> None:
        self.folders, self.source, self.config, self.resolution = folders, source, config, resolution
        self.target, self.encode, self.device = target, encode, torch.device(device)
        self._specs = specs

    @property
    def specs(self) -> Mapping[str, TargetSpec]:
        """What the features are, by name of the target; empty where nobody says."""
        return (self._specs or {}) if self.target is None else self.target.specs

    @torch.no_grad()
    def write(self, index: int, names: Collection[str]) -> dict[str, ShardRecord] | None:
        """Write shard ``index`` of some targets; None when the source ends before it."""
        if (pictures := self._shard(index)) is None:
            return None
        if self.target is not None:  # noise of a payload: each shard draws its own, wherever the run began
            self.target.seed_payload(derive_seed(self.config.seed, self.config.split, "payload", index))
        dtype = self.config.feature_dtype
        with ExitStack() as stack:
            shapes = {name: self.specs[name].feature_shape if name in self.specs else None for name in names}
            writers = {
                name: stack.enter_context(ShardWriter(self.folders[name], index, dtype, shape))
                for name, shape in shapes.items()
            }
            for batch in _batches(pictures, self.config.batch_size):
                self._add(writers, batch)
        return {name: writer.record for name, writer in writers.items() if writer.record is not None}

    @torch.no_grad()
    def fit(self) -> dict[str, str]:
        """Names of the target's payloads with what was measured on the first pictures, by name of the target."""
        if self.target is None:
            return {}
        shards = takewhile(lambda first: first is not None, map(self._shard, count()))
        pictures = islice(chain.from_iterable(shards), self.target.num_fit)  # type: ignore[arg-type]
        batches = _batches(pictures, self.config.batch_size)
        if isinstance(self.target, CapturedTarget):
            return self.target.fit(map(_captured, batches))
        images = (torch.stack([to_tensor(self._view(source)[0]) for source in batch]) for batch in batches)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.precision == "bf16"):
            return self.target.fit(map(self._inputs, images))

    def _shard(self, index: int) -> Iterator[SourceImage] | None:
        """Pictures of a shard; None behind the last."""
        pictures = self.source.shard(index)
        first = next(pictures, None)
        return None if first is None else chain([first], pictures)

    def _inputs(self, images: Tensor) -> Tensor:
        """What the target is given of stored images, uint8 ``(B, 3, S, S)``."""
        return images.to(self.device).float().div(255).contiguous(memory_format=torch.channels_last)

    def ended(self, num_pairs: int) -> bool:
        """Whether ``num_pairs`` are all that the source is known to have."""
        return self.source.num_images is not None and num_pairs >= self.source.num_images

    def _add(self, writers: Mapping[str, ShardWriter], batch: list[SourceImage]) -> None:
        views = [self._view(source) for source in batch]
        images = torch.stack([to_tensor(picture) for picture, _ in views])
        inputs = self._inputs(images)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.precision == "bf16"):
            made, counts = self._transmit(batch, inputs)
            latents = [None] * len(batch) if self.encode is None else list(self.encode(inputs).float().cpu())
        marks = [picture_hash(source.image, in_clip=bool(source.clip)) for source in batch]
        for name, writer in writers.items():
            features = [source.features for source in batch] if made is None else list(made[name].float().cpu())
            sizes: Sequence[int | None] = counts.get(name) or [None] * len(batch)
            made_of = zip(batch, marks, images, views, features, latents, sizes, strict=True)
            for source, mark, image, (_, text), feature, latent, size in made_of:
                if feature is None:
                    raise ValueError(f"picture {source.key!r} has no captured features, and there is no target")
                writer.add(
                    source.key,
                    image,
                    feature,
                    latents=latent,
                    text=text,
                    label=source.label,
                    group=source.group,
                    clip=source.clip,
                    frame=source.frame,
                    picture=mark,
                    origin=source.origin,
                    sent_bytes=size,
                )

    def _transmit(
        self, batch: list[SourceImage], inputs: Tensor
    ) -> tuple[dict[str, Tensor] | None, dict[str, list[int]]]:
        """Features that arrive by name, and their bytes; None where they are as the source brings them."""
        if self.target is None:
            return None, {}
        if not isinstance(self.target, CapturedTarget):
            return self.target.transmit(inputs)
        with torch.autocast(self.device.type, enabled=False):
            return self.target.transmit(_captured(batch))

    def _view(self, source: SourceImage) -> tuple[Image.Image, str]:
        """The picture as it is stored, and its text."""
        augment, seed = self.config.augment, derive_seed(self.config.seed, "jitter", source.key)
        mirrored = augment != "none" and mirrors(seed)
        picture = AUGMENTS[augment](source.image, self.resolution, seed)
        return picture, swap_sides(source.text) if mirrored else source.text


def check_config(config: PrepareConfig) -> None:
    """Refuse values that no later step would name.

    Raises:
        ValueError: ``split``, ``augment``, ``precision``, ``batch_size``, ``mean`` or ``std`` is not allowed.
    """
    for name, choices in (("split", SPLITS), ("augment", tuple(AUGMENTS)), ("precision", PRECISIONS)):
        if getattr(config, name) not in choices:
            raise ValueError(f"{name}={getattr(config, name)!r}; allowed: {', '.join(choices)}")
    if config.features is not None and (config.mean is not None or config.std is not None):
        raise ValueError(f"mean={config.mean}, std={config.std}; allowed with features that are captured: null")
    if config.batch_size < 1:
        raise ValueError(f"batch_size={config.batch_size}; allowed: 1 or more")


def check_same_pictures(configs: Sequence[PrepareConfig]) -> None:
    """Refuse configs whose pairs cannot be made from the same pictures in one pass.

    Raises:
        ValueError: They differ in more than ``target`` and ``output``, or share a folder or a target.
    """
    first = configs[0]
    targets, outputs = [astuple(config.target) for config in configs], [config.output for config in configs]
    if any(replace(config, output=first.output, target=first.target) != first for config in configs):
        raise ValueError("pairs prepared together must agree in everything but target and output")
    if len(set(targets)) < len(targets) or len(set(outputs)) < len(outputs):
        layers = [config.target.layer for config in configs]
        raise ValueError(
            f"target.layer={layers}, output={outputs}; allowed: each layer and payload once, each in a folder of its "
            "own"
        )
    if len(configs) > 1 and first.features is not None:
        raise ValueError(f"features={first.features!r} are those of one layer; allowed: one layer at a time")


def _captured(batch: list[SourceImage]) -> Tensor:
    """Features that a source brings, ``(B, ...)``."""
    return torch.stack([source.features for source in batch if source.features is not None])


def _batches(pictures: Iterator[SourceImage], size: int) -> Iterator[list[SourceImage]]:
    while batch := list(islice(pictures, size)):
        yield batch
