"""The contract of tests/family_contract.py on each family."""

from dataclasses import replace

import diffusers
import pytest
import torch
from family_contract import FamilyContract, seeded
from priors_toys import write_flow, write_xl

from inverter.priors.families import FAMILIES, find_family
from inverter.priors.families.stable_diffusion import StableDiffusionPrior
from inverter.priors.load import load_prior


class TestEmbedded(FamilyContract):
    @pytest.fixture(scope="class")
    def prior(self, tiny_prior_folder):
        return load_prior(tiny_prior_folder)


class TestStableDiffusion(FamilyContract):
    @pytest.fixture(scope="class")
    def prior(self, stable_diffusion):
        return load_prior(stable_diffusion("epsilon"))


class TestStableDiffusionXL(FamilyContract):
    @pytest.fixture(scope="class")
    def folder(self, tmp_path_factory):
        return write_xl(tmp_path_factory.mktemp("xl") / "xl")

    @pytest.fixture(scope="class")
    def prior(self, folder):
        return load_prior(folder)

    def test_it_draws_what_the_pipeline_draws(self, folder, prior):
        pipeline = diffusers.StableDiffusionXLPipeline.from_pretrained(folder)
        pipeline.scheduler = diffusers.DDIMScheduler.from_config(pipeline.scheduler.config, clip_sample=False)
        noise = torch.randn(1, *prior.latent_shape, generator=seeded())
        drawn = pipeline("a dog", num_inference_steps=5, guidance_scale=1.0, latents=noise, output_type="latent").images
        found = prior.sample(prior.condition(["a dog"]), num_inference_steps=5, generator=seeded())
        torch.testing.assert_close(found, drawn, rtol=1e-3, atol=1e-3)


class TestStableDiffusion3(FamilyContract):
    @pytest.fixture(scope="class")
    def folder(self, tmp_path_factory):
        return write_flow(tmp_path_factory.mktemp("flow") / "flow")

    @pytest.fixture(scope="class")
    def prior(self, folder):
        return load_prior(folder)

    def test_it_draws_what_the_pipeline_draws(self, folder, prior):
        pipeline = diffusers.StableDiffusion3Pipeline.from_pretrained(folder, text_encoder_3=None, tokenizer_3=None)
        noise = torch.randn(1, *prior.latent_shape, generator=seeded())
        drawn = pipeline(
            "a dog", num_inference_steps=5, guidance_scale=1.0, latents=noise, output_type="latent", height=16, width=16
        ).images
        found = prior.sample(prior.condition(["a dog"]), num_inference_steps=5, generator=seeded())
        torch.testing.assert_close(found, drawn, rtol=1e-3, atol=1e-3)


def test_a_folder_of_two_families_is_refused(monkeypatch):
    class Other:
        pass

    monkeypatch.setattr(FAMILIES, "_parts", {known: FAMILIES[known] for known in FAMILIES.names()})
    FAMILIES.register("zoo", replace(FAMILIES["stable_diffusion"], prior=Other, matches=lambda index: "mark" in index))
    with pytest.raises(
        ValueError, match=r"are \['mark', 'unet'\], which families stable_diffusion and zoo take; allowed"
    ):
        find_family({"unet": [], "mark": 1})


@pytest.mark.parametrize("name", ["a", "z"])
def test_a_family_goes_before_the_one_that_it_is_a_subclass_of(name, monkeypatch):
    class Marked(StableDiffusionPrior):
        pass

    monkeypatch.setattr(FAMILIES, "_parts", {known: FAMILIES[known] for known in FAMILIES.names()})
    FAMILIES.register(name, replace(FAMILIES["stable_diffusion"], prior=Marked, matches=lambda index: "mark" in index))
    assert find_family({"unet": []}).prior is StableDiffusionPrior
    assert find_family({"unet": [], "mark": 1}).prior is Marked
