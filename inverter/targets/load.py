"""Networks by name (timm, torchvision, a factory of your own) or as a module, and targets made of them."""

import difflib
import importlib
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from inverter.config.errors import one_line, raise_if_out_of_memory
from inverter.targets.duplicate import copy_network
from inverter.targets.eager import eager
from inverter.targets.efficientnet_lite import PACKAGES, load_lite_weights
from inverter.targets.preprocess import IMAGENET_MEAN, IMAGENET_STD
from inverter.targets.shape import JOINT
from inverter.targets.spec import TargetSpec
from inverter.targets.target import MultiTarget, Target

log = logging.getLogger(__name__)
ALLOWED = "timm:NAME, torchvision:NAME, module:package.module:factory or an nn.Module"


@dataclass(frozen=True)
class LoadedNetwork:
    """A network and how it wants its images: side in pixels, and mean and deviation for images in [0, 1]."""

    name: str
    network: nn.Module
    input_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def image_options(
        self, input_size: int, mean: Sequence[float] | None, std: Sequence[float] | None
    ) -> dict[str, Any]:
        """What a target is built with beside the network and its layers; None takes the network's own."""
        mean, std = self.mean if mean is None else mean, self.std if std is None else std
        return {"name": self.name, "input_size": input_size, "mean": mean, "std": std}


def load_target(
    target: str | nn.Module,
    layer: str | Sequence[str] | None = None,
    *,
    input_size: int = 224,
    payload: str = "identity",
    pretrained: bool = True,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    payload_seed: int = 0,
) -> Target:
    """Load a frozen network tapped at a layer.

    Args:
        target: ``timm:NAME``, ``torchvision:NAME``, ``module:package.module:factory`` (a function without arguments)
            or an ``nn.Module``, which is copied.
        layer: Dotted name as in ``named_modules()``; several, as a sequence or joined by ``+``, are tapped in one pass
            and travel as one. Without one the error names the network's outermost layers.
        input_size: Side in pixels of the square that the network sees.
        payload: What travels: ``identity``, ``int8`` or ``gaussian:STD``.
        pretrained: Load trained weights; ``False`` gives random ones, always the same. Factories and modules bring
            their own.
        mean: One number a colour channel for images in [0, 1]; ``None`` takes the network's own (0 for modules).
        std: Likewise (1 for modules).
        payload_seed: Seeds the noise of ``gaussian``.
    Raises:
        ValueError: Unknown network, layer or payload, an input size the network cannot take, or weights out of reach.
    """
    loaded = load_network(target, input_size=input_size, pretrained=pretrained and layer is not None)
    if layer is None:
        names = ", ".join(name for name, _ in loaded.network.named_children())
        raise ValueError(f"layer is None; allowed: {names}, or one inside of these; list_layers({target!r}) lists all")
    options = loaded.image_options(input_size, mean, std)
    layer = layer if isinstance(layer, str) else JOINT.join(layer)
    return Target(loaded.network, layer, payload=payload, payload_seed=payload_seed, **options)


def load_targets(
    target: str | nn.Module,
    layers: Sequence[str],
    *,
    input_size: int = 224,
    payload: str = "identity",
    pretrained: bool = True,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    payload_seed: int = 0,
) -> MultiTarget:
    """Load a frozen network tapped at several layers, which one forward pass reads.

    Args:
        layers: Dotted names, or several joined by ``+``, none twice; the others are those of :func:`load_target`.
    Raises:
        ValueError: As :func:`load_target`; or there is no layer, or one is given twice.
    """
    loaded = load_network(target, input_size=input_size, pretrained=pretrained)
    options = loaded.image_options(input_size, mean, std)
    return MultiTarget(loaded.network, layers, payload=payload, payload_seed=payload_seed, **options)


def load_network(target: str | nn.Module, *, input_size: int | None = None, pretrained: bool = True) -> LoadedNetwork:
    """Load a whole network in eval mode; ``input_size`` is the size meant for it, ``None`` the one it was trained at.

    Raises:
        ValueError: ``target`` is of none of the allowed forms, unknown, or its weights are out of reach.
    """
    if isinstance(target, nn.Module):
        network = copy_network(target)
        return _own(type(network).__name__, network, input_size)
    source, _, name = str(target).partition(":")
    loaders: dict[str, Callable[[str, int | None, bool], LoadedNetwork]] = {
        "timm": _load_timm,
        "torchvision": _load_torchvision,
        "module": _load_factory,
    }
    if source not in loaders or not name:
        raise ValueError(f"target={target!r} must be {ALLOWED}")
    return loaders[source](name, input_size, pretrained)


def _load_timm(name: str, input_size: int | None, pretrained: bool) -> LoadedNetwork:
    import timm
    from timm.data import resolve_model_data_config

    if not timm.is_model(name):
        raise _unknown("timm", name, timm.list_models())
    packaged = pretrained and name in PACKAGES
    with _loading(f"timm:{name}"):
        config = timm.get_pretrained_cfg(name, allow_unregistered=False)
    native = config.input_size[-1] if config is not None else 224
    fixed = config is not None and config.fixed_input_size and input_size not in (None, native)
    options: dict[str, Any] = {"img_size": input_size} if fixed else {}
    with _seeded(), _loading(f"timm:{name}"):
        network = timm.create_model(name, pretrained=pretrained and not packaged, **options)
    if packaged:
        load_lite_weights(network, name)
    data = resolve_model_data_config(network)
    return LoadedNetwork(f"timm:{name}", network.eval(), input_size or native, tuple(data["mean"]), tuple(data["std"]))


def _load_torchvision(name: str, input_size: int | None, pretrained: bool) -> LoadedNetwork:
    from torchvision import models

    detectors, segmenters = (models.list_models(module=zoo) for zoo in (models.detection, models.segmentation))
    known = [*models.list_models(module=models), *detectors, *segmenters]
    if name not in known:
        raise _unknown("torchvision", name, known)
    options = {"weights_backbone": None} if name in (*detectors, *segmenters) else {}  # else fetched although random
    with _seeded(), _loading(f"torchvision:{name}"):
        network = models.get_model(name, weights="DEFAULT" if pretrained else None, **options)
    transforms = models.get_model_weights(name).DEFAULT.transforms()
    size = input_size or getattr(transforms, "crop_size", [224])[0]
    mean = tuple(getattr(transforms, "mean", IMAGENET_MEAN))
    std = tuple(getattr(transforms, "std", IMAGENET_STD))
    if name in detectors:  # they normalise by themselves, and resize and pad unless told not to
        network.transform.fixed_size, network.transform.size_divisible = (size, size), 1
        mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    return LoadedNetwork(f"torchvision:{name}", network.eval(), size, mean, std)


def _load_factory(name: str, input_size: int | None, pretrained: bool) -> LoadedNetwork:
    module_name, _, factory_name = name.partition(":")
    try:
        factory = getattr(importlib.import_module(module_name), factory_name)
        with _seeded():
            network = factory()
    except Exception as error:  # code of the user's own can fail with anything
        raise_if_out_of_memory(error, f"target='module:{name}'")
        raise ValueError(
            f"target='module:{name}' must be module:package.module:factory, importable from here (its folder in "
            f"PYTHONPATH), the factory callable without arguments: {type(error).__name__}: {one_line(error)}"
        ) from error
    if not isinstance(network, nn.Module):
        raise ValueError(f"target='module:{name}': the factory must return an nn.Module, got {type(network).__name__}")
    return _own(f"module:{name}", eager(network), input_size)


def _own(name: str, network: nn.Module, input_size: int | None) -> LoadedNetwork:
    return LoadedNetwork(name, network.eval(), input_size or 224, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


@contextmanager
def _seeded() -> Iterator[None]:
    """Random weights are the same each time, and the caller's random numbers are left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        yield


@contextmanager
def _loading(target: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # the libraries' downloads fail with errors of many packages
        raise_if_out_of_memory(error, f"target={target!r}")
        raise ValueError(
            f"target={target!r} cannot be built here ({type(error).__name__}: {error}); without access to its trained "
            "weights use pretrained=False"
        ) from error


def _unknown(source: str, name: str, known: Sequence[str]) -> ValueError:
    nearest = difflib.get_close_matches(name, known, n=5, cutoff=0.0)
    return ValueError(f"target='{source}:{name}' is unknown; the nearest names are {', '.join(nearest)}")


def load_same_target(
    spec: TargetSpec, named: str, device: torch.device | str = "cpu", *, pretrained: bool = True
) -> Target | None:
    """The target that ``spec`` describes; None, with a warning, where it cannot be had or has other weights.

    A spec may come from somebody else's file, so ``module:`` factories are only called when ``named``, what the user
    gave, is the same. ``pretrained=False`` builds the random weights that ``load_target`` would.
    """
    if spec.name.startswith("module:") and spec.name != named:
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
        )
    except ValueError as error:
        log.warning("target %s is not at hand: %s", spec.name, error)
        return None
    if target.spec.weights_sha256 != spec.weights_sha256:
        log.warning("target %s at hand has other weights than the pairs were made with", spec.name)
        return None
    return target.to(device)
