"""diffusers' own pipeline draws the same picture from the same folder."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderDC, DDIMScheduler, StableDiffusionImg2ImgPipeline, StableDiffusionPipeline

from inverter.priors.load import load_prior
from inverter.run.hub import find_prior

PROMPTS = ["a red square on the left", "two boats at night"]


@pytest.fixture(params=["published", "half", "tiny", "epsilon", "v_prediction"])
def folder(
    request: pytest.FixtureRequest, tmp_path: Path, tiny_prior_folder: Path, stable_diffusion: Callable[[str], Path]
) -> Path:
    match request.param:
        case "published":
            return find_prior("embedded")
        case "half":  # as trainings save them
            load_prior(tiny_prior_folder).half().save(tmp_path)
            return tmp_path
        case "tiny":
            return tiny_prior_folder
    return stable_diffusion(request.param)


def load(pipeline_class, folder):
    pipeline = pipeline_class.from_pretrained(folder, safety_checker=None, requires_safety_checker=False)
    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def draw(pipeline, *args, **settings) -> torch.Tensor:
    """Pictures in [0, 1]; ``AutoencoderDC.decode`` takes no ``generator``, so where it is the vae it is called here."""
    if not isinstance(pipeline.vae, AutoencoderDC):
        return pipeline(*args, output_type="pt", **settings).images
    latents = pipeline(*args, output_type="latent", **settings).images
    with torch.no_grad():
        return (pipeline.vae.decode(latents / pipeline.vae.config.scaling_factor).sample / 2 + 0.5).clamp(0, 1)


@pytest.mark.parametrize("guidance_scale", [1.0, 3.0])
def test_text_to_image(folder, guidance_scale):
    prior = load_prior(folder)
    noise = torch.randn(2, *prior.latent_shape, generator=torch.Generator().manual_seed(5))
    settings = {"num_inference_steps": 5, "guidance_scale": guidance_scale}
    expected = draw(load(StableDiffusionPipeline, folder), PROMPTS, latents=noise, **settings)
    latents = prior.sample(prior.condition(PROMPTS), generator=torch.Generator().manual_seed(5), **settings)
    torch.testing.assert_close(prior.decode(latents), expected, rtol=0, atol=1e-5)
    assert expected.std() > 0.01


# diffusers takes four channels for latents and all others for a picture
@pytest.mark.parametrize("folder", ["half", "tiny", "epsilon", "v_prediction"], indirect=True)
def test_image_to_image(folder, monkeypatch):
    prior = load_prior(folder)
    latents = torch.randn(2, *prior.latent_shape)
    pipeline = load(StableDiffusionImg2ImgPipeline, folder)
    settings = {"strength": 0.6, "num_inference_steps": 5, "guidance_scale": 3.0}
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(5))
    monkeypatch.setattr(
        "diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion_img2img.randn_tensor", lambda *_, **__: noise
    )
    # latents given as the image are taken as they are
    expected = draw(pipeline, PROMPTS, image=latents, **settings)
    drawn = prior.sample(
        prior.condition(PROMPTS), latents=latents, generator=torch.Generator().manual_seed(5), **settings
    )
    torch.testing.assert_close(prior.decode(drawn), expected, rtol=0, atol=1e-5)
