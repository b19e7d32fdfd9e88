import copy
import dataclasses
import json
from types import SimpleNamespace

import pytest
import torch

from inverter.blackbox.inverter import Inverter
from inverter.blackbox.models.inverter import InverterConfig
from inverter.blackbox.spec import InverterSpec
from inverter.config import DrawConfig
from inverter.priors.control import unet_control_shape
from inverter.priors.load import load_prior
from inverter.run.hub import checkpoints_root


@pytest.fixture
def spec(tiny_prior) -> InverterSpec:
    return InverterSpec(
        feature_shape=(6, 5, 7),
        latent_shape=tiny_prior.latent_shape,
        conditioning_shape=tiny_prior.conditioning_shape,
        resolution=tiny_prior.resolution,
        width=16,
        depth=1,
        num_tokens=3,
        dropout=0.0,
        head_width=8,
        strength=0.5,
        num_inference_steps=4,
        guidance_scale=1.0,
        conditioning="tokens",
    )


@pytest.mark.parametrize(
    "feature_shape",
    [
        *((1280,), (2048,), (4096,), (320, 7, 7), (112, 14, 14), (24, 56, 56), (2048, 7, 7), (256, 56, 56)),
        *((197, 768), (197, 1024), (257, 1280)),
        ((24, 56, 56), (320, 7, 7)),
        ((24, 56, 56), (320, 7, 7), (1280,)),
        ((2048, 7, 7), (197, 768), (197, 768), (197, 768)),
    ],
)
@pytest.mark.parametrize("conditioning", ["control", "tokens"])
def test_ten_megabytes_hold_an_inverter_of_any_features(feature_shape, conditioning):
    """With the default sizes, beside the embedded prior, in half precision."""
    sizes = {
        key: getattr(InverterConfig(), key) for key in ("width", "coarse_width", "depth", "head_width", "num_tokens")
    }
    draws = {"strength": 1.0, "num_inference_steps": 10, "guidance_scale": 2.5, "dropout": 0.0}
    shapes = {"latent_shape": (12, 16, 16), "conditioning_shape": (24, 128), "resolution": 64}
    spec = InverterSpec(feature_shape, **shapes, **sizes, **draws, conditioning=conditioning)
    unet = json.loads((checkpoints_root() / "embedded" / "unet" / "config.json").read_text())
    control = unet_control_shape(SimpleNamespace(config=SimpleNamespace(**unet)), 24)
    with torch.device("meta"):
        inverter = Inverter(spec, control_shape=control)
    assert sum(parameter.numel() for parameter in inverter.parameters()) <= 5_000_000


@pytest.fixture
def inverter(spec, tiny_prior) -> Inverter:
    return Inverter(spec, tiny_prior).eval()


@pytest.fixture
def features() -> torch.Tensor:
    return torch.randn(3, 6, 5, 7)


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_the_mean_decodes_the_aligned_latents(inverter, features, tiny_prior):
    latents = inverter.align(features)
    assert latents.shape == (3, *tiny_prior.latent_shape)
    assert inverter.encode(features).control.tokens.shape == (3, *tiny_prior.conditioning_shape)
    torch.testing.assert_close(inverter.mean(features, head=False), tiny_prior.decode(latents))


def test_a_fresh_head_changes_nothing_and_a_trained_one_does(inverter, features):
    assert torch.equal(inverter.mean(features), inverter.mean(features, head=False))
    torch.nn.init.normal_(inverter.head.body[-2].weight, std=0.1)
    assert not torch.allclose(inverter.mean(features), inverter.mean(features, head=False), atol=1e-3)


def test_the_prior_follows_to_another_device(spec, tiny_prior_folder):
    inverter = Inverter(spec, load_prior(tiny_prior_folder)).to("meta")
    assert {parameter.device.type for parameter in inverter.prior.parameters()} == {"meta"}
    assert inverter.mean(torch.randn(2, 6, 5, 7, device="meta")).device.type == "meta"


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("conditioning", ["tokens", "control"])
def test_it_follows_to_another_dtype(spec, tiny_prior, features, dtype, conditioning):
    spec = dataclasses.replace(spec, conditioning=conditioning, coarse_width=16, feature_mean=[1 / 3] * 6)
    inverter = Inverter(spec, copy.deepcopy(tiny_prior)).eval()
    wanted = inverter.mean(features)
    inverter.to(dtype)
    for given in (features, features.to(dtype)):
        found = inverter.mean(given)
        assert found.dtype == torch.float32
        torch.testing.assert_close(found, wanted, atol=0.05, rtol=0)
    assert inverter.conditioner.standardise.mean.unique().item() == pytest.approx(1 / 3, abs=1e-7)
    for strength in (0.0, 0.5, 1.0):
        drawn = inverter.sample(features, strength=strength, guidance_scale=2.0, generator=seeded())
        assert drawn.dtype == torch.float32 and drawn.isfinite().all()


def test_without_a_head(spec, tiny_prior, features):
    inverter = Inverter(dataclasses.replace(spec, head_width=None), tiny_prior)
    assert inverter.head is None
    assert torch.equal(inverter.mean(features), inverter.mean(features, head=False))


def test_both_operating_points_give_pictures_without_gradients(inverter, features):
    for recon in (inverter.mean(features), inverter.sample(features, generator=seeded())):
        assert recon.shape == (3, 3, 32, 32)
        assert not recon.requires_grad
        assert 0 <= recon.min() <= recon.max() <= 1


def test_a_batch_of_two_equals_two_of_one(inverter, features):
    alone = torch.cat([inverter.mean(one[None]) for one in features])
    torch.testing.assert_close(inverter.mean(features), alone, rtol=1e-4, atol=1e-5)


def test_sample_is_the_prior_from_the_aligned_latents(inverter, features, tiny_prior):
    latents, control = inverter.align(features), inverter.encode(features).control
    with torch.no_grad():
        drawn = tiny_prior.sample(
            latents=latents, control=control, strength=0.5, num_inference_steps=4, generator=seeded()
        )
        torch.testing.assert_close(inverter.sample(features, generator=seeded()), tiny_prior.decode(drawn))


def test_arguments_of_sample_replace_the_published_ones(inverter, features):
    published = inverter.sample(features, generator=seeded())
    assert torch.equal(inverter.sample(features, strength=0), inverter.mean(features, head=False))
    for changed in (
        {"strength": 1.0},
        {"num_inference_steps": 2},
        {"guidance_scale": 4.0, "prompt": "a dog"},
        {"prompt": "a dog"},
    ):
        assert not torch.allclose(inverter.sample(features, generator=seeded(), **changed), published, atol=1e-4)


def test_zero_steps_are_refused_and_not_replaced(inverter, features):
    with pytest.raises(ValueError, match="num_inference_steps is 0"):
        inverter.sample(features, num_inference_steps=0)


def test_the_prior_is_used_and_not_owned(inverter, tiny_prior):
    own = {id(parameter) for parameter in inverter.parameters()}
    assert own.isdisjoint(id(parameter) for parameter in tiny_prior.parameters())
    assert all(name.startswith(("conditioner.", "head.")) for name in inverter.state_dict())
    assert copy.deepcopy(inverter).prior is tiny_prior


def test_without_a_prior_the_message_says_what_to_do(spec, features):
    inverter = Inverter(spec)
    assert inverter.align(features).shape == (3, 4, 8, 8)
    with pytest.raises(ValueError, match=r"no prior attached; call attach\(prior\) first"):
        inverter.mean(features)


@pytest.mark.parametrize("change", [{"latent_shape": (4, 4, 4)}, {"conditioning_shape": (12, 16)}, {"resolution": 16}])
def test_a_prior_of_other_shapes_is_refused(spec, tiny_prior, change):
    inverter = Inverter(dataclasses.replace(spec, **change))
    with pytest.raises(ValueError, match=rf"has {next(iter(change))} .*; this inverter was trained for"):
        inverter.attach(tiny_prior)


def test_features_of_another_shape(inverter):
    with pytest.raises(ValueError, match=r"features has shape \(2, 6, 7, 5\); this inverter takes"):
        inverter.mean(torch.zeros(2, 6, 7, 5))


def test_the_spec_survives_plain_data(spec):
    values = spec.to_dict()
    assert all(isinstance(value, int | float | list | str | None) for value in values.values())
    assert InverterSpec.from_dict(values) == spec
    del values["width"]
    values["widht"] = 16
    with pytest.raises(ValueError, match=r"missing keys \['width'\], unknown keys \['widht'\]"):
        InverterSpec.from_dict(values)


def test_a_draw_that_no_inverter_can_make_is_one_line(inverter):
    with pytest.raises(ValueError) as error:
        inverter.redraw(DrawConfig(strength=2.0))
    assert str(error.value) == "strength=2.0; allowed: less than or equal to 1"


def test_without_guidance_no_null_control_is_made(inverter, features, monkeypatch):
    made = []
    monkeypatch.setattr(type(inverter), "null_control", lambda self, size: made.append(size))
    for guidance_scale, expected in ((1.0, []), (2.0, [3])):
        inverter.sample(features, guidance_scale=guidance_scale)
        assert made == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda features: features.numpy(), r"features is a ndarray; allowed: a tensor, such as torch.from_numpy of a"),
        (lambda features: features.tolist(), r"features is a list; allowed: a tensor"),
        (lambda features: features.int(), r"features torch.int32 of shape \(2, .*; allowed: finite floating point"),
        (lambda features: features * torch.nan, r"features torch.float32 of shape .*; allowed: finite floating point"),
        (lambda features: features[:0], r"features torch.float32 of shape \(0, .*; allowed: .* of one image or more"),
    ],
)
def test_what_are_no_features_is_one_line(inverter, change, message):
    features = torch.rand(2, *inverter.spec.feature_shape)
    for run in (inverter.mean, inverter.sample):
        with pytest.raises(ValueError, match=f"^{message}"):
            run(change(features))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prompt": 3}, "prompt=3; allowed: text, or a list of texts, one an image"),
        ({"prompt": ["a", 3]}, r"prompt=\['a', 3\]; allowed: text, or a list of texts"),
        ({"generator": 3}, r"generator=3; allowed: torch.Generator\(\).manual_seed\(SEED\), or one an image"),
        ({"num_inference_steps": 2.5}, "num_inference_steps=2.5; allowed: a whole number"),
        ({"guidance_scale": "2"}, "guidance_scale='2'; allowed: a finite number"),
        ({"guidance_scale": float("nan")}, "guidance_scale=nan; allowed: a finite number"),
    ],
)
def test_what_sample_cannot_take_is_one_line(inverter, options, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        inverter.sample(torch.rand(2, *inverter.spec.feature_shape), **options)
