"""Priors by name, folder or hub id; the family follows from the parts that the folder has."""

from __future__ import annotations

import logging
from pathlib import Path

from inverter.config.memory import MemoryConfig
from inverter.priors.check import check_index, check_parts
from inverter.priors.control_pairs import read_control_pairs
from inverter.priors.families import find_family
from inverter.priors.few_step import fuse_lora
from inverter.priors.index import autoencoder_name, has_part, read_index, reading
from inverter.priors.memory import divide, weights_dtype
from inverter.priors.parts import class_name, read_prompts
from inverter.priors.prior import DiffusionPrior
from inverter.priors.quiet import quiet
from inverter.priors.variant import CONTROL, CONTROL_FOLDER, FOLDER, SUFFIX, split_control, split_name
from inverter.priors.weights import check_weights_are_there, folder_sha256
from inverter.run.hub import find_prior

log = logging.getLogger(__name__)


@quiet()
def load_prior(name: str | Path, memory: MemoryConfig | None = None, *, fetch: bool = True) -> DiffusionPrior:
    """Load a prior by its published name, from a folder, or from the Hugging Face hub.

    Args:
        name: ``embedded`` (a folder under ``checkpoints/``), a path, or a hub id such as
            ``stable-diffusion-v1-5/stable-diffusion-v1-5``. With ``+few-step`` behind it, the variant for one to four
            steps without guidance; with ``+control``, the denoiser that has learned to obey features; where the prior
            has one.
        memory: Precision of the weights, whether they leave a GPU while they are not used, and how much the
            autoencoder takes at once; None is float32, and all of it. Hashes are of the files, whatever the precision.
        fetch: False where a file that others wrote gave the name: nothing is fetched from the hub.
    Returns:
        The frozen prior, on the CPU.
    Raises:
        ValueError: No such prior, a part is missing or damaged, a part has pickled weights only, or it has no few-step
            variant, or none that obeys features; or ``memory`` asks for what the autoencoder cannot do.
    """
    memory = memory or MemoryConfig()
    dtype = weights_dtype(memory)
    rest, few_step = split_name(str(name))
    base, control = split_control(rest)
    if few_step and control:
        raise ValueError(f"prior {str(name)!r}; allowed: one of {SUFFIX} and {CONTROL}")
    folder = find_prior(base, fetch=fetch)
    index = read_index(folder)
    check_index(folder, index)
    family = find_family(index)
    parts = ("vae", family.networks[-1], "scheduler", *family.networks[:-1], *family.tokenizers)
    absent = [part for part in parts if part not in index or not (folder / part).is_dir()]
    if absent:
        raise ValueError(f"prior {folder}: part(s) {', '.join(absent)} missing; needed: {', '.join(parts)}")
    networks = tuple(CONTROL_FOLDER if control and part == "unet" else part for part in family.networks)
    if control and not (folder / CONTROL_FOLDER).is_dir():
        raise ValueError(
            f"prior {folder} has no {CONTROL_FOLDER}, a denoiser that obeys features; allowed: no {CONTROL} in the name"
        )
    optional = [part for part in family.optional if has_part(folder, index, part)]
    weights = (*networks, "vae", *optional)
    rounded = check_weights_are_there(folder, weights)
    for part in (*networks, *optional, *family.tokenizers):
        class_name(folder, index, part)
    autoencoder_name(folder, index)
    check_parts(folder, networks[-1], networks[:-1], index)
    if rounded:
        log.warning("prior %s: %s in half precision, which is all that is there", folder, ", ".join(rounded))
    prior: DiffusionPrior = family.prior.load(
        folder,
        networks[-1],
        {
            "name": str(name),
            "weights_sha256": folder_sha256(folder, (*weights, *([FOLDER] if few_step else []))),
            "autoencoder_sha256": folder_sha256(folder, ("vae",)),
            "control_pairs": read_control_pairs(folder) if control else (),
            "prompts": read_prompts(folder),
            "few_step": few_step,
            "offload": memory.offload,
        },
        dtype,
    )
    divide(prior.vae, memory, prior.latent_shape[-1], prior.resolution)
    if few_step:
        with reading(folder / FOLDER):
            fuse_lora(prior.denoiser, folder, folder_sha256(folder, family.networks))
    return prior
