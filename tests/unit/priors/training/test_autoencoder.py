import math

import pytest
import torch
from diffusers.models.autoencoders.autoencoder_dc import ResBlock

from inverter.config import AutoencoderConfig, OptimConfig
from inverter.priors.training.autoencoder import AutoencoderModule, build_autoencoder, moment_loss, pixel_loss
from inverter.priors.training.linear_start import start_linear


def make_config(**changes: object) -> AutoencoderConfig:
    settings = {"widths": [16, 64], "latent_channels": 5, "encoder_blocks": [1, 1], "decoder_blocks": [1, 1]}
    return AutoencoderConfig(optim=OptimConfig(max_steps=10), **{**settings, **changes})  # type: ignore[arg-type]


@pytest.fixture
def images() -> torch.Tensor:
    coarse = torch.rand(6, 3, 5, 5)
    smooth = torch.nn.functional.interpolate(coarse, size=16, mode="bicubic").clamp(0, 1)
    return (smooth + 0.02 * torch.rand(6, 3, 16, 16)).clamp(0, 1)


def test_residual_branches_start_at_zero():
    vae = build_autoencoder(make_config())
    blocks = [block for block in vae.modules() if isinstance(block, ResBlock)]
    assert len(blocks) == 4
    for block in blocks:
        x = torch.rand(1, block.conv1.in_channels, 4, 4)
        torch.testing.assert_close(block(x), x)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"decoder_blocks": [1, 1, 1]}, "widths has 2, encoder_blocks has 2, decoder_blocks has 3 entries; allowed"),
        ({"latent_channels": 0}, r"latent_channels is 0; allowed: 1 or more"),
        ({"widths": [16, 48]}, r"widths is \[16, 48\]; allowed: multiples of 4, each after the first a divisor"),
        ({"encoder_blocks": [0, 1]}, r"encoder_blocks is \[0, 1\]; allowed: 1 or more at each resolution"),
    ],
)
def test_stages_that_cannot_be(changes, message):
    with pytest.raises(ValueError, match=message):
        build_autoencoder(make_config(**changes))


def test_a_resolution_that_cannot_be_halved_as_often():
    with pytest.raises(ValueError, match=r"resolution is 66; allowed with 2 widths: multiples of 4"):
        AutoencoderModule(make_config(resolution=66))


def test_latents_of_a_fresh_module_have_unit_variance(images):
    module = AutoencoderModule(make_config())
    start_linear(module.vae, images)
    with torch.no_grad():
        latents = module.encode(images)
    torch.testing.assert_close(latents.mean((0, 2, 3)), torch.zeros(5), rtol=0, atol=1e-3)
    torch.testing.assert_close(latents.var((0, 2, 3)), torch.ones(5), rtol=1e-2, atol=0)


def test_training_lowers_the_loss(images):
    module = AutoencoderModule(make_config(latent_noise=0.0))
    module.log = module.log_dict = lambda *args, **kwargs: None  # type: ignore[method-assign]
    start_linear(module.vae, images)
    optimizer = torch.optim.Adam(module.vae.parameters(), lr=3e-4)
    losses = []
    for _ in range(12):
        loss = module.training_step({"image": images}, 0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


def test_pixel_loss_by_hand():
    image, recon = torch.zeros(1, 1, 2, 2), torch.tensor([[[[0.5, 0.5], [0.0, 0.0]]]])
    alone = {"l1_weight": 0.0, "multi_scale_weight": 0.0, "gradient_weight": 0.0}
    assert pixel_loss(recon, image, make_config(**alone)).item() == pytest.approx(4 * 0.125)
    with_l1 = make_config(**{**alone, "l1_weight": 0.5})
    assert pixel_loss(recon, image, with_l1).item() == pytest.approx(0.5 + 2 * 0.5 * 0.25)
    edges = make_config(**{**alone, "gradient_weight": 0.5})  # down: 0.5 twice; across: 0
    assert pixel_loss(recon, image, edges).item() == pytest.approx(0.5 + 2 * 0.5 * 0.5)


def test_a_relative_loss_counts_easy_pictures_as_much_as_hard_ones():
    image = torch.zeros(2, 1, 2, 2)
    config = make_config(l1_weight=0.0, multi_scale_weight=0.0, gradient_weight=0.0, relative_loss=True)
    recon = torch.stack([torch.full((1, 2, 2), 0.5), torch.full((1, 2, 2), 0.05)]).requires_grad_()
    loss = pixel_loss(recon, image, config)
    assert loss.item() == pytest.approx((math.log(1.0) + math.log(0.01)) / 2, abs=3e-3)
    loss.backward()
    pulls = (recon.grad * recon).detach().sum((1, 2, 3))  # of a step that shrinks each by the same share
    assert pulls[1].item() == pytest.approx(pulls[0].item(), rel=0.01)


def test_an_anchor_holds_latents(images):
    drifts = {}
    for weight in (1e-6, 1e3):
        torch.manual_seed(0)
        module = AutoencoderModule(make_config(start_from="folder", anchor_weight=weight, latent_noise=0.0))
        module.log = module.log_dict = lambda *args, **kwargs: None  # type: ignore[method-assign]
        start_linear(module.vae, images)
        module.set_anchor()
        before = module.encode(images).detach()
        optimizer = torch.optim.Adam(module.vae.parameters(), lr=1e-3)
        for _ in range(10):
            loss = module.training_step({"image": images}, 0)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        drifts[weight] = (module.encode(images) - before).square().mean().item()
        assert all(parameter.grad is None for parameter in module.anchor.parameters())
    assert drifts[1e3] < 0.5 * drifts[1e-6]


@pytest.mark.parametrize("name", ["anchor_weight", "l1_weight", "moment_weight"])
@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf])
def test_weights_that_cannot_be(name, value):
    with pytest.raises(ValueError, match=rf"{name} is {value}; allowed: 0 or more"):
        AutoencoderModule(make_config(start_from="folder", **{name: value}))


def test_an_anchor_needs_something_to_hold_to():
    with pytest.raises(ValueError, match=r"anchor_weight is 1\.0; allowed: 0, or name start_from"):
        AutoencoderModule(make_config(anchor_weight=1.0))


def test_moment_loss_by_hand():
    latents = torch.tensor([3.0, 1.0]).view(2, 1, 1, 1)  # mean 2, variance 2
    assert moment_loss(latents).item() == pytest.approx(2**2 + 1)


def test_the_discriminator_takes_part_late_and_pushes_the_autoencoder(images, monkeypatch):
    module = AutoencoderModule(make_config(adversarial_weight=0.5, adversarial_start=0.5, discriminator_width=4))
    module.log = module.log_dict = lambda *args, **kwargs: None  # type: ignore[method-assign]

    def gradients(share: float, weight: float = 0.5) -> tuple[torch.Tensor, list[torch.Tensor | None]]:
        module.config.adversarial_weight = weight
        monkeypatch.setattr("inverter.priors.training.autoencoder.training_progress", lambda *_: share)
        module.zero_grad()
        torch.manual_seed(0)
        module.training_step({"image": images}, 0).backward()
        last = module.vae.decoder.conv_out.conv.weight.grad
        return last.clone(), [parameter.grad for parameter in module.discriminator.parameters()]

    before, discriminator = gradients(0.4)
    assert all(gradient is None for gradient in discriminator)
    after, discriminator = gradients(0.6)
    assert all(gradient is not None for gradient in discriminator)
    assert not torch.allclose(before, after)
    alone, _ = gradients(0.6, weight=0.0)
    torch.testing.assert_close(alone, before)


def test_a_start_outside_the_training():
    with pytest.raises(ValueError, match=r"adversarial_start is 1.5; allowed: 0 to 1"):
        AutoencoderModule(make_config(adversarial_start=1.5))
