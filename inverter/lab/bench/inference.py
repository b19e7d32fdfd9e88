"""Without training: preparation against the networks alone, the cost of each layer, one-pass inversion."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from inverter.blackbox.load import load_inverter
from inverter.config import PrepareConfig
from inverter.data.build import PairBuilder
from inverter.data.datamodule import pair_loader
from inverter.data.sources.open import open_source
from inverter.lab.bench.config import BenchConfig
from inverter.lab.bench.measurement import Measurement, alternate, divide
from inverter.priors.load import load_prior
from inverter.priors.steps import count_steps
from inverter.run.device import pick_device, pick_precision, place
from inverter.targets import list_layers, load_target, load_targets
from inverter.targets.load import load_options
from inverter.targets.target import Target


def measure(config: BenchConfig, pairs: Path) -> list[Measurement]:
    """Preparation, layers and inversion, on the pictures and features of the training pairs."""
    device = torch.device(pick_device(config.device))
    batches = list(pair_loader(pairs / "train", config.batch_size))
    images = [batch["image"].to(device) for batch in batches]
    return [
        preparation(config, pairs, images, device),
        *layers(config, images[0], device),
        *inversion(config, [batch["features"].to(device) for batch in batches], device),
    ]


def preparation(config: BenchConfig, pairs: Path, images: list[Tensor], device: torch.device) -> Measurement:
    """Writing pair shards over running target and encoder on pictures that are in memory already."""
    prior = place(load_prior(config.prior), device)
    t = config.target
    target = place(load_targets(t.name, [t.layer], **load_options(t)), device)
    recipe = PrepareConfig(
        target=config.target,
        prior=config.prior,
        source=f"shards:{pairs / 'train' / 'pairs-*.tar'}",
        pairs=config.pairs,
        shard_size=config.pairs,
        batch_size=config.batch_size,
        precision=pick_precision("auto", device),
    )

    def write() -> None:
        with tempfile.TemporaryDirectory(dir=pairs) as folder:
            builder = PairBuilder(
                {t.layer: Path(folder)},
                open_source(recipe),
                recipe,
                prior.resolution,
                target=target,
                encode=prior.encode,
                device=device,
            )
            builder.write(0, [t.layer])

    @torch.no_grad()
    def run_networks() -> None:
        for batch in images:
            inputs = batch.contiguous(memory_format=torch.channels_last)
            with torch.autocast(device.type, torch.bfloat16):
                target(inputs)[t.layer].float().cpu()
            prior.encode(inputs).float().cpu()

    written, bare = alternate([write, run_networks], config.rounds, device)
    detail = "seconds of prepare on pictures from shards over seconds of target and encoder alone"
    return Measurement.of("prepare", "x", divide(written, bare), detail, aim=1.2, more_is_better=False)


def layers(config: BenchConfig, images: Tensor, device: torch.device) -> list[Measurement]:
    """Forward pass to each layer over the forward pass of the whole network."""
    last = list_layers(config.target.name, config.target.input_size)[-1].name
    inputs = images.contiguous(memory_format=torch.channels_last)

    @torch.no_grad()
    def forward(target: Target) -> None:
        with torch.autocast(device.type, torch.bfloat16):
            target(inputs)

    names = [*config.layers, last]
    targets = [_target(config, name, device) for name in names]
    seconds = alternate([lambda target=target: forward(target) for target in targets], config.rounds, device)  # type: ignore[misc]
    return [
        Measurement.of(
            f"forward to {name}",
            "x",
            divide(row, seconds[-1]),
            f"seconds to {name} over seconds of the whole network ({last})",
            more_is_better=False,
        )
        for name, row in zip(config.layers, seconds, strict=False)
    ]


def inversion(config: BenchConfig, features: list[Tensor], device: torch.device) -> list[Measurement]:
    """Images a second of both operating points of a published inverter."""
    inverter = load_inverter(config.inverter).to(device).eval()
    inverter.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    count = sum(map(len, features))
    generator = torch.Generator().manual_seed(config.seed)

    def mean() -> None:
        with torch.autocast(device.type, torch.bfloat16):
            for batch in features:
                inverter.mean(batch)

    def sample() -> None:
        with torch.autocast(device.type, torch.bfloat16):
            for batch in features:
                inverter.sample(batch, generator=generator)

    spec = inverter.spec
    steps = count_steps(spec.num_inference_steps, spec.strength)
    details = (f"inverter {config.inverter}, one pass", f"inverter {config.inverter}, {steps} denoising steps")
    rows = alternate([mean, sample], config.rounds, device)
    return [
        Measurement.of(name, "images/s", [count / seconds for seconds in row], detail)
        for name, row, detail in zip(("mean", "sample"), rows, details, strict=True)
    ]


def _target(config: BenchConfig, layer: str, device: torch.device) -> Target:
    t = config.target
    same = t if layer == t.layer else replace(t, defence=None)
    return place(load_target(t.name, layer, **load_options(same)), device)
