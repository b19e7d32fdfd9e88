"""From a configuration to an attack and the device that it attacks."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import torch
from torch import Tensor

from inverter.config import InvertConfig
from inverter.data.manifest import Manifest
from inverter.hub import load_inverter
from inverter.priors.prior import load_prior
from inverter.published import Published, read_published
from inverter.targets.load import load_targets
from inverter.targets.spec import TargetSpec, check_same_features
from inverter.targets.target import MultiTarget
from inverter.whitebox.attack import Attack

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Setup:
    """An attack, and the network as it sends: with its payload's noise, which the attacker does not know."""

    attack: Attack
    sender: MultiTarget


def build_attack(config: InvertConfig, device: torch.device) -> Setup:
    """Load target, prior and inverter, as far as the method needs them.

    The attacker's own copy of the target quantises as the device does and adds none of its noise.

    Raises:
        ValueError: An unknown name, or an inverter or manifest of other features that was asked for by name.
    """
    given = config.target.filled()
    layers = config.layers or [given.layer]
    noisy = given.payload.startswith("gaussian")

    def load(payload: str) -> MultiTarget:
        size, pretrained = given.input_size, given.pretrained
        return load_targets(given.name, layers, input_size=size, payload=payload, pretrained=pretrained).to(device)

    sender = load(given.payload)
    target = load("identity") if noisy else sender
    spec = sender.specs[layers[0]]
    published = find_inverter(config, spec)
    wants_start = config.method == "hybrid" or (config.method == "guided" and config.guided.start == "inverter")
    wants_prior = config.method != "direct" or config.image_size is None
    prior_name = config.prior or (published.prior if published is not None else "embedded")
    prior = load_prior(prior_name).to(device) if wants_prior else None
    align = None
    if wants_start and published is not None:
        align = load_inverter(str(published.folder), prior, sender.specs[layers[0]]).to(device).align
    elif wants_start:
        log.warning("no published inverter of these features: the search starts from the prior's mean latents")
    attack = Attack(
        config.method,
        target,
        prior,
        config,
        align=align,
        std={layer: std.to(device) for layer, std in statistics(config, spec, published).items()},
        image_size=config.image_size,
        guidance_scale=1.0 if config.guidance_scale is None else config.guidance_scale,
        seed=config.seed,
    )
    return Setup(attack, sender)


def find_inverter(config: InvertConfig, spec: TargetSpec) -> Published | None:
    """The published inverter that the configuration names, if it inverts the features of ``spec``.

    Where none is named, the one called as the layer is taken if there is one that fits.

    Raises:
        ValueError: It was named, and does not exist or inverts other features.
    """
    name = config.inverter or spec.layer
    try:
        published = read_published(name)
        check_same_features(f"inverter {name!r}", published.target, spec)
    except ValueError as error:
        if config.inverter is not None:
            raise
        log.info("%s needs no published inverter of %s and goes on without: %s", config.method, spec.layer, error)
        return None
    return published


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
