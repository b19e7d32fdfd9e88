"""Networks by name (of a library, or a factory of your own) or as a module, and targets made of them."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from inverter.config import NetworkConfig
from inverter.config.arguments import whole_number
from inverter.payloads import make_payload
from inverter.targets.defence import check_same_defence
from inverter.targets.defended import apply_defence
from inverter.targets.duplicate import copy_network
from inverter.targets.libraries import LIBRARIES, LoadedNetwork, own_network
from inverter.targets.shape import JOINT
from inverter.targets.spec import TargetSpec
from inverter.targets.target import MultiTarget, Target

log = logging.getLogger(__name__)
ALLOWED = "timm:NAME, torchvision:NAME, transformers:NAME, module:package.module:factory or an nn.Module"


def load_target(
    target: str | nn.Module,
    layer: str | Sequence[str] | None = None,
    *,
    input_size: int = 224,
    payload: str | Sequence[str] = "identity",
    pretrained: bool = True,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    payload_seed: int = 0,
    defence: str | None = None,
) -> Target:
    """Load a frozen network tapped at a layer.

    Args:
        target: ``timm:NAME``, ``torchvision:NAME``, ``transformers:NAME`` (a hub id or folder),
            ``module:package.module:factory`` (a function without arguments) or an ``nn.Module``, which is copied.
        layer: Dotted name as in ``named_modules()``; several, as a sequence or joined by ``+``, are tapped in one pass
            and travel as one. Without one the error names the network's outermost layers.
        input_size: Side in pixels of the square that the network sees.
        payload: What travels, such as ``identity``, ``int8`` or ``gaussian:STD``; several, as a sequence or joined by
            ``+``, are applied in this order. docs/payloads.md lists them.
        pretrained: Load trained weights; ``False`` gives random ones, always the same. Factories and modules bring
            their own.
        mean: One number a colour channel for images in [0, 1]; ``None`` takes the network's own (0 for modules).
        std: Likewise (1 for modules).
        payload_seed: Seeds the noise of payloads that draw.
        defence: Folder of a trained defence, whose device's half sends the features; ``None``: undefended.
    Raises:
        ValueError: Unknown network, layer or payload, an input size the network cannot take, weights out of reach, or
            a defence that is of another target, damaged or edited.
    """
    loaded = load_network(target, input_size=input_size, pretrained=pretrained and layer is not None)
    if layer is None:
        names = ", ".join(name for name, _ in loaded.network.named_children())
        raise ValueError(f"layer is None; allowed: {names}, or one inside of these; list_layers({target!r}) lists all")
    options = loaded.image_options(input_size, mean, std)
    layer = JOINT.join(_names("layer", layer))
    defended = None if defence is None else apply_defence(loaded, [layer], input_size, defence)
    return Target(loaded.network, layer, payload=payload, payload_seed=payload_seed, defended=defended, **options)


def load_targets(
    target: str | nn.Module,
    layers: Sequence[str],
    *,
    input_size: int = 224,
    payload: str | Sequence[str] = "identity",
    pretrained: bool = True,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    payload_seed: int = 0,
    defence: str | None = None,
    known: bool = False,
) -> MultiTarget:
    """Load a frozen network tapped at several layers, which one forward pass reads.

    Args:
        layers: Dotted names, or several joined by ``+``, none twice; the others are those of :func:`load_target`.
        known: Of payload and defence only what an attacker can do to features too, so without their noise.
    Raises:
        ValueError: As :func:`load_target`; or there is no layer, or one is given twice.
    """
    layers = _names("layers", layers)
    loaded = load_network(target, input_size=input_size, pretrained=pretrained)
    options = loaded.image_options(input_size, mean, std)
    defended = None if defence is None else apply_defence(loaded, layers, input_size, defence)
    if known:
        payload = make_payload(payload).known
        defended = defended and replace(defended, payload=make_payload(defended.payload).known)
    return MultiTarget(loaded.network, layers, payload=payload, payload_seed=payload_seed, defended=defended, **options)


def _names(what: str, layers: str | Sequence[str]) -> list[str]:
    """Dotted names, one or several.

    Raises:
        ValueError: Something else than text.
    """
    names = [layers] if isinstance(layers, str) else list(layers) if isinstance(layers, Sequence) else [layers]
    if not all(isinstance(name, str) for name in names):
        raise ValueError(f"{what}={layers!r}; allowed: a dotted name, as in named_modules(), or several")
    return names


def load_options(config: NetworkConfig) -> dict[str, Any]:
    """Keywords that a configuration means for :func:`load_target` and :func:`load_targets`."""
    return {
        "input_size": config.input_size,
        "payload": config.payload,
        "pretrained": config.pretrained,
        "defence": config.defence,
    }


def load_network(target: str | nn.Module, *, input_size: int | None = None, pretrained: bool = True) -> LoadedNetwork:
    """Load a whole network in eval mode; ``input_size`` is the size meant for it, ``None`` the one it was trained at.

    Raises:
        ValueError: ``target`` is of none of the allowed forms, unknown, or its weights are out of reach.
    """
    input_size = None if input_size is None else whole_number("input_size", input_size)
    if isinstance(target, nn.Module):
        network = copy_network(target)
        return own_network(type(network).__name__, network, input_size)
    if not isinstance(target, str):
        raise ValueError(f"target is a {type(target).__name__}; allowed: {ALLOWED}")
    source, _, name = target.partition(":")
    if source not in LIBRARIES.names() or not name:
        raise ValueError(f"target={target!r} must be {ALLOWED}")
    return LIBRARIES[source](name, input_size, pretrained)


def load_same_target(
    spec: TargetSpec,
    named: str,
    device: torch.device | str = "cpu",
    *,
    pretrained: bool = True,
    defence: str | None = None,
) -> Target | None:
    """The target that ``spec`` describes; None, with a warning, where it cannot be had or has other weights.

    A spec may come from somebody else's file, so ``module:`` factories are only called, and repositories of
    ``transformers:`` only fetched, when ``named``, what the user gave, is the same. ``pretrained=False`` builds the
    random weights that ``load_target`` would. A defended target needs the folder of its ``defence``.

    Raises:
        ValueError: ``defence`` is another one than the spec's.
    """
    if defence is not None:
        check_same_defence("the features are those of", defence, spec.defence)
    elif spec.defence is not None:
        log.warning("target %s is defended: give the folder of %s as target.defence", spec.name, spec.defence)
        return None
    if spec.name.startswith(("module:", "transformers:")) and spec.name != named:
        log.warning("target %s is not built: give target.name=%s to allow it", spec.name, spec.name)
        return None
    try:
        target = load_target(
            spec.name,
            spec.layer,
            input_size=spec.input_size,
            payload=spec.payload,
            pretrained=pretrained,
            mean=spec.preprocessing["mean"],
            std=spec.preprocessing["std"],
            defence=defence,
        )
    except ValueError as error:
        log.warning("target %s is not at hand: %s", spec.name, error)
        return None
    if target.spec.weights_sha256 != spec.weights_sha256:
        log.warning("target %s at hand has other weights than the pairs were made with", spec.name)
        return None
    return target.to(device)
