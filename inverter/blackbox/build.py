"""From a training config and a manifest to a module, and from a run's checkpoint back to it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from inverter.blackbox.fia_flow import SpaceAlignment
from inverter.blackbox.fia_flow_module import FIAFlowModule
from inverter.blackbox.inverter import Inverter
from inverter.blackbox.module import InverterModule
from inverter.blackbox.pair_module import PairModule
from inverter.blackbox.published import split_run
from inverter.blackbox.spec import InverterSpec
from inverter.blackbox.upconv import UpconvDecoder
from inverter.blackbox.upconv_module import UpconvModule
from inverter.config import TrainConfig, read_config
from inverter.data.datamodule import PairDataModule
from inverter.data.manifest import MANIFEST, Manifest
from inverter.data.several import SeveralPairModule
from inverter.priors.load import load_prior
from inverter.priors.prior import DiffusionPrior
from inverter.run.callbacks.made_of import made_of
from inverter.run.checkpoints import load_weights
from inverter.run.device import pick_device, pick_precision

KINDS = ("inverter", "upconv", "fia_flow")


def build_spec(config: TrainConfig, manifest: Manifest, prior: DiffusionPrior) -> InverterSpec:
    """Spec of a fresh inverter for the manifest's features and a prior."""
    model = config.model
    return InverterSpec(
        feature_shape=tuple(manifest.target.feature_shape),
        latent_shape=prior.latent_shape,
        conditioning_shape=prior.conditioning_shape,
        resolution=prior.resolution,
        width=model.width,
        depth=model.depth,
        dropout=model.dropout,
        head_width=model.head_width if model.head else None,
        strength=model.strength,
        num_inference_steps=model.num_inference_steps,
        guidance_scale=model.guidance_scale,
        conditioning=model.conditioning,
        coarse_width=model.coarse_width,
        num_tokens=min(model.num_tokens, prior.conditioning_shape[0]),
        guidance_interval=(model.guidance_interval[0], model.guidance_interval[-1]),
        tune=model.tune,
        rank=model.rank,
        feature_mean=list(manifest.feature_mean),
        feature_std=list(manifest.feature_std),
    )


def build_module(
    config: TrainConfig, manifest: Manifest, also: Sequence[Manifest] = (), *, fetch: bool = True
) -> PairModule:
    """Fresh module of the config's kind; ``also`` are the manifests of further inverters that share the denoiser.

    ``fetch`` is false where others may have written the config: its prior is then not fetched from the hub.

    Raises:
        ValueError: An unknown kind, or a prior that is not the one whose latents the pairs hold.
    """
    if config.model.kind == "upconv":
        decoder = UpconvDecoder(
            tuple(manifest.target.feature_shape), manifest.resolution, manifest.feature_mean, manifest.feature_std
        )
        return UpconvModule(decoder, config.optim, config.seed)
    if config.model.kind not in KINDS:
        raise ValueError(f"model.kind is {config.model.kind!r}; allowed: {', '.join(KINDS)}")
    for key in ("image_every_n_steps", "denoising_every_n_steps"):
        if (every := getattr(config.model, key)) < 1:
            raise ValueError(f"model.{key} is {every}; allowed: 1 or more")
    prior = load_prior(config.prior, fetch=fetch)
    if manifest.latents and manifest.autoencoder_sha256 != prior.autoencoder_sha256:
        raise ValueError(
            f"prior {config.prior!r} has the autoencoder {prior.autoencoder_sha256[:12]}, but the pairs' latents were "
            f"made with {str(manifest.autoencoder_sha256)[:12]} ({manifest.prior!r}); use that prior or prepare again"
        )
    if manifest.resolution != prior.resolution:
        raise ValueError(f"pairs have {manifest.resolution} px; prior {config.prior!r} works at {prior.resolution} px")
    if config.model.kind == "fia_flow":
        alignment = SpaceAlignment(
            tuple(manifest.target.feature_shape),
            prior.latent_shape,
            feature_mean=manifest.feature_mean,
            feature_std=manifest.feature_std,
        )
        return FIAFlowModule(alignment, prior, config.optim, config.seed)
    if prior.few_step and config.model.denoising_weight:
        raise ValueError(
            f"prior {config.prior!r} draws in few steps, and has no denoising loss; allowed: the base, or "
            "model.denoising_weight=0"
        )
    specs = [build_spec(config, each, prior) for each in (manifest, *also)]
    return InverterModule(specs, config.model, config.optim, prior, config.seed)


def build_data(config: TrainConfig) -> PairDataModule:
    """Pairs that the config trains on: stored ones, or with ``data.images`` such as the target makes in the loop.

    Raises:
        ValueError: Pairs are missing, or come from another target or layer than the config says.
    """
    data, target = config.data, config.target
    train, dev = (f"{data.path.rstrip('/')}/{split}" for split in ("train", "dev"))
    check_target(config, Manifest.load(train))
    if data.also:
        if data.images is not None:
            raise ValueError(
                "data.also and data.images are both given; allowed: stored pairs of several layers, or one"
            )
        folders, options = [data.path, *data.also], (data.batch_size, data.num_workers, config.seed, data.limit)
        return SeveralPairModule(folders, data.shares, *options, data.pin_memory)
    if data.images is None:
        return PairDataModule(train, dev, data.batch_size, data.num_workers, config.seed, data.limit, data.pin_memory)
    from inverter.data.online import OnlinePairModule  # stored pairs are trained on without the target's package
    from inverter.targets import load_target

    loaded = load_target(
        target.name, target.layer, input_size=target.input_size, payload=target.payload, pretrained=target.pretrained
    )
    bf16 = pick_precision(config.optim.precision, pick_device(config.trainer.device), "optim.precision") == "bf16"
    return OnlinePairModule(
        data.images,
        loaded,
        train,
        dev,
        data.batch_size,
        data.num_workers,
        config.seed,
        data.limit,
        bf16,
        data.pin_memory,
    )


def check_target(config: TrainConfig, manifest: Manifest) -> None:
    """Raise when the shards were made from another target or layer than the config names."""
    for key in ("name", "layer", "input_size", "payload"):
        wanted, found = getattr(config.target, key), getattr(manifest.target, key)
        if wanted != found:
            raise ValueError(
                f"target.{key} is {wanted!r}, but the pairs in {config.data.path} were made with {found!r}; "
                f"set target.{key}={found} or prepare other pairs"
            )


def load_run(folder: Path) -> tuple[PairModule, TrainConfig, Manifest]:
    """The best state of a training run, its config and the manifest of the pairs that it was trained on.

    Weights are those that publishing writes, so rounded to half precision. ``RUN/also-1`` is the second inverter of a
    run that trained several.

    Raises:
        ValueError: The folder holds no finished training run, or the prior is not the one that it was trained with.
    """
    run, number = split_run(folder)
    checkpoint = run / "checkpoints" / "best.ckpt"
    if not all(path.is_file() for path in (run / "train.yaml", run / MANIFEST, checkpoint)):
        raise ValueError(f"{run} is no training run; it needs train.yaml, {MANIFEST} and checkpoints/best.ckpt")
    config = read_config(TrainConfig, run / "train.yaml")
    manifests = [Manifest.load(each) for each in (run, *also_folders(run, config))]
    if number >= len(manifests):
        raise ValueError(f"{folder} is no inverter of {run}, which trained {len(manifests)}")
    module = build_module(config, manifests[0], manifests[1:], fetch=False)
    check_prior(module, made_of(load_weights(module, checkpoint)), run)
    round_to_half(module)
    if isinstance(module, InverterModule):
        module.number = number
    return module.eval(), config, manifests[number]


def data_of(folder: Path, config: TrainConfig) -> Path:
    """Folder of the pairs that the inverter in a run's folder was trained on."""
    return Path([config.data.path, *config.data.also][split_run(folder)[1]])


@torch.no_grad()
def round_to_half(module: nn.Module) -> None:
    """Round trained weights to half precision, in which they are published, and keep them in float32."""
    for name, parameter in module.named_parameters():
        rounded = parameter.half().float()
        if not rounded.isfinite().all():
            raise ValueError(f"weight {name} reaches {parameter.abs().max():g}, float16 ends at 65504; train again")
        parameter.copy_(rounded)


def also_folders(run: Path, config: TrainConfig) -> list[Path]:
    """Where a run keeps the manifests of ``data.also``."""
    return [run / f"also-{number}" for number, _ in enumerate(config.data.also, 1)]


def check_prior(module: PairModule, trained_with: str | None, run: Path) -> None:
    """Raise ValueError where an inverter's prior is another one than it was trained with; None says nothing of it."""
    prior = module.inverter.prior if isinstance(module, InverterModule) else None
    if prior is not None and trained_with not in (None, prior.weights_sha256):
        raise ValueError(
            f"prior {prior.name!r} has weights {prior.weights_sha256[:12]}, but {run} was trained with "
            f"{str(trained_with)[:12]}; put those back, or train again"
        )


def run_inverter(module: PairModule) -> Inverter:
    """The inverter of a run; a baseline has none."""
    if not isinstance(module, InverterModule):
        raise ValueError("the run trained a baseline; only model.kind=inverter can be used here")
    return module.inverter
