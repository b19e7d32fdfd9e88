"""From pictures to pair shards: what `prepare` does between its sources and its manifest."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image
from torch import Tensor

from inverter.config.errors import one_line
from inverter.data.manifest import MANIFEST, SPLITS
from inverter.data.pictures import AUGMENTS, mirrors, swap_sides, to_tensor
from inverter.data.shards import ShardRecord, ShardWriter
from inverter.data.sources.source import ImageSource, SourceImage
from inverter.run.device import PRECISIONS
from inverter.run.files import write_text
from inverter.run.parse import parse_json
from inverter.run.processes import rank
from inverter.run.record import commit
from inverter.run.seeds import derive_seed

if TYPE_CHECKING:
    from inverter.config import PrepareConfig
    from inverter.targets.target import MultiTarget

FINGERPRINT = "prepare.json"
NO_RECIPE = ("output", "max_time", "device", "precision")


class PairBuilder:
    """Compute features and latents of a source's pictures, batch by batch, and write them as shards, a set a layer.

    Args:
        folders: Layer to the folder of its shards.
        source: The pictures.
        config: How to write them; its precision is ``bf16`` or ``fp32``.
        resolution: Side of the stored images in pixels.
        target: Images ``(B, 3, S, S)`` in [0, 1] to features by layer; None where the source brings them.
        encode: Images to latents; None stores no latents.
        device: Where ``target`` and ``encode`` live.
    """

    def __init__(
        self,
        folders: Mapping[str, Path],
        source: ImageSource,
        config: PrepareConfig,
        resolution: int,
        *,
        target: MultiTarget | None = None,
        encode: Callable[[Tensor], Tensor] | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self.folders, self.source, self.config, self.resolution = folders, source, config, resolution
        self.target, self.encode, self.device = target, encode, torch.device(device)

    @torch.no_grad()
    def write(self, index: int, layers: Collection[str]) -> dict[str, ShardRecord] | None:
        """Write shard ``index`` of some layers; None when the source ends before it."""
        pictures = self.source.shard(index)
        first = next(pictures, None)
        if first is None:
            return None
        if self.target is not None:  # noise of a payload: each shard draws its own, wherever the run began
            self.target.seed_payload(derive_seed(self.config.seed, self.config.split, "payload", index))
        dtype = self.config.feature_dtype
        with ExitStack() as stack:
            writers = {layer: stack.enter_context(ShardWriter(self.folders[layer], index, dtype)) for layer in layers}
            for batch in _batches(chain([first], pictures), self.config.batch_size):
                self._add(writers, batch)
        return {layer: writer.record for layer, writer in writers.items() if writer.record is not None}

    def ended(self, num_pairs: int) -> bool:
        """Whether ``num_pairs`` are all that the source is known to have."""
        return self.source.num_images is not None and num_pairs >= self.source.num_images

    def _add(self, writers: Mapping[str, ShardWriter], batch: list[SourceImage]) -> None:
        views = [self._view(source) for source in batch]
        images = torch.stack([to_tensor(picture) for picture, _ in views])
        inputs = images.to(self.device).float().div(255).contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.precision == "bf16"):
            made = None if self.target is None else self.target(inputs)
            latents = [None] * len(batch) if self.encode is None else list(self.encode(inputs).float().cpu())
        for layer, writer in writers.items():
            features = [source.features for source in batch] if made is None else list(made[layer].float().cpu())
            for source, image, (_, text), feature, latent in zip(batch, images, views, features, latents, strict=True):
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
                )

    def _view(self, source: SourceImage) -> tuple[Image.Image, str]:
        """The picture as it is stored, and its text."""
        augment, seed = self.config.augment, derive_seed(self.config.seed, "jitter", source.key)
        mirrored = augment != "none" and mirrors(seed)
        picture = AUGMENTS[augment](source.image, self.resolution, seed)
        return picture, swap_sides(source.text) if mirrored else source.text


class Fingerprint:
    """``prepare.json`` beside the shards: what they were made from, so that a folder never mixes two recipes.

    Args:
        folder: Folder of the shards.
        config: Recipe; ``output``, ``max_time``, ``device`` and ``precision`` play no part in it.
    Raises:
        ValueError: The folder holds shards of another recipe, or of none that is known.
    """

    def __init__(self, folder: Path, config: PrepareConfig) -> None:
        self.path, self.max_time = folder / FINGERPRINT, config.max_time
        self.recipe = _without_place(dataclasses.asdict(config))
        written = (folder / MANIFEST).exists() or any(folder.glob("*.tar"))
        if not written or not self.path.is_file():  # a run that failed before its first shard binds no other
            if written:
                raise ValueError(
                    f"output: {folder} holds shards but no {FINGERPRINT}; choose another output or delete it"
                )
            self.saved: dict[str, Any] = {"complete": False}
            return
        try:
            self.saved = parse_json(self.path.read_bytes())
            written_by = {**dataclasses.asdict(type(config)()), **self.saved["recipe"]}  # older ones lack newer options
            self.saved["complete"]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"output: {self.path} is damaged ({one_line(error)}); choose another output") from error
        self._compare(_without_place(written_by), self.recipe)

    @property
    def complete(self) -> bool:
        """Whether all shards and the manifest were written, or as many as fit into no less time than there is now."""
        if not self.saved["complete"] or not self.path.with_name(MANIFEST).is_file():
            return False
        stopped_after = self.saved.get("stopped_after")
        return stopped_after is None or (self.max_time is not None and self.max_time <= stopped_after)

    def begin(self, weights: dict[str, Any], precision: str) -> None:
        """Note hashes of prior and target before the first shard, or compare them with the noted ones.

        Every ``precision`` that shards were computed in is noted, too.

        Raises:
            ValueError: The weights are not those that the shards in the folder were made with.
        """
        if "weights" in self.saved:
            self._compare(self.saved["weights"], weights)
        precisions = sorted({*self.saved.get("precisions", []), precision})
        made = {"recipe": self.recipe, "weights": weights, "precisions": precisions, "commit": commit()}
        self._save({**made, "complete": False})

    def finish(self, stopped_after: int | None) -> None:
        """Note that the manifest and every shard are written, or those that ``stopped_after`` seconds allowed."""
        self._save({**self.saved, "complete": True, "stopped_after": stopped_after})

    def _save(self, values: dict[str, Any]) -> None:
        if rank() == 0:
            write_text(self.path, json.dumps(values, indent=1) + "\n")
        self.saved = values

    def _compare(self, saved: dict[str, Any], now: dict[str, Any]) -> None:
        keys = sorted(saved.keys() | now.keys())
        changed = [f"{k}: {saved.get(k)!r} there, {now.get(k)!r} now" for k in keys if saved.get(k) != now.get(k)]
        if changed:
            raise ValueError(
                f"output: {self.path.parent} holds shards of another recipe ({'; '.join(changed)}); "
                "choose another output or delete it"
            )


def _without_place(config: Mapping[str, Any]) -> dict[str, Any]:
    """Without what may change between the parts of a run: where it runs, and for how long."""
    return {key: value for key, value in config.items() if key not in NO_RECIPE}


def check_config(config: PrepareConfig) -> None:
    """Refuse values that no later step would name.

    Raises:
        ValueError: ``split``, ``augment``, ``precision`` or ``batch_size`` is not allowed.
    """
    for name, choices in (("split", SPLITS), ("augment", tuple(AUGMENTS)), ("precision", PRECISIONS)):
        if getattr(config, name) not in choices:
            raise ValueError(f"{name}={getattr(config, name)!r}; allowed: {', '.join(choices)}")
    if config.batch_size < 1:
        raise ValueError(f"batch_size={config.batch_size}; allowed: 1 or more")


def check_same_pictures(configs: Sequence[PrepareConfig]) -> None:
    """Refuse configs whose pairs cannot be made from the same pictures in one pass.

    Raises:
        ValueError: They differ in more than ``target.layer`` and ``output``, or share a folder or a layer.
    """
    layers, outputs = [config.target.layer for config in configs], [config.output for config in configs]
    first = configs[0]
    same = [replace(c, output=first.output, target=replace(c.target, layer=first.target.layer)) for c in configs]
    if any(config != first for config in same):
        raise ValueError("layers prepared together must agree in everything but target.layer and output")
    if len(set(layers)) < len(layers) or len(set(outputs)) < len(outputs):
        raise ValueError(f"layers={layers}, output={outputs}; allowed: each layer once, each in a folder of its own")
    if len(configs) > 1 and first.features is not None:
        raise ValueError(f"features={first.features!r} are those of one layer; allowed: one layer at a time")


def _batches(pictures: Iterator[SourceImage], size: int) -> Iterator[list[SourceImage]]:
    while batch := list(islice(pictures, size)):
        yield batch
