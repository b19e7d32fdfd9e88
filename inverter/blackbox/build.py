"""From a training config and a manifest to a module, and from a run's checkpoint back to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import torch
from torch import nn

from inverter.blackbox.config import TrainConfig
from inverter.blackbox.inverter import Inverter
from inverter.blackbox.models import MODELS
from inverter.blackbox.modules.inverter import InverterModule
from inverter.blackbox.modules.surrogate import Surrogate, SurrogateModule
from inverter.blackbox.pair_module import PairModule
from inverter.blackbox.pairs_prior import load_pairs_prior
from inverter.blackbox.published import split_run
from inverter.config import MemoryConfig, config_of, read_config
from inverter.data.datamodule import PairDataModule
from inverter.data.manifest import MANIFEST, Manifest
from inverter.data.several import SeveralPairModule
from inverter.payloads import same_payload
from inverter.run.callbacks.weights_hash import weights_hash
from inverter.run.checkpoints import fill_weights, load_weights, read_checkpoint
from inverter.run.device import pick_device, pick_precision
from inverter.targets.defence import check_same_defence
from inverter.targets.spec import TargetSpec, check_same_features


def build_module(
    config: TrainConfig, manifest: Manifest, also: Sequence[Manifest] = (), *, fetch: bool = True
) -> PairModule:
    """Fresh module of the config's kind; ``also`` are the manifests of further inverters that share the denoiser.

    ``fetch`` is false where others may have written the config: its prior is then not fetched from the hub.

    Raises:
        ValueError: An unknown kind, or a value that it does not allow.
    """
    manifests = (manifest, *also)
    prior = partial(load_pairs_prior, config, manifest, fetch=fetch)
    module = MODELS[config.model.kind].build(config, manifests, prior)
    plain = {"config": asdict(config), "manifests": [each.to_dict() for each in manifests]}
    module.save_hyperparameters(plain, logger=False)
    return module


def load_checkpoint(path: Path) -> PairModule:
    """The module of a checkpoint, made anew from its hyper-parameters, with the averaged weights.

    Raises:
        ValueError: It cannot be read, keeps no hyper-parameters, or was trained with another prior than is here.
    """
    checkpoint = read_checkpoint(path)
    values = checkpoint.get("hyper_parameters")
    if not isinstance(values, dict) or values.keys() != {"config", "manifests"}:
        raise ValueError(f"checkpoint {path} keeps no hyper-parameters; load its run instead")
    manifests = [Manifest.from_dict(each) for each in values["manifests"]]
    module = build_module(config_of(TrainConfig, values["config"]), manifests[0], manifests[1:], fetch=False)
    fill_weights(module, checkpoint, path)
    check_prior(module, weights_hash(checkpoint), path)
    return module.eval()


def build_data(config: TrainConfig) -> PairDataModule:
    """Pairs that the config trains on: stored ones, or with ``data.images`` such as the target makes in the loop.

    Raises:
        ValueError: Pairs are missing, or come from another target or layer than the config says.
    """
    data, target = config.data, config.target
    train, dev = (f"{data.path.rstrip('/')}/{split}" for split in ("train", "dev"))
    manifest = Manifest.load(train)
    check_target(config, manifest)
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
        target.name,
        target.layer,
        input_size=target.input_size,
        payload=manifest.target.payload,
        pretrained=target.pretrained,
        defence=target.defence,
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
        wanted, actual = getattr(config.target, key), getattr(manifest.target, key)
        if wanted != actual and not (key == "payload" and same_payload(wanted, actual)):
            raise ValueError(
                f"target.{key} is {wanted!r}, but the pairs in {config.data.path} were made with {actual!r}; "
                f"set target.{key}={actual} or prepare other pairs"
            )
    check_same_defence(
        f"the pairs in {config.data.path} were made with", config.target.defence, manifest.target.defence
    )


def load_run(folder: Path, memory: MemoryConfig | None = None) -> tuple[PairModule, TrainConfig, Manifest]:
    """The best state of a training run, its config and the manifest of the pairs that it was trained on.

    Weights are those that publishing writes, so rounded to half precision. ``RUN/also-1`` is the second inverter of a
    run that trained several. ``memory`` is what its prior may take; None is as it was trained.

    Raises:
        ValueError: The folder holds no finished training run, or the prior is not the one that it was trained with.
    """
    run, number = split_run(folder)
    checkpoint = run / "checkpoints" / "best.ckpt"
    if not all(path.is_file() for path in (run / "train.yaml", run / MANIFEST, checkpoint)):
        raise ValueError(f"{run} is no training run; it needs train.yaml, {MANIFEST} and checkpoints/best.ckpt")
    config = read_config(TrainConfig, run / "train.yaml")
    config = config if memory is None else replace(config, memory=memory)
    manifests = run_manifests(run, config)
    if number >= len(manifests):
        raise ValueError(f"{folder} is no inverter of {run}, which trained {len(manifests)}")
    module = build_module(config, manifests[0], manifests[1:], fetch=False)
    check_prior(module, weights_hash(load_weights(module, checkpoint)), run)
    round_to_half(module)
    if isinstance(module, InverterModule):
        module.number = number
    return module.eval(), config, manifests[number]


def data_of(folder: Path, config: TrainConfig) -> Path:
    """Folder of the pairs that the inverter in a run's folder was trained on."""
    return Path([config.data.path, *config.data.also][split_run(folder)[1]])


@torch.no_grad()
def round_to_half(module: nn.Module) -> None:
    """Round trained weights to half precision, in which they are published, and keep them in float32.

    Those of a prior that was not trained along stay as its folder has them.
    """
    for name, parameter in module.named_parameters():
        if not parameter.requires_grad:
            continue
        rounded = parameter.half().float()
        if not rounded.isfinite().all():
            raise ValueError(f"weight {name} reaches {parameter.abs().max():g}, float16 ends at 65504; train again")
        parameter.copy_(rounded)


def run_manifests(folder: Path, config: TrainConfig) -> list[Manifest]:
    """Manifests of all inverters of a run, of which the folder may be one."""
    run = split_run(folder)[0]
    return [Manifest.load(each) for each in (run, *also_folders(run, config))]


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
        raise ValueError(f"the run has model.kind={module.kind}; only model.kind=inverter can be used here")
    return module.inverter


def load_baseline(run: Path, target: TargetSpec, memory: MemoryConfig | None = None) -> PairModule:
    """What reconstructs in a run of a baseline on features of ``target``.

    Raises:
        ValueError: It is of other features, or trained a surrogate.
    """
    module, _, manifest = load_run(run, memory)
    check_same_features(f"baseline {str(run)!r}", manifest.target, target)
    if not module.draws:
        raise ValueError(f"baseline {str(run)!r} has model.kind={module.kind}; allowed: one that reconstructs")
    return module


def load_surrogate(run: Path, target: TargetSpec) -> Surrogate:
    """The network of a run with ``model.kind=surrogate`` on features of ``target``.

    Raises:
        ValueError: It is of other features, or trained something else.
    """
    module, _, manifest = load_run(run)
    check_same_features(f"surrogate {str(run)!r}", manifest.target, target)
    if not isinstance(module, SurrogateModule):
        raise ValueError(f"surrogate {str(run)!r} has model.kind={module.kind}; allowed: surrogate")
    return module.surrogate
