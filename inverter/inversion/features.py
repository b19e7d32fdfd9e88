"""Features that ``invert`` is given: read from files, or made by the target from pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from inverter.data.capture import capture
from inverter.data.feature_files import NAMES, fitting
from inverter.data.inputs import Input, batches, read_inputs
from inverter.targets.load import load_same_target
from inverter.targets.spec import TargetSpec
from inverter.whitebox.config import InvertConfig


def sent_features(
    config: InvertConfig, spec: TargetSpec, resolution: int, device: torch.device
) -> Iterator[tuple[list[Input], Tensor]]:
    """Inputs and what arrives of each, a batch at a time.

    Args:
        config: Of the run.
        spec: Target of the inverter.
        resolution: Side in pixels that pictures are read at.
        device: Where the target runs and features go.
    Yields:
        The inputs and their features ``(B, *spec.tensor_shape)``.
    Raises:
        ValueError: An input cannot be read, features do not fit, or a picture's target is not at hand.
    """
    inputs = read_inputs(Path(config.input), [spec.layer], resolution, config.video, config.feature_axes)
    target = None
    for group in batches(inputs, config.batch_size, config.limit):  # a folder may not fit into memory
        given = [
            fitting(item.features, spec, item.key, stated=item.stated) for item in group if item.features is not None
        ]
        if given:
            yield group, torch.stack(given).to(device)
            continue
        if target is None:
            known = config.target
            target = load_same_target(
                spec, known.name or "", device, pretrained=known.pretrained, defence=known.defence
            )
        if target is None:
            raise ValueError(f"input is a picture, but {spec.name!r} is not at hand; give features ({NAMES})")
        yield group, capture(target, group, config.seed)[spec.layer]
