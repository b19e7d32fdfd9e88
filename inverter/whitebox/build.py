"""From a configuration to an attack and the device that it attacks."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from inverter.blackbox.load import load_inverter
from inverter.blackbox.published import WEIGHTS, Published, names_of, read_published
from inverter.config import TargetConfig
from inverter.data.manifest import Manifest, file_sha256
from inverter.priors.load import load_prior
from inverter.priors.memory import check_memory
from inverter.priors.prior import DiffusionPrior
from inverter.run.device import pick_device, place
from inverter.targets.load import load_options, load_targets
from inverter.targets.spec import TargetSpec, check_same_features
from inverter.targets.target import MultiTarget
from inverter.whitebox.attack import Attack
from inverter.whitebox.config import InvertConfig
from inverter.whitebox.methods import METHODS, settings_of_clips, starts_at_inverter

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Setup:
    """An attack, and what it attacks.

    Args:
        attack: The attacker.
        sender: The network as it sends: with its payload's noise, which the attacker does not know.
        weights: Hashes of all weights that decide what is found.
    """

    attack: Attack
    sender: MultiTarget
    weights: dict[str, str | None]


def build_attack(config: InvertConfig, device: torch.device) -> Setup:
    """Load target, prior and inverter, as far as the method needs them.

    Raises:
        ValueError: An unknown name, or an inverter or manifest of other features that was asked for by name.
    """
    check_memory(config.memory, device, trains=True)
    config, given = settings_of_clips(config), config.target.filled()
    layers = config.layers or [given.layer]
    sender, own = load_devices(given, layers, device)
    spec = sender.specs[layers[0]]
    published = find_inverter(config, spec)
    wants_prior = METHODS[config.method].needs_prior or config.image_size is None
    if published is None and starts_at_inverter(config.method, config):
        log.warning("no published inverter of these features: the search starts without one")
    named_by_file = config.prior is None and published is not None
    prior_name = published.prior if named_by_file and published is not None else config.prior or "embedded"
    prior = place(load_prior(prior_name, config.memory, fetch=not named_by_file), device) if wants_prior else None
    std = {layer: std.to(device) for layer, std in statistics(config, spec, published).items()}
    return Setup(make_attack(config, own, prior, published, std), sender, hashes(spec, prior, published))


def hashes(spec: TargetSpec, prior: DiffusionPrior | None, published: Published | None) -> dict[str, str | None]:
    """SHA-256 of the weights of target, prior and inverter; None where there is none."""
    return {
        **({} if spec.defence is None else {"defence_sha256": spec.defence.sha256}),
        "weights_sha256": spec.weights_sha256,
        "prior_sha256": None if prior is None else prior.weights_sha256,
        "inverter_sha256": None if published is None else file_sha256(published.folder / WEIGHTS),
    }


def load_devices(target: TargetConfig, layers: Sequence[str], device: torch.device) -> tuple[MultiTarget, MultiTarget]:
    """The network as it sends, and the attacker's copy, which does what it knows of the payload and adds no noise.

    The sender keeps its layout, whose features differ from another one's in the last bits: a picture and features that
    :func:`load_target` gave elsewhere are then inverted alike.

    Raises:
        ValueError: An unknown network or layer.
    """

    def load(known: bool) -> MultiTarget:
        return load_targets(target.name, layers, known=known, **load_options(target))

    own = load(known=True)
    return load(known=False).to(device), place(own, device)


def make_attack(
    config: InvertConfig,
    target: MultiTarget,
    prior: DiffusionPrior | None,
    published: Published | None,
    std: Mapping[str, Tensor],
) -> Attack:
    """An attack from parts that are loaded already; of the inverter it loads the weights where the method wants them.

    Args:
        config: Phase and its parameters.
        target: The attacker's copy.
        prior: None where the method needs none.
        published: Inverter of these features, as ``find_inverter`` finds it; None where there is none.
        std: Deviation of each channel by layer.
    """
    inverter = None
    starts = starts_at_inverter(config.method, config)
    if starts and published is not None and (config.inverter or decodes_with(published, prior)):
        inverter = load_inverter(str(published.folder), prior).to(pick_device(config.device))
        prior = inverter.prior  # with the LoRA that tunes it, where there is one
    return Attack(
        config.method,
        target,
        prior,
        config,
        inverter=inverter,
        std=std,
        image_size=config.image_size,
        guidance_scale=1.0 if config.guidance_scale is None else config.guidance_scale,
        seed=config.seed,
    )


def decodes_with(published: Published, prior: DiffusionPrior | None) -> bool:
    """Whether an inverter's latents are those of this prior; that they are another's is logged."""
    same = prior is not None and prior.weights_sha256 == published.prior_sha256
    if not same:
        log.warning("inverter %s was trained with another prior: what it finds is not used", published.folder.name)
    return same


def find_inverter(config: InvertConfig, spec: TargetSpec) -> Published | None:
    """The published inverter that the configuration names, if it inverts the features of ``spec``.

    Where none is named, one called ``LAYER-SIZE`` or ``LAYER`` is taken if it fits.

    Raises:
        ValueError: It was named, and does not exist or inverts other features; or it is damaged.
    """
    if config.inverter is not None:
        published = read_published(config.inverter)
        check_same_features(f"inverter {config.inverter!r}", published.target, spec)
        return published
    reason = "there is none"
    for name in names_of(spec.layer, spec.input_size):
        published = read_published(name)
        try:
            check_same_features(f"inverter {name!r}", published.target, spec)
            return published
        except ValueError as error:
            reason = str(error)
    log.info("%s needs no published inverter of %s and goes on without: %s", config.method, spec.layer, reason)
    return None


def statistics(config: InvertConfig, spec: TargetSpec, published: Published | None) -> dict[str, Tensor]:
    """Deviation of each channel by layer, from where ``loop.statistics`` says; empty: from the features themselves.

    ``auto`` takes those of the published inverter where there is one.

    Raises:
        ValueError: There is no such inverter, or the manifest is of another layer.
    """
    source = config.loop.statistics
    if source == "features" or (source == "auto" and published is None):
        return {}
    if source in ("auto", "inverter"):
        if published is None:
            raise ValueError("loop.statistics is 'inverter', but there is none of these features; allowed: features")
        return {spec.layer: torch.tensor(published.spec.feature_std)} if published.spec.feature_std else {}
    manifest = Manifest.load(source)
    check_same_features(f"loop.statistics={source}", manifest.target, spec)
    return {spec.layer: torch.tensor(manifest.feature_std)}
