"""``transformers:NAME``."""

from __future__ import annotations

import inspect
import logging
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from inverter.targets.libraries import LIBRARIES, LoadedNetwork, loading, seeded
from inverter.targets.preprocess import IMAGENET_MEAN, IMAGENET_STD

log = logging.getLogger(__name__)
INTERPOLATE, PROCESSOR = "interpolate_pos_encoding", "preprocessor_config.json"


class Absent(nn.Module):
    """In the place of a part whose weights the checkpoint has not: it has no features."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        raise ValueError(f"the checkpoint holds no weights of {self.name}; allowed: layers in front of it")


def load_transformers(name: str, input_size: int | None, pretrained: bool) -> LoadedNetwork:
    """A vision model of transformers, by hub id or folder; of one that also reads text, the half that sees.

    Weights are read from safetensors, as float32, and code that lies beside them is never run; what the checkpoint has
    no weights of cannot be tapped. Mean and deviation are those of its image processor. A size other than it was
    trained at interpolates position embeddings, where it can.

    Raises:
        ValueError: There is none of that name, it takes no pictures, or its weights are out of reach or incomplete.
    """
    from transformers import AutoConfig, AutoModel

    with seeded(), loading(f"transformers:{name}"):
        config = AutoConfig.from_pretrained(name, trust_remote_code=False)
        if pretrained:
            network, report = AutoModel.from_pretrained(
                name, use_safetensors=True, dtype=torch.float32, trust_remote_code=False, output_loading_info=True
            )
            _leave_out(network, set(report["missing_keys"]))
        else:
            network = AutoModel.from_config(config, trust_remote_code=False)
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
    with loading(f"transformers:{name}"):
        mean, std = _normalisation(name)
    return LoadedNetwork(f"transformers:{name}", network.eval(), input_size or native, mean, std)


def _leave_out(network: nn.Module, missing: set[str]) -> None:
    """Put ``Absent`` in the place of the outermost parts of which every weight is missing.

    Raises:
        ValueError: A part lacks some of its weights.
    """
    for name, module in list(network.named_modules()):
        own = {f"{name}.{key}" for key in module.state_dict()} if name else set()
        if own and own <= missing:
            parent, _, last = name.rpartition(".")
            setattr(network.get_submodule(parent), last, Absent(name))
            missing -= own
    if missing:
        raise ValueError(f"the checkpoint holds no weights of {', '.join(sorted(missing))}")


def _interpolate(network: nn.Module, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    return args, {**kwargs, INTERPOLATE: True}


def _normalisation(name: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of its image processor; ImageNet's, with a warning, where it has none."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import RemoteEntryNotFoundError
    from transformers.image_processing_base import ImageProcessingMixin

    try:
        absent = Path(name).is_dir() and not (Path(name) / PROCESSOR).is_file()
        if not Path(name).is_dir():
            hf_hub_download(name, PROCESSOR)
    except RemoteEntryNotFoundError:
        absent = True
    if absent:
        log.warning("transformers:%s has no %s: its pictures are normalised as ImageNet's", name, PROCESSOR)
        return IMAGENET_MEAN, IMAGENET_STD
    processor, _ = ImageProcessingMixin.get_image_processor_dict(name)
    if not processor.get("do_normalize", True):
        return (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    return tuple(processor.get("image_mean") or IMAGENET_MEAN), tuple(processor.get("image_std") or IMAGENET_STD)


LIBRARIES.register("transformers", load_transformers)
