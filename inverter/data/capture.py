"""What the device sends: read from files, or made of pictures one at a time, so that both are the same to the bit."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from inverter.data.feature_files import fitting
from inverter.data.inputs import Input
from inverter.run.seeds import derive_seed
from inverter.targets.target import MultiTarget, Target


@torch.no_grad()
def capture(target: Target | MultiTarget, inputs: Sequence[Input], seed: int) -> dict[str, Tensor]:
    """Features of the inputs by layer, ``(B, *tensor_shape)``, where the target is.

    Args:
        target: As it sends.
        inputs: Pictures or features.
        seed: With an input's key it seeds a noisy payload.
    Raises:
        ValueError: Given features have another shape than the target's, or the payload cannot send a picture's.
    """
    device = target.preprocess.mean.device
    rows: list[dict[str, Tensor]] = []
    for item in inputs:
        if item.features is not None:
            rows.append(
                {
                    layer: fitting(item.features, spec, item.key, stated=item.stated).to(device)
                    for layer, spec in target.specs.items()
                }
            )
        elif item.picture is not None:
            target.seed_payload(derive_seed(seed, item.key, "payload"))
            sent = target.by_layer(item.picture[None].to(device).float() / 255, check=True)
            rows.append({layer: values[0] for layer, values in sent.items()})
    return {layer: torch.stack([row[layer] for row in rows]) for layer in target.layers}
