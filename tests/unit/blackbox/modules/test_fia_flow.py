from types import SimpleNamespace

import pytest
import torch

from inverter.blackbox.build import build_module
from inverter.blackbox.modules.fia_flow import FIAFlowModule, SpaceAlignment
from inverter.data.datamodule import pair_loader
from inverter.data.manifest import Manifest
from inverter.stages import train


@pytest.fixture
def module(train_config, tiny_shards, tmp_path) -> FIAFlowModule:
    torch.manual_seed(0)
    module = build_module(train_config(tmp_path, "fia_flow"), Manifest.load(tiny_shards / "train"))
    assert isinstance(module, FIAFlowModule)
    return module


@pytest.fixture(scope="module")
def batch(tiny_shards):
    return next(iter(pair_loader(tiny_shards / "train", 4)))


@pytest.mark.parametrize("feature_shape", [(7, 3, 5), (7, 13, 12), (10, 7), (7,)])
@pytest.mark.parametrize("count", [1, 3])
def test_features_of_any_shape_are_aligned(feature_shape, count):
    alignment = SpaceAlignment(feature_shape, (4, 8, 8), width=16)
    features = torch.randn(count, *feature_shape, requires_grad=True)
    latents = alignment(features)
    assert latents.shape == (count, 4, 8, 8)
    latents.sum().backward()
    assert features.grad.abs().sum() > 0


def test_the_first_half_trains_the_alignment_and_the_second_the_lora(module, batch):
    module.alignment_loss(batch).backward()
    assert any(parameter.grad is not None for parameter in module.alignment.parameters())
    module.zero_grad()
    module.flow_loss(batch).backward()
    assert all(parameter.grad is None for parameter in module.alignment.parameters())
    tuned = [name for name, parameter in module.denoiser.named_parameters() if parameter.grad is not None]
    assert tuned and all("lora" in name for name in tuned)


def test_the_halves_change_at_the_middle_of_the_budget(module, batch, monkeypatch):
    seen = []
    for half in ("alignment_loss", "flow_loss"):
        monkeypatch.setattr(module, half, lambda _, half=half: seen.append(half) or torch.zeros(()))
    module.log = lambda *_, **__: None
    module._trainer = SimpleNamespace(callbacks=[], barebones=True)
    for step in (0, 1, 2, 3):
        module.__class__ = type("At", (FIAFlowModule,), {"global_step": step})
        module.training_step(batch, 0)
    assert seen == ["alignment_loss"] * 2 + ["flow_loss"] * 2


def test_the_prior_follows_to_another_dtype(module):
    module.to(torch.float64)
    assert {parameter.dtype for parameter in module.prior.parameters()} == {torch.float64}
    assert {parameter.device.type for parameter in module.to("meta").prior.parameters()} == {"meta"}


def test_a_velocity_that_is_right_ends_at_the_true_latents(module, batch, monkeypatch):
    aligned = module.alignment(batch["features"]).detach()
    monkeypatch.setattr(module, "velocity", lambda latents, share: batch["latents"] - aligned)
    torch.testing.assert_close(module.step(aligned), batch["latents"])


def test_it_trains_and_loads_like_any_other(train_config, tmp_path):
    from inverter.blackbox.build import load_run

    run = train.run(train_config(tmp_path, "fia_flow", max_steps=3))
    module, config, manifest = load_run(run)
    assert isinstance(module, FIAFlowModule) and config.model.kind == "fia_flow"
    images = module.reconstruct(torch.randn(2, *manifest.target.feature_shape))
    assert images.shape == (2, 3, 32, 32) and 0 <= images.min() <= images.max() <= 1


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_the_alignment_follows_to_another_dtype(dtype):
    alignment, features = SpaceAlignment((4, 8, 8), (4, 8, 8), width=16).eval(), torch.randn(2, 4, 8, 8)
    wanted = alignment(features)
    torch.testing.assert_close(alignment.to(dtype)(features).float(), wanted, atol=0.05, rtol=0)
