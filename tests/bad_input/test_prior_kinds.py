"""Folders that are whole, but of a model that this project does not draw with."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import diffusers
import pytest
import torch
from priors_toys import write_flow, write_xl
from safetensors.torch import load_file, save_file

from inverter.priors.load import load_prior


@pytest.fixture(scope="module")
def written(tmp_path_factory, stable_diffusion) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("kinds")
    return {"sd": stable_diffusion("epsilon"), "xl": write_xl(root / "xl"), "sd3": write_flow(root / "sd3")}


@pytest.fixture
def copy_of(written, tmp_path) -> Callable[[str], Path]:
    return lambda kind: Path(shutil.copytree(written[kind], tmp_path / "prior"))


def change(path: Path, **values: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


@pytest.mark.parametrize(
    ("what", "values"),
    [
        ("a prior that inpaints", {"in_channels": 9}),
        ("a prior that edits a picture", {"in_channels": 8}),
        ("a prior that is told the depth", {"in_channels": 5}),
        ("a prior that upscales", {"in_channels": 7, "num_class_embeds": 1000}),
        ("a prior of another autoencoder", {"in_channels": 16}),
        ("a prior whose denoiser gives variances", {"out_channels": 8}),
        ("a prior that is told a class", {"num_class_embeds": 1000}),
        ("a prior that is told its guidance", {"time_cond_proj_dim": 256}),
        ("a prior that is told embeddings of another model", {"encoder_hid_dim": 64}),
        ("a prior that is told more than text", {"addition_embed_type": "text_image"}),
        ("a prior whose text is of another width", {"cross_attention_dim": 24}),
        ("a prior without a size", {"sample_size": None}),
    ],
)
def test_denoisers(copy_of, refused, what, values):
    folder = copy_of("sd")
    change(folder / "unet" / "config.json", **values)
    refused(what, lambda: load_prior(folder))


@pytest.mark.parametrize(
    ("what", "values"),
    [
        ("a prior with a ControlNet", {"controlnet": ["diffusers", "ControlNetModel"]}),
        ("a refiner", {"requires_aesthetics_score": True, "text_encoder": [None, None]}),
        ("a prior with a text encoder of another kind", {"text_encoder": ["transformers", "BertModel"]}),
    ],
)
def test_pipelines(copy_of, refused, what, values):
    folder = copy_of("sd")
    change(folder / "model_index.json", **values)
    refused(what, lambda: load_prior(folder))


def test_a_refiner_by_what_it_is_told(copy_of, refused):
    folder = copy_of("xl")
    change(folder / "unet" / "config.json", projection_class_embeddings_input_dim=24 + 5 * 8)
    refused("a refiner with both text encoders", lambda: load_prior(folder))


@pytest.mark.parametrize("kind", ["sd", "xl"])
@pytest.mark.parametrize(
    ("what", "scheduler"),
    [
        ("a prior with a sampler of another schedule", diffusers.EDMEulerScheduler()),
        ("a prior of diffusion with a flow's sampler", diffusers.FlowMatchEulerDiscreteScheduler()),
        ("a prior whose sampler clips", diffusers.DDIMScheduler(thresholding=True)),
    ],
)
def test_schedulers(copy_of, refused, kind, what, scheduler):
    folder = copy_of(kind)
    scheduler.save_pretrained(folder / "scheduler")
    refused(what, lambda: load_prior(folder))


def test_a_flow_with_a_sampler_of_diffusion(copy_of, refused):
    folder = copy_of("sd3")
    diffusers.DDIMScheduler().save_pretrained(folder / "scheduler")
    refused("a prior of flow with a sampler of diffusion", lambda: load_prior(folder))


def test_noise_alone_tells_a_denoiser_of_noise_nothing(copy_of, refused):
    folder = copy_of("sd")
    change(folder / "scheduler" / "scheduler_config.json", rescale_betas_zero_snr=True)
    refused("a prior of noise on a schedule that ends in it", lambda: load_prior(folder))


def test_a_tokenizer_without_a_length(copy_of, refused):
    folder = copy_of("sd")
    path = folder / "tokenizer" / "tokenizer_config.json"
    values = json.loads(path.read_text())
    del values["model_max_length"]
    path.write_text(json.dumps(values))
    refused("a prior whose tokenizer does not say its length", lambda: load_prior(folder))


def test_latents_with_moments(copy_of, refused):
    folder = copy_of("xl")
    change(folder / "vae" / "config.json", latents_mean=[0.0] * 4, latents_std=[1.0] * 4)
    refused("a prior whose latents have moments", lambda: load_prior(folder))


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf"), "0.18215", None, [1.0], True])
def test_latents_without_a_scale(copy_of, refused, value):
    folder = copy_of("sd")
    change(folder / "vae" / "config.json", scaling_factor=value)
    with pytest.raises(ValueError, match=r"scaling_factor of vae is .*; allowed: a number above 0$"):
        load_prior(folder)
    change(folder / "vae" / "config.json", scaling_factor=0.0)
    refused("a prior whose latents have no scale", lambda: load_prior(folder))
    change(folder / "vae" / "config.json", scaling_factor=0.5, shift_factor="1")
    with pytest.raises(ValueError, match=r"shift_factor of vae is '1'; allowed: a number or null$"):
        load_prior(folder)


def test_an_autoencoder_without_its_config_and_a_prior_in_one_file(copy_of, refused, tmp_path):
    folder = copy_of("sd")
    (folder / "vae" / "config.json").unlink()
    refused("a prior without the autoencoder's config", lambda: load_prior(folder))
    (tmp_path / "model.safetensors").touch()
    refused("a prior in one file", lambda: load_prior(tmp_path / "model.safetensors"))


def test_weights_of_other_names(copy_of, refused):
    folder = copy_of("sd")
    path = folder / "unet" / "diffusion_pytorch_model.safetensors"
    path.rename(path.with_name("diffusion_pytorch_model.non_ema.safetensors"))
    refused("a prior with weights by another name", lambda: load_prior(folder))


def test_shards(copy_of, refused):
    folder = copy_of("sd")
    path = folder / "unet" / "diffusion_pytorch_model.safetensors"
    whole, prior = load_file(path), load_prior(folder)
    diffusers.UNet2DConditionModel.from_pretrained(folder / "unet").save_pretrained(folder / "s", max_shard_size="50KB")
    path.unlink()
    for file in (folder / "s").glob("*diffusion*"):
        file.rename(folder / "unet" / file.name)
    index = folder / "unet" / "diffusion_pytorch_model.safetensors.index.json"
    assert len(set(json.loads(index.read_text())["weight_map"].values())) > 1
    found, text = load_prior(folder).denoiser.state_dict(), index.read_text()
    assert whole.keys() == found.keys() and all(torch.equal(found[name], whole[name]) for name in whole)
    known = load_prior(folder).weights_sha256
    save_file(whole, folder / "unet" / "diffusion_pytorch_model.non_ema.safetensors", metadata={"format": "pt"})
    assert load_prior(folder).weights_sha256 == known != prior.weights_sha256
    change(index, weight_map={**json.loads(text)["weight_map"], "conv_in.bias": "../../x.safetensors"})
    refused("a prior whose shards lie elsewhere", lambda: load_prior(folder))
    change(index, weight_map=[])
    refused("a prior whose index of shards names none", lambda: load_prior(folder))
    index.write_text(text)
    next((folder / "unet").glob("*-00001-of-*")).unlink()
    refused("a prior that lacks a shard", lambda: load_prior(folder))
