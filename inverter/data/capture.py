"""What the device sends: read from files, or made of pictures one at a time, so that both are the same to the bit."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from inverter.data.inputs import Input
from inverter.run.seeds import derive_seed
from inverter.targets.target import MultiTarget, Target


@torch.no_grad()
def capture(target: Target | MultiTarget, inputs: Sequence[Input], seed: int) -> dict[str, Tensor]:
    """Features of the inputs by layer, ``(B, *feature_shape)``, where the target is.

    Args:
        target: As it sends.
        inputs: Pictures or features.
        seed: With an input's key it seeds a noisy payload.
    Raises:
        ValueError: Given features have another shape than the target's.
    """
    device = target.preprocess.mean.device
    rows: list[dict[str, Tensor]] = []
    for item in inputs:
        if item.features is not None:
            rows.append(
                {
                    layer: fitting(values, target.specs[layer].feature_shape, item.key, layer).to(device)
                    for layer, values in item.features.items()
                }
            )
        elif item.picture is not None:
            target.seed_payload(derive_seed(seed, item.key, "payload"))
            sent = target.by_layer(item.picture[None].to(device).float() / 255)
            rows.append({layer: values[0] for layer, values in sent.items()})
    return {layer: torch.stack([row[layer] for row in rows]) for layer in target.layers}


def fitting(features: Tensor, shape: tuple[int, ...], key: str, layer: str) -> Tensor:
    """An image's features; a batch of one image counts as the image.

    Args:
        features: As they were read.
        shape: What the layer gives for one image.
        key: Names the image, for messages.
        layer: Likewise.
    Raises:
        ValueError: They have another shape.
    """
    found = tuple(features.shape)
    if found == (1, *shape):
        return features[0]
    if found != shape:
        advice = "; save features[0], features[1] and so on in a file each" if found[1:] == shape else ""
        raise ValueError(f"features of {key!r} have shape {found}; {layer} gives {shape}{advice}")
    return features
