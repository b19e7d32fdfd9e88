"""LoRAs for a few steps that are damaged, or not of the prior beside which they lie."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, save_file

from inverter.blackbox import few_step
from inverter.blackbox.load import load_inverter
from inverter.priors.families.stable_diffusion import DENOISER
from inverter.priors.few_step import add_lora, lora_state, save_lora
from inverter.priors.load import load_prior
from inverter.priors.variant import ABOUT, FOLDER, SUFFIX, WEIGHTS
from inverter.priors.weights import folder_sha256
from inverter.targets.digest import weights_sha256


def with_lora(prior: Path, folder: Path) -> Path:
    """A copy of a prior with a LoRA of rank 2."""
    shutil.copytree(prior, folder)
    base = load_prior(folder)
    add_lora(base.denoiser, 2, 5.0)
    about = {"denoiser_sha256": folder_sha256(folder, DENOISER)}
    save_lora(lora_state(base.denoiser), folder / FOLDER / WEIGHTS, about)
    return folder


@pytest.fixture
def folder(tiny_prior_folder, tmp_path) -> Path:
    return with_lora(tiny_prior_folder, tmp_path / "prior")


@pytest.fixture
def refused_prior(folder, refused):
    """Function that expects the few-step variant to be refused."""
    load_prior(f"{folder}{SUFFIX}")
    return lambda what: refused(what, lambda: load_prior(f"{folder}{SUFFIX}"))


def test_files(folder, refused_prior, payload):
    path = folder / FOLDER / WEIGHTS
    whole = path.read_bytes()
    path.write_bytes(payload)
    refused_prior("a few-step LoRA that is a pickle")
    path.write_bytes(whole[:-10])
    refused_prior("a few-step LoRA that is cut off")
    path.unlink()
    refused_prior("a few-step prior without its LoRA")
    (folder / FOLDER / "pytorch_lora_weights.bin").write_bytes(payload)
    refused_prior("a few-step prior with a pickled LoRA only")


def test_weights(folder, refused_prior):
    path = folder / FOLDER / WEIGHTS
    state = load(path.read_bytes())
    name = min(name for name in state if name.endswith("lora_B.weight"))
    rest = {key: value for key, value in state.items() if key != name}
    for what, changed in {
        "a few-step LoRA without a LoRA in it": {"x": torch.zeros(2, 2)},
        "a few-step LoRA that lacks a weight": rest,
        "a few-step LoRA with a surplus weight": {**state, "unet.z.lora_A.weight": torch.zeros(2, 2)},
        "a few-step LoRA with a weight of a wrong shape": {**rest, name: torch.zeros(3, 3)},
        "a few-step LoRA with NaN": {**rest, name: state[name] * float("nan")},
    }.items():
        save_file(changed, path)
        refused_prior(what)


def test_another_prior(folder, refused_prior, stable_diffusion, tmp_path):
    other = with_lora(stable_diffusion("epsilon"), tmp_path / "other")
    shutil.copy(other / FOLDER / WEIGHTS, folder / FOLDER / WEIGHTS)
    refused_prior("a few-step LoRA of another prior")
    shutil.copy(other / FOLDER / ABOUT, folder / FOLDER / ABOUT)
    refused_prior("a few-step LoRA of other weights")
    (folder / FOLDER / ABOUT).unlink()
    refused_prior("a few-step LoRA that does not say what it is of")


def test_the_variant_of_an_inverter(tiny_published, tiny_prior, refused, payload, tmp_path):
    folder = Path(shutil.copytree(tiny_published, tmp_path / "toy"))
    base = load_prior(tiny_prior.name)
    add_lora(base.denoiser, 2, 5.0)
    state, variant = lora_state(base.denoiser), folder / few_step.FOLDER
    good = {"inverter_sha256": weights_sha256(load_inverter(str(folder), tiny_prior)), "num_inference_steps": 2}

    def refuse(what: str) -> None:
        refused(what, lambda: load_inverter(f"{folder}{SUFFIX}", tiny_prior))

    refuse("an inverter without a few-step variant")
    save_lora(state, variant / few_step.WEIGHTS, good)
    assert load_inverter(f"{folder}{SUFFIX}", tiny_prior).spec.num_inference_steps == 2
    for what, about in {
        "a few-step variant of another inverter": {**good, "inverter_sha256": "0" * 64},
        "a few-step variant that does not say what it is of": [],
        "a few-step variant in no steps": {**good, "num_inference_steps": 0},
        "a few-step variant in too many steps": {**good, "num_inference_steps": 1001},
        "a few-step variant that does not say in how many steps": {"inverter_sha256": good["inverter_sha256"]},
    }.items():
        (variant / ABOUT).write_text(json.dumps(about))
        refuse(what)
    save_lora({**state, next(iter(state)): torch.zeros(3, 3)}, variant / few_step.WEIGHTS, good)
    refuse("a few-step variant with a weight of a wrong shape")
    (variant / few_step.WEIGHTS).write_bytes(payload)
    refuse("a few-step variant that is a pickle")
    (variant / ABOUT).unlink()
    refuse("a few-step variant without its description")
