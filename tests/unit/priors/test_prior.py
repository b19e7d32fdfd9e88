import json
import shutil
from pathlib import Path

import diffusers
import pytest
import torch

from inverter.priors.families.stable_diffusion import StableDiffusionPrior
from inverter.priors.load import load_prior
from inverter.priors.prior import DiffusionPrior
from inverter.priors.process import Diffusion


class LinearAutoencoder(torch.nn.Module):
    """Encodes to 2 a + 1, decodes exactly back; scale and shift as a config may say them."""

    def __init__(self, shift: float | None) -> None:
        super().__init__()
        self.config = diffusers.configuration_utils.FrozenDict(
            scaling_factor=0.25, shift_factor=shift, block_out_channels=(1,)
        )

    def encode(self, images):
        return diffusers.models.autoencoders.autoencoder_dc.EncoderOutput(latent=2 * images + 1)

    def decode(self, latents, return_dict):
        return ((latents - 1) / 2,)


def images_like(prior: DiffusionPrior, count: int) -> torch.Tensor:
    return torch.rand(count, 3, prior.resolution, prior.resolution)


def copy_of(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def test_shapes_come_from_the_parts(tiny_prior, sd_prior_folder):
    assert (tiny_prior.resolution, tiny_prior.latent_shape, tiny_prior.conditioning_shape) == (32, (4, 8, 8), (12, 32))
    prior = load_prior(sd_prior_folder)
    assert (prior.resolution, prior.latent_shape, prior.conditioning_shape) == (16, (4, 8, 8), (12, 32))


def test_everything_is_frozen_and_autograd_stays_on(tiny_prior_folder):
    prior = load_prior(tiny_prior_folder)
    assert torch.is_grad_enabled()
    assert not any(parameter.requires_grad for parameter in prior.parameters())
    assert not any(module.training for module in prior.modules())
    assert {parameter.dtype for parameter in prior.parameters()} == {torch.float32}


@pytest.mark.parametrize("count", [1, 3])
def test_scale_is_the_autoencoders_own(sd_prior_folder, count):
    prior = load_prior(sd_prior_folder)
    images = images_like(prior, count)
    moments = prior.vae.encode(2 * images - 1).latent_dist
    torch.testing.assert_close(prior.encode(images), 0.18215 * moments.mean)
    latents = torch.randn(count, *prior.latent_shape)
    torch.testing.assert_close(prior.decode(latents, clamp=False), prior.vae.decode(latents / 0.18215).sample / 2 + 0.5)


@pytest.mark.parametrize("shift", [None, 0.0, 0.3])
def test_encoding_and_decoding_undo_each_other(tiny_prior, shift):
    unet = tiny_prior.denoiser
    prior = StableDiffusionPrior(
        LinearAutoencoder(shift), unet, tiny_prior.scheduler, tiny_prior.text_encoder, tiny_prior.tokenizer
    )
    images = torch.rand(2, 3, 8, 8)
    latents = prior.encode(images)
    torch.testing.assert_close(latents, (2 * (2 * images - 1) + 1 - (shift or 0)) * 0.25)
    prior.latent_shape = (3, 8, 8)
    torch.testing.assert_close(prior.decode(latents), images)


def test_decoded_images_are_clamped_only_when_asked(tiny_prior):
    latents = 8 * torch.randn(2, *tiny_prior.latent_shape)
    raw = tiny_prior.decode(latents, clamp=False)
    torch.testing.assert_close(
        tiny_prior.decode(10 * latents), tiny_prior.decode(10 * latents, clamp=False).clamp(0, 1)
    )
    assert raw.shape == (2, 3, 32, 32)


def test_saving_and_loading_changes_nothing(tiny_prior, tmp_path):
    tiny_prior.save(tmp_path / "again")
    again = load_prior(tmp_path / "again")
    assert again.weights_sha256 == tiny_prior.weights_sha256
    assert again.prompts == tiny_prior.prompts != ()
    prompts = ["a small dog", ""]
    torch.testing.assert_close(again.condition(prompts).tokens, tiny_prior.condition(prompts).tokens, rtol=0, atol=0)
    assert again.scheduler.config.timestep_spacing == "trailing"
    with (tmp_path / "again" / "vae" / "diffusion_pytorch_model.safetensors").open("r+b") as stream:
        stream.seek(-1, 2)
        stream.write(b"\x01")
    changed = load_prior(tmp_path / "again")
    assert changed.weights_sha256 != tiny_prior.weights_sha256
    assert changed.autoencoder_sha256 != tiny_prior.autoencoder_sha256


def test_a_prompt_has_one_embedding_whatever_stands_beside_it(tiny_prior):
    alone = [tiny_prior.condition([prompt]).tokens for prompt in ("a red square", "two boats " * 40)]
    both = tiny_prior.condition(["a red square", "two boats " * 40]).tokens
    torch.testing.assert_close(both, torch.cat(alone))
    assert not torch.allclose(*alone)


def test_other_shapes_are_refused(tiny_prior):
    with pytest.raises(ValueError, match=r"images has shape \(1, 3, 32, 30\).* encodes \(B, \(3, 32, 32\)\)"):
        tiny_prior.encode(torch.zeros(1, 3, 32, 30))
    for call in (tiny_prior.decode, lambda latents: tiny_prior.sample(latents=latents)):
        with pytest.raises(ValueError, match=r"latents has shape \(1, 3, 8, 8\).* uses \(B, \(4, 8, 8\)\)"):
            call(torch.zeros(1, 3, 8, 8))


@pytest.mark.parametrize("part", ["vae", "unet", "scheduler", "text_encoder", "tokenizer"])
def test_a_missing_part_is_named(tiny_prior_folder, tmp_path, part):
    folder = copy_of(tiny_prior_folder, tmp_path)
    shutil.rmtree(folder / part)
    with pytest.raises(ValueError, match=rf"part\(s\) {part} missing; needed: vae, unet"):
        load_prior(folder)


@pytest.mark.parametrize("part", ["vae", "unet", "text_encoder"])
def test_pickled_weights_are_never_read(tiny_prior_folder, tmp_path, part):
    folder = copy_of(tiny_prior_folder, tmp_path)
    weights = next((folder / part).glob("*.safetensors"))
    weights.rename(weights.with_suffix(".bin"))
    with pytest.raises(ValueError, match=rf"{part} has no .safetensors weights; pickled weights are never read"):
        load_prior(folder)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("ConfigMixin", r"vae class \['diffusers', 'ConfigMixin'\] is no diffusers autoencoder"),
        ("UNet2DConditionModel", r"vae class \['diffusers', 'UNet2DConditionModel'\] is no diffusers autoencoder"),
        ("AutoencoderOfSomebody", "vae cannot be read: module diffusers has no attribute AutoencoderOfSomebody"),
    ],
)
def test_the_class_in_the_index_must_be_an_autoencoder(tiny_prior_folder, tmp_path, name, wrong):
    folder = copy_of(tiny_prior_folder, tmp_path)
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps(index | {"vae": ["diffusers", name]}))
    with pytest.raises(ValueError, match=wrong):
        load_prior(folder)


def test_latents_are_not_clipped_when_the_scheduler_was_saved_as_another_kind(sd_prior_folder, tmp_path):
    folder = copy_of(sd_prior_folder, tmp_path)
    diffusers.PNDMScheduler(steps_offset=1).save_pretrained(folder / "scheduler")  # knows no clip_sample
    assert load_prior(folder).scheduler.config.clip_sample is False


def test_a_folder_that_lacks_parts_of_its_family_is_refused(tiny_prior_folder, tmp_path):
    folder = copy_of(tiny_prior_folder, tmp_path)
    index = json.loads((folder / "model_index.json").read_text())
    index |= {"_class_name": "StableDiffusionXLPipeline", "text_encoder_2": ["transformers", "CLIPTextModel"]}
    (folder / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(
        ValueError,
        match=r"part\(s\) text_encoder_2, tokenizer_2 missing; needed: vae, unet, scheduler, text_encoder",
    ):
        load_prior(folder)


def test_a_turbo_schedule_starts_in_pure_noise_even_for_one_step(sd_prior_folder, tmp_path):
    folder = copy_of(sd_prior_folder, tmp_path)
    diffusers.EulerDiscreteScheduler(timestep_spacing="trailing").save_pretrained(folder / "scheduler")
    prior = load_prior(folder)
    seen = []
    prior.denoiser.register_forward_pre_hook(lambda unet, args: seen.append(int(args[1])))
    drawn = prior.sample(batch_size=1, num_inference_steps=1)
    assert seen == [999] and drawn.isfinite().all()


@pytest.mark.parametrize("spacing", ["leading", "trailing", "linspace"])
def test_every_number_of_steps_stays_on_the_schedule(tiny_prior, spacing):
    process = Diffusion(diffusers.DDIMScheduler.from_config(tiny_prior.scheduler.config, timestep_spacing=spacing))
    for steps in (1, 4, 61, 103, 500, 998, 1000):  # 61 trailing ones come with a 62nd, -1; 1000 leading ones with 1000
        timesteps = process.schedule(steps)
        assert len(timesteps) == steps + 1 and timesteps[-1] == -1
        assert timesteps[:-1].min() >= 0 and timesteps.max() <= 999


def test_what_a_scheduler_does_not_say_is_as_its_own_class_has_it(sd_prior_folder, tmp_path):
    folder = copy_of(sd_prior_folder, tmp_path)
    path = folder / "scheduler" / "scheduler_config.json"
    path.write_text(json.dumps({"_class_name": "LCMScheduler"}))
    config, own = load_prior(folder).scheduler.config, diffusers.LCMScheduler().config
    assert {key: config[key] for key in ("beta_start", "beta_schedule")} == {
        "beta_start": 0.00085,
        "beta_schedule": "scaled_linear",
    }
    assert all(config[key] == own[key] for key in own if key in config and key not in ("clip_sample", "steps_offset"))
    assert config.steps_offset == 1  # which diffusers' pipeline sets


def test_an_autoencoder_that_does_not_say_its_scale_has_its_classs(stable_diffusion, tmp_path):
    folder = copy_of(stable_diffusion("epsilon"), tmp_path)
    path = folder / "vae" / "config.json"
    values = json.loads(path.read_text())
    path.write_text(
        json.dumps({key: value for key, value in values.items() if key not in ("scaling_factor", "shift_factor")})
    )
    prior, images = load_prior(folder), torch.rand(1, 3, 16, 16)
    torch.testing.assert_close(prior.encode(images), 0.18215 * prior.vae.encode(2 * images - 1).latent_dist.mean)


@pytest.mark.parametrize("prompts", ["a dog", [], [None], ["a", 3], None])
def test_prompts_are_a_list_of_texts(tiny_prior, prompts):
    with pytest.raises(ValueError, match=r"^prompts=.*; allowed: a list of texts, one an image$"):
        tiny_prior.condition(prompts)


def test_images_of_another_kind_are_refused_and_of_another_range_said(tiny_prior, caplog):
    images = images_like(tiny_prior, 1)
    with pytest.raises(ValueError, match=r"^images is a ndarray; allowed: a tensor"):
        tiny_prior.encode(images.numpy())
    with pytest.raises(ValueError, match=r"^images of dtype torch.uint8 must be floating point"):
        tiny_prior.encode((images * 255).byte())
    for _ in range(2):
        tiny_prior.encode(images * 2 - 1)
    (message,) = caplog.messages
    assert message.startswith("images lie in [-") and message.endswith("takes images in [0, 1], and does not clip")


def test_latents_in_half_precision_are_decoded_in_that_of_the_weights(tiny_prior):
    latents = torch.randn(1, *tiny_prior.latent_shape).half()
    images = tiny_prior.decode(latents)
    assert images.dtype == torch.float16
    torch.testing.assert_close(images.float(), tiny_prior.decode(latents.float()), rtol=0, atol=1e-3)
