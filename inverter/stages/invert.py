"""Stage ``invert``: pictures back from features, or from what a target makes of given pictures."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from inverter.config import InvertConfig
from inverter.data.inputs import read_pictures
from inverter.data.pictures import square, to_tensor
from inverter.data.sources.captured import load_features
from inverter.evaluation.metrics import to_bytes
from inverter.evaluation.pictures import png
from inverter.hub import load_inverter, read_published
from inverter.lock import locked
from inverter.priors.prompts import choose_prompts, note_prompts, read_prompts
from inverter.progress import track
from inverter.run_record import record_run, write_bytes, write_text
from inverter.stages import invert_whitebox
from inverter.targets.load import load_same_target
from inverter.training import pick_device

log = logging.getLogger(__name__)
METHODS = ("blackbox", "direct", "latent", "guided", "hybrid")
OPERATING_POINTS = ("mean", "sample")
FEATURE_FILES = (".npy", ".safetensors")


def run(config: InvertConfig) -> Path:
    """Write ``OUTPUT/recon/KEY.png`` for every input and ``OUTPUT/summary.json``.

    Raises:
        ValueError: An unknown method or operating point, an input that cannot be read, features that do not fit, or an
            output that another run is writing to.
    """
    for key, allowed in (("method", METHODS), ("operating_point", OPERATING_POINTS)):
        if getattr(config, key) not in allowed:
            raise ValueError(f"{key} is {getattr(config, key)!r}; allowed: {', '.join(allowed)}")
    if config.method != "blackbox":
        return invert_whitebox.run(config)
    with locked(Path(config.output)):
        return invert(config, Path(config.output))


def invert(config: InvertConfig, output: Path) -> Path:
    """What ``run`` does without the target's weights, in an output that is its own."""
    table = None if config.prompts is None else read_prompts(Path(config.prompts), config.prompt_kind)
    device = torch.device(pick_device(config.device))
    inverter = load_inverter(config.inverter).to(device)
    note_prompts(inverter.prior, [config.prompt, *(table or {}).values()])
    record_run(config, output, "invert")
    (output / "recon").mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(config.seed)
    start, keys = time.monotonic(), []
    for batch_keys, features in track(_features(config, device), "reconstructions"):
        if config.operating_point == "mean":
            recon = inverter.mean(features)
        else:
            prompts = choose_prompts(batch_keys, config.prompt, table)
            recon = inverter.sample(
                features,
                prompt=prompts,
                strength=config.strength,
                guidance_scale=config.guidance_scale,
                generator=generator,
            )
        for key, picture in zip(batch_keys, to_bytes(recon.cpu()), strict=True):
            write_bytes(output / "recon" / f"{key}.png", png(picture))
            keys.append(key)
    summary = {
        "method": config.method,
        "inverter": config.inverter,
        "operating_point": config.operating_point,
        "keys": keys,
        "seconds": time.monotonic() - start,
        "target_queries": 0,
    }
    write_text(output / "summary.json", json.dumps(summary, indent=2) + "\n")
    log.info("%d reconstructions in %s", len(keys), output / "recon")
    return output


def _features(config: InvertConfig, device: torch.device) -> Iterator[tuple[list[str], Tensor]]:
    """Keys and features, a batch at a time: read from files, or made by the target from pictures."""
    path, published = Path(config.input), read_published(config.inverter)
    files = sorted(file for file in path.iterdir() if file.suffix in FEATURE_FILES) if path.is_dir() else [path]
    if files and all(file.suffix in FEATURE_FILES for file in files):
        for first in range(0, len(files), config.batch_size):
            chosen = files[first : first + config.batch_size]
            features = [_fitting(file, published.spec.feature_shape) for file in chosen]
            yield [file.stem for file in chosen], torch.stack(features).to(device)
        return
    pictures = read_pictures(path, config.video)
    spec = published.target
    target = load_same_target(spec, config.target.name, device, pretrained=config.target.pretrained)
    if target is None:
        raise ValueError(f"input is a picture, but {spec.name!r} is not at hand; give features (.npy, .safetensors)")
    size = published.spec.resolution
    while chosen_pictures := list(islice(pictures, config.batch_size)):  # a folder may not fit into memory
        images = torch.stack([to_tensor(square(picture.image, size)) for picture in chosen_pictures]).to(device)
        with torch.no_grad():
            yield [picture.key for picture in chosen_pictures], target(images.float() / 255)


def _fitting(file: Path, shape: tuple[int, ...]) -> Tensor:
    features = load_features(file)
    if tuple(features.shape) != shape:
        raise ValueError(f"features in {file} have shape {tuple(features.shape)}; the inverter takes {shape}")
    return features
