"""Parts of a prior's folder: read whole or not at all, and written as diffusers' pipelines read them."""

from __future__ import annotations

import copy
import inspect
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from diffusers.schedulers import KarrasDiffusionSchedulers

from inverter.config.parse import parse_json
from inverter.priors.control_pairs import ABOUT, ControlPairs, format_control_pairs
from inverter.priors.index import autoencoder_name, read_index, read_object, reading
from inverter.priors.memory import keep_finite
from inverter.priors.quiet import quiet
from inverter.priors.variant import CONTROL_FOLDER
from inverter.priors.weights import load_pretrained
from inverter.run.files import whole_folder

PROMPTS = "prompts.json"


def load_part(folder: Path, part: str, dtype: torch.dtype = torch.float32) -> Any:
    """A part of the class that ``model_index.json`` names; networks with all weights, on the CPU, in ``dtype``.

    Raises:
        ValueError: It cannot be read, its class is none of the libraries', or weights are pickled or missing.
    """
    index = read_index(folder)
    kind = autoencoder_name(folder, index) if part == "vae" else class_name(folder, index, part)
    with reading(folder / part):
        if "tokenizer" in part:
            return getattr(transformers, kind).from_pretrained(folder / part)
        if part.startswith("text_encoder"):
            return load_pretrained(getattr(transformers, kind), folder / part, dtype=dtype)
        network = getattr(diffusers, kind)
        loaded = load_pretrained(network, folder / part, torch_dtype=dtype, low_cpu_mem_usage=False).to(dtype)
        return keep_finite(loaded) if part == "vae" else loaded


def class_name(folder: Path, index: dict[str, Any], part: str) -> str:
    """Name of the class of a part, one of those that may be loaded.

    Raises:
        ValueError: The index names another.
    """
    named_as = "unet" if part == CONTROL_FOLDER else part
    allowed = CLASSES[named_as.rstrip("_23")]
    match index.get(named_as):
        case [_, str(name)] if name in allowed:
            return name
        case [_, str(name)] if name.removesuffix("Fast") in allowed:
            return name.removesuffix("Fast")
        case named:
            raise ValueError(f"prior {folder}: class of {part} is {named!r}; allowed: {', '.join(allowed)}")


CLASSES = {
    "unet": ("UNet2DConditionModel",),
    "transformer": ("SD3Transformer2DModel",),
    "text_encoder": ("CLIPTextModel", "CLIPTextModelWithProjection", "T5EncoderModel"),
    "tokenizer": ("CLIPTokenizer", "T5Tokenizer"),
}
"""Classes of the parts beside the autoencoder."""


def load_scheduler(folder: Path, **changes: Any) -> diffusers.DDIMScheduler:
    """DDIM with the saved noise schedule, whichever of diffusers' samplers of such a schedule it was saved as.

    Args:
        folder: Of the prior.
        changes: Entries of its config that the family's pipeline sets itself.

    Raises:
        ValueError: A sampler of another kind of schedule, or one that clips what a denoiser says.
    """
    with reading(folder / "scheduler"):
        config = dict(diffusers.DDIMScheduler.load_config(folder / "scheduler"))
        name = config.get("_class_name", "DDIMScheduler")
        if name not in SCHEDULERS:
            raise ValueError(f"its class is {name!r}; allowed: {', '.join(sorted(SCHEDULERS))}")
        for key in ("thresholding", "use_flow_sigmas"):
            if config.get(key):
                raise ValueError(f"{key} is true; allowed: false, as in Stable Diffusion")
        # what a config does not say is as its own class has it, not as DDIM has it
        own = inspect.signature(getattr(diffusers, name).__init__).parameters.items()
        known = {key: value.default for key, value in own if value.default is not value.empty}
        scheduler = diffusers.DDIMScheduler.from_config({**known, **config, "clip_sample": False, **changes})
        if scheduler.config.prediction_type == "epsilon" and not scheduler.alphas_cumprod[-1]:
            raise ValueError(
                "prediction_type is 'epsilon' on a schedule that ends in pure noise, where noise says nothing of the "
                "image; allowed: v_prediction, sample, or rescale_betas_zero_snr=false"
            )
        return scheduler


SCHEDULERS = {member.name for member in KarrasDiffusionSchedulers if not member.name.startswith("EDM")} | {
    "DDPMParallelScheduler",
    "DDIMParallelScheduler",
    "LCMScheduler",
    "TCDScheduler",
}
"""diffusers' samplers of the variance-preserving schedule, which DDIM can take the place of."""


def load_autoencoder(folder: Path) -> diffusers.AutoencoderDC:
    """The autoencoder in ``OUTPUT/vae`` of its training, on the CPU, float32.

    Raises:
        ValueError: No such folder here, another class of autoencoder, or weights that are missing or damaged.
    """
    if not (folder / "config.json").is_file():
        raise ValueError(f"autoencoder {folder} has no config.json; allowed: OUTPUT/vae of train_prior autoencoder")
    kind = read_object(folder / "config.json").get("_class_name")
    with reading(folder):
        if kind != "AutoencoderDC":
            raise ValueError(f"its class is {kind}; allowed: AutoencoderDC")
        with quiet():  # about an entry that is there for diffusers' pipelines
            return load_pretrained(diffusers.AutoencoderDC, folder, torch_dtype=torch.float32, low_cpu_mem_usage=False)


def read_prompts(folder: Path) -> Sequence[str]:
    """Captions that a prior draws well, where it has such a list."""
    path = folder / PROMPTS
    if not path.is_file():
        return ()
    with reading(path):
        prompts = parse_json(path.read_bytes())
        if not isinstance(prompts, list) or not all(isinstance(prompt, str) for prompt in prompts):
            raise ValueError("it holds something else than a list of texts")
        return prompts


def write_control_denoiser(denoiser: Any, folder: Path, pairs: Sequence[ControlPairs] | None = None) -> None:
    """Write a denoiser that obeys features beside those of a prior's folder, in half precision, whole or not at all.

    ``pairs`` are what it learned from; None: not known.
    """
    with whole_folder(folder / CONTROL_FOLDER) as partial:
        copy.deepcopy(denoiser).half().save_pretrained(partial, safe_serialization=True)
        config = json.loads((partial / "config.json").read_text())
        config.pop("_name_or_path", None)
        (partial / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
        if pairs is not None:
            (partial / ABOUT).write_text(format_control_pairs(pairs))


def write_pipeline(pipeline: diffusers.DiffusionPipeline, folder: Path, prompts: Sequence[str]) -> None:
    """Write a pipeline's folder, and the prompts."""
    pipeline.save_pretrained(folder, safe_serialization=True)
    for file in folder.glob("*/config.json"):  # where a part was loaded from is nobody's business
        values = json.loads(file.read_text())
        values.pop("_name_or_path", None)
        if "dtype" in values:  # by which transformers loads the text encoder, diffusers no part
            values["dtype"] = "float32"
        file.write_text(json.dumps(values, indent=2, sort_keys=True) + "\n")
    if prompts:
        (folder / PROMPTS).write_text(json.dumps(list(prompts), indent=0))
