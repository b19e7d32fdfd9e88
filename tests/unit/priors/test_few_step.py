import shutil
from dataclasses import replace

import diffusers
import pytest
import torch

from inverter.config import DistillConfig, ImageDataConfig
from inverter.priors.families.stable_diffusion import DENOISER
from inverter.priors.few_step import add_lora, lora_state, save_lora
from inverter.priors.load import load_prior
from inverter.priors.process import Diffusion
from inverter.priors.text import tokenize
from inverter.priors.training.denoiser import build_scheduler
from inverter.priors.training.distillation import DistillModule, path_timesteps, pseudo_huber
from inverter.priors.variant import FOLDER, WEIGHTS, split_name
from inverter.priors.weights import folder_sha256

CONFIG = DistillConfig(data=ImageDataConfig(shards="", dev=""), prior="", output="", rank=2, num_ddim_steps=10)


@pytest.fixture
def folder(tiny_prior_folder, tmp_path):
    """The toy prior with a LoRA beside it that changes what it draws."""
    path = tmp_path / "prior"
    shutil.copytree(tiny_prior_folder, path)
    prior = load_prior(path)
    add_lora(prior.denoiser, 2, 5.0)
    with torch.no_grad():
        for name, parameter in prior.denoiser.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.2)
    about = {"denoiser_sha256": folder_sha256(path, DENOISER)}
    save_lora(lora_state(prior.denoiser), path / FOLDER / WEIGHTS, about)
    trained[path] = predict(prior.denoiser)
    return path


trained: dict = {}


def predict(unet):
    generator = torch.Generator().manual_seed(0)
    noisy, text = torch.randn(2, 4, 8, 8, generator=generator), torch.randn(2, 12, 32, generator=generator)
    with torch.no_grad():
        return unet(noisy, torch.tensor([10, 900]), text).sample


def test_without_the_suffix_the_prior_is_the_base(folder, tiny_prior):
    base = load_prior(folder)
    assert torch.equal(predict(base.denoiser), predict(tiny_prior.denoiser))
    assert base.weights_sha256 == tiny_prior.weights_sha256
    assert not base.few_step and load_prior(f"{folder}+few-step").few_step


def test_a_fresh_or_disabled_lora_changes_nothing(tiny_prior_folder, tiny_prior):
    unet = load_prior(tiny_prior_folder).denoiser
    add_lora(unet, 2, 5.0)
    assert torch.equal(predict(unet), predict(tiny_prior.denoiser))
    with torch.no_grad():
        for name, parameter in unet.named_parameters():
            if "lora_B" in name:
                parameter.fill_(1.0)
    assert not torch.allclose(predict(unet), predict(tiny_prior.denoiser))
    unet.disable_adapters()
    assert torch.equal(predict(unet), predict(tiny_prior.denoiser))


def test_diffusers_loads_the_folder_and_predicts_the_same(folder, tiny_prior):
    pipeline = diffusers.StableDiffusionPipeline.from_pretrained(folder)
    pipeline.load_lora_weights(folder / "lora")
    few = load_prior(f"{folder}+few-step")
    torch.testing.assert_close(predict(few.denoiser), predict(pipeline.unet), rtol=0, atol=1e-5)
    torch.testing.assert_close(predict(few.denoiser), trained[folder], rtol=0, atol=1e-2)  # stored in half precision
    assert not torch.allclose(predict(few.denoiser), predict(tiny_prior.denoiser), atol=1e-2)
    assert few.weights_sha256 != tiny_prior.weights_sha256 and few.autoencoder_sha256 == tiny_prior.autoencoder_sha256
    assert not any("lora" in name for name, _ in few.denoiser.named_modules())


def test_a_prior_without_the_variant(tiny_prior_folder):
    with pytest.raises(ValueError, match="has no few-step variant"):
        load_prior(f"{tiny_prior_folder}+few-step")
    assert split_name("a+b") == ("a+b", False) and split_name("a+few-step") == ("a", True)


def test_a_lora_that_cannot_be_written_leaves_nothing(folder, monkeypatch):
    def fail(_):
        raise OSError("disk full")

    known = load_prior(f"{folder}+few-step").weights_sha256
    (folder / "lora" / ".pytorch_lora_weights.safetensors").write_bytes(b"half")  # of a run that was killed
    assert load_prior(f"{folder}+few-step").weights_sha256 == known
    unet = load_prior(folder).denoiser
    add_lora(unet, 2, 5.0)
    before = {path: path.read_bytes() for path in (folder / "lora").iterdir()}
    monkeypatch.setattr("inverter.run.files.os.fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        save_lora(lora_state(unet), folder / FOLDER / WEIGHTS, {})
    assert {path: path.read_bytes() for path in (folder / "lora").iterdir()} == before


def test_a_lora_that_is_too_large(tiny_prior_folder):
    with pytest.raises(ValueError, match=r"rank is 2, which makes .* MB; max_megabytes: 0.001"):
        add_lora(load_prior(tiny_prior_folder).denoiser, 2, 0.001)


def test_the_path_by_hand(tiny_prior):
    scheduler = build_scheduler("v_prediction")
    assert path_timesteps(tiny_prior, 4).tolist() == [999, 749, 499, 249, -1]
    scheduler.set_timesteps(4)
    assert scheduler.timesteps.tolist() == [999, 749, 499, 249]
    path = set(path_timesteps(tiny_prior, DistillConfig.num_ddim_steps).tolist())
    for steps in (1, 2, 3, 4):
        scheduler.set_timesteps(steps)
        assert path.issuperset(scheduler.timesteps.tolist())


def test_a_step_is_that_of_the_scheduler():
    scheduler = build_scheduler("v_prediction")
    scheduler.set_timesteps(4)
    noisy, velocity = torch.randn(1, 2, 3, 3), torch.randn(1, 2, 3, 3)
    for t, goal in ((749, 499), (249, -1)):
        expected, process = scheduler.step(velocity, t, noisy, eta=0.0), Diffusion(scheduler)
        found = process.add_noise(*process.read(velocity, noisy, torch.tensor([t])), torch.tensor([goal]))
        torch.testing.assert_close(found, expected.prev_sample)


def test_pseudo_huber_by_hand():
    assert pseudo_huber(torch.tensor([3.0, 0.0]), torch.zeros(2), 4.0).item() == pytest.approx(0.5)


def test_a_step_trains_the_lora_alone(tiny_prior_folder):
    prior = load_prior(tiny_prior_folder)
    module = DistillModule(CONFIG, prior)
    module.log = lambda *args, **kwargs: None
    batch = {"latents": torch.randn(2, 4, 8, 8), "tokens": tokenize(prior.tokenizer, ["a dog", ""])}
    module.training_step(batch, 0).backward()
    moved = {name for name, parameter in prior.named_parameters() if parameter.grad is not None}
    assert moved and all("lora" in name for name in moved)
    with pytest.raises(ValueError, match="num_ddim_steps is 1; allowed: 2 to 1000"):
        DistillModule(replace(CONFIG, num_ddim_steps=1), prior)
