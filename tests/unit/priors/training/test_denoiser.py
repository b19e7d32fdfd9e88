from dataclasses import replace

import pytest
import torch

from inverter.config import DenoiserConfig
from inverter.priors.text import tokenize, train_tokenizer
from inverter.priors.training.denoiser import DenoiserModule, build_unet

CONFIG = DenoiserConfig(widths=[16, 32], head_dim=16, text_width=32, text_layers=1, num_tokens=6)


@pytest.fixture
def module() -> DenoiserModule:
    module = DenoiserModule(CONFIG, (3, 8, 8), train_tokenizer(["a dog", "a red house"], 600, 6))
    module.log = lambda name, value, **_: logged.__setitem__(name, float(value))  # type: ignore[method-assign]
    logged.clear()
    return module


logged: dict[str, float] = {}


def test_text_reaches_every_level_but_the_finest():
    unet = build_unet(CONFIG, (3, 8, 8))
    levels = {
        name.split(".")[1] for name, _ in unet.named_modules() if name.startswith("down_blocks") and "attn2" in name
    }
    assert levels == {"1"}
    assert unet.config.attention_head_dim == [1, 2]  # heads of 16 channels
    noisy, t, text = torch.randn(2, 3, 8, 8), torch.tensor([5, 800]), torch.randn(2, 6, 32)
    both = unet(noisy, t, text).sample
    assert both.shape == (2, 3, 8, 8)
    assert not torch.allclose(both, unet(noisy, t, text.flip(0)).sample)


@pytest.mark.parametrize("widths", [[16, 40], [16, 16, 8], [24, 48]])
def test_widths_that_no_level_can_have(widths):
    with pytest.raises(ValueError, match=r"widths is .*; allowed: multiples of 16 and of head_dim=16"):
        build_unet(replace(CONFIG, widths=widths), (3, 8, 8))


@pytest.mark.parametrize("name", ["head_dim", "layers_per_block"])
@pytest.mark.parametrize("value", [0, -16])
def test_sizes_below_one(name, value):
    with pytest.raises(ValueError, match=f"{name} is {value}; allowed: 1 or more"):
        build_unet(replace(CONFIG, **{name: value}), (3, 8, 8))


def test_one_step_trains_the_denoiser_and_the_text_encoder(module):
    batch = {"latents": torch.randn(2, 3, 8, 8), "tokens": tokenize(module.tokenizer, ["a dog", ""])}
    module.training_step(batch, 0).backward()
    for part in (module.unet, module.text_encoder):
        gradients = [parameter.grad for parameter in part.parameters() if parameter.grad is not None]
        assert sum(float(gradient.abs().sum()) for gradient in gradients) > 0


def test_validation_uses_the_same_noise_each_time(module):
    tokens = tokenize(module.tokenizer, ["a dog", "a red house", ""])
    batch = {"latents": torch.randn(3, 3, 8, 8), "tokens": tokens, "key": ["0", "1", "2"]}

    @torch.no_grad()
    def validate(batch, *parts):
        for rows in parts:
            module.validation_step(
                {
                    name: [value[row] for row in rows] if name == "key" else value[list(rows)]
                    for name, value in batch.items()
                },
                0,
            )
        module.on_validation_epoch_end()
        return float(logged["val/loss"])

    whole = validate(batch, (0, 1, 2))
    assert validate(batch, (2, 0), (1,)) == pytest.approx(whole, rel=1e-4)  # as two processes share the images
    assert validate({**batch, "key": ["0", "1", "3"]}, (0, 1, 2)) != pytest.approx(whole, rel=1e-4)


def test_a_denoiser_may_cost_too_much():
    tokenizer = train_tokenizer(["a dog"], 600, 6)
    module = DenoiserModule(replace(CONFIG, max_gmac=1.0), (3, 8, 8), tokenizer)
    assert 0 < module.macs < 1e9
    with pytest.raises(ValueError, match=r"GMAC a forward pass; max_gmac allows 0.0001"):
        DenoiserModule(replace(CONFIG, max_gmac=1e-4), (3, 8, 8), tokenizer)
    with pytest.raises(ValueError, match="snr_gamma is 0; allowed: a positive number"):
        DenoiserModule(replace(CONFIG, snr_gamma=0), (3, 8, 8), tokenizer)
