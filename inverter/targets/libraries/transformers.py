"""``transformers:NAME``."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import nn

from inverter.targets.libraries import LIBRARIES, LoadedNetwork, loading, seeded
from inverter.targets.preprocess import IMAGENET_MEAN, IMAGENET_STD


def load_transformers(name: str, input_size: int | None, pretrained: bool) -> LoadedNetwork:
    """A vision model of transformers, by hub id or folder; of one that also reads text, the half that sees.

    Weights are read from safetensors, as float32, and code that lies beside them is never run. Mean and deviation are
    those of its image processor. A size other than it was trained at interpolates position embeddings, where it can.

    Raises:
        ValueError: There is none of that name, it takes no pictures, or its weights are out of reach.
    """
    from transformers import AutoConfig, AutoModel

    with seeded(), loading(f"transformers:{name}"):
        config = AutoConfig.from_pretrained(name)
        if pretrained:
            network = AutoModel.from_pretrained(name, use_safetensors=True, dtype=torch.float32)
        else:
            network = AutoModel.from_config(config)
    network = getattr(network, "vision_model", network)
    if network.main_input_name != "pixel_values":
        raise ValueError(
            f"target='transformers:{name}' is a {type(network).__name__}, which takes {network.main_input_name}; "
            "allowed: a model that takes pixel_values"
        )
    native = getattr(network.config, "image_size", None) or 224
    native = native if isinstance(native, int) else native[0]
    if input_size not in (None, native) and INTERPOLATE in inspect.signature(network.forward).parameters:
        network.register_forward_pre_hook(_interpolate, with_kwargs=True)
    mean, std = _normalisation(name)
    return LoadedNetwork(f"transformers:{name}", network.eval(), input_size or native, mean, std)


INTERPOLATE = "interpolate_pos_encoding"


def _interpolate(network: nn.Module, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    return args, {**kwargs, INTERPOLATE: True}


def _normalisation(name: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of its image processor; ImageNet's where it has none."""
    from transformers.image_processing_base import ImageProcessingMixin

    try:
        processor, _ = ImageProcessingMixin.get_image_processor_dict(name)
    except (OSError, ValueError):
        processor = {}
    if not processor.get("do_normalize", True):
        return (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    return tuple(processor.get("image_mean") or IMAGENET_MEAN), tuple(processor.get("image_std") or IMAGENET_STD)


LIBRARIES.register("transformers", load_transformers)
