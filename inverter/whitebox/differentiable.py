"""Whether gradients reach the image from the features, which is tried before an attack spends anything."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from inverter.config.errors import is_out_of_memory, one_line
from inverter.targets.shape import join_features, layer_names
from inverter.targets.tap import tap
from inverter.targets.target import MultiTarget, Target


def check_differentiable(target: Target | MultiTarget, image_size: int) -> None:
    """Raise ValueError where features of a layer have no gradient by the image, or one that is 0 everywhere.

    One forward and one backward pass a layer, of one image of noise of ``image_size`` pixels a side.
    """
    mean, size = target.preprocess.mean, (1, 3, image_size, image_size)
    noise = torch.rand(size, generator=torch.Generator().manual_seed(0)).to(mean)
    for layer in target.layers:
        probe = noise.clone().requires_grad_()
        places: list[str] = []
        handles = _watch(target.network, places)
        try:
            with torch.enable_grad():
                names = layer_names(layer)
                features = tap(target.network, names, target.preprocess(probe))
                gradient = _gradient(join_features([features[name] for name in names]), probe)
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise
            why = f"a pass with gradients fails: {one_line(error)}"
        else:
            if gradient is not None and (gradient != 0).any():  # NaN is for the loop to name
                continue
            stop = f"the forward pass stops them {places[0]}" if places else "they end on the way"
            why = stop if gradient is None else "the gradient is 0 everywhere"
        finally:
            for handle in handles:
                handle.remove()
        raise ValueError(
            f"features of {layer} of {target.specs[layer].name} have no gradient by the image, which white-box methods "
            f"need: {why}; allowed: a network without torch.no_grad, inference_mode, detach or rounding up to the layer"
        )


def _gradient(features: Tensor, probe: Tensor) -> Tensor | None:
    if not features.requires_grad:
        return None
    weights = torch.rand(features.shape, generator=torch.Generator().manual_seed(1)).to(features)
    return torch.autograd.grad((features * weights).sum(), probe, allow_unused=True)[0]


def _watch(network: nn.Module, places: list[str]) -> list[Any]:
    """Hooks that note where gradients stop: a layer that is called without them, or that gives an output without."""

    def before(name: str) -> Any:
        def note(module: nn.Module, args: Any) -> None:
            if not torch.is_grad_enabled():
                places.append(f"before {name or 'the network'}, which is called without gradients")

        return note

    def behind(name: str) -> Any:
        def note(module: nn.Module, args: Any, output: Any) -> None:
            given = [value for value in args if isinstance(value, Tensor)]
            if any(value.requires_grad for value in given) and isinstance(output, Tensor) and not output.requires_grad:
                places.append(f"in {name or 'the network'}")

        return note

    handles: list[Any] = []
    for name, module in network.named_modules():
        handles += [module.register_forward_pre_hook(before(name)), module.register_forward_hook(behind(name))]
    return handles
