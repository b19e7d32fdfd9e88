"""Parts of a prior's folder: read whole or not at all, and written as diffusers' pipelines read them."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from torch import nn

from inverter.priors.index import autoencoder_name, read_index, read_object, reading
from inverter.priors.quiet import quiet
from inverter.priors.variant import CONTROL_FOLDER
from inverter.run.files import whole_folder
from inverter.run.parse import parse_json

PROMPTS = "prompts.json"


def load_part(folder: Path, part: str) -> Any:
    """A part of the class that ``model_index.json`` names; networks with all of their weights, on the CPU, float32.

    Raises:
        ValueError: It cannot be read, its class is none of the libraries', or weights are pickled or missing.
    """
    index = read_index(folder)
    kind = autoencoder_name(folder, index) if part == "vae" else class_name(folder, index, part)
    with reading(folder / part):
        if "tokenizer" in part:
            return getattr(transformers, kind).from_pretrained(folder / part)
        if part.startswith("text_encoder"):
            return load_weights(getattr(transformers, kind), folder / part, dtype=torch.float32)
        network = getattr(diffusers, kind)
        return load_weights(network, folder / part, torch_dtype=torch.float32, low_cpu_mem_usage=False)


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


def load_weights(part: Any, folder: Path, **options: Any) -> nn.Module:
    """A network with all of its weights; the libraries would fill missing ones with random numbers."""
    options |= {"use_safetensors": True, "output_loading_info": True, "ignore_mismatched_sizes": True}
    module, report = part.from_pretrained(folder, **options)
    for problem in ("missing", "mismatched"):
        if keys := sorted(map(str, report[f"{problem}_keys"])):
            raise ValueError(f"{len(keys)} {problem} weights, such as {keys[0]}")
    return module


def load_scheduler(folder: Path) -> diffusers.DDIMScheduler:
    """DDIM with the saved noise schedule; other schedulers' configs lack ``clip_sample``, which DDIM would turn on."""
    with reading(folder / "scheduler"):
        config = diffusers.DDIMScheduler.load_config(folder / "scheduler")
        return diffusers.DDIMScheduler.from_config({"clip_sample": False, **config})


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
            return load_weights(diffusers.AutoencoderDC, folder, torch_dtype=torch.float32, low_cpu_mem_usage=False)


def folder_sha256(folder: Path, parts: Sequence[str]) -> str:
    """SHA-256 over the weight files of some parts of a prior, in the order of their names; hidden ones are partial."""
    digest = hashlib.sha256()
    for part in parts:
        for file in sorted((folder / part).glob("[!.]*.safetensors")):
            digest.update(f"{part}/{file.name}".encode())
            with file.open("rb") as stream:
                while block := stream.read(1 << 20):
                    digest.update(block)
    return digest.hexdigest()


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


def write_control_denoiser(denoiser: Any, folder: Path) -> None:
    """Write a denoiser that obeys features beside those of a prior's folder, in half precision, whole or not at all."""
    with whole_folder(folder / CONTROL_FOLDER) as partial:
        copy.deepcopy(denoiser).half().save_pretrained(partial, safe_serialization=True)
        config = json.loads((partial / "config.json").read_text())
        config.pop("_name_or_path", None)
        (partial / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


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
