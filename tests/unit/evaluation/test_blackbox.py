import pytest
import torch

from inverter.blackbox.build import build_module
from inverter.blackbox.modules.surrogate import Surrogate
from inverter.data.manifest import Manifest
from inverter.evaluation.blackbox import attack_methods


@pytest.fixture
def build(train_config, tiny_shards, tmp_path):
    def make(kind: str = "inverter", **model):
        config = train_config(tmp_path, kind)
        for key, value in model.items():
            setattr(config.model, key, value)
        return build_module(config, Manifest.load(tiny_shards / "train")).eval()

    return make


def methods_of(inverter, baseline=None):
    return attack_methods(inverter, baseline, bf16=False, device=torch.device("cpu"))


@pytest.mark.parametrize(
    ("strength", "guidance_scale", "interval", "calls"),
    [
        (0.0, 1.0, [0.0, 1.0], 0),
        (0.5, 1.0, [0.0, 1.0], 2),
        (0.6, 3.0, [0.0, 1.0], 4),
        (1.0, 1.0, [0.0, 1.0], 4),
        (1.0, 3.0, [0.3, 0.8], 6),
    ],
)
def test_the_cost_of_sampling_is_what_the_denoiser_does(build, monkeypatch, strength, guidance_scale, interval, calls):
    how = {"strength": strength, "guidance_scale": guidance_scale, "guidance_interval": interval}
    inverter = build(**how, num_inference_steps=4).inverter
    methods = methods_of(inverter)
    counted = []
    unet = inverter.prior.denoiser
    forward = unet.forward
    monkeypatch.setattr(unet, "forward", lambda *args, **kwargs: counted.append(1) or forward(*args, **kwargs))
    methods["sample"].reconstruct(torch.randn(2, 6, 5, 7))
    assert len(counted) == methods["sample"].cost["denoiser_calls"] == calls


def test_operating_points_and_baseline(build):
    inverter, baseline = build().inverter, build("upconv")
    features = torch.randn(2, 6, 5, 7)
    torch.nn.init.normal_(inverter.head.body[-2].weight, std=0.1)
    methods = methods_of(inverter, baseline)
    assert list(methods) == ["mean", "mean without head", "sample", "upconv"]
    torch.testing.assert_close(methods["mean"].reconstruct(features), inverter.mean(features))
    torch.testing.assert_close(methods["mean without head"].reconstruct(features), inverter.mean(features, head=False))
    torch.testing.assert_close(methods["upconv"].reconstruct(features), baseline.reconstruct(features))
    assert list(methods_of(build(head=False).inverter)) == ["mean", "sample"]


def test_samples_follow_the_seed(build):
    inverter, features = build().inverter, torch.randn(1, 6, 5, 7)
    draws = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        draws.append(methods_of(inverter)["sample"].reconstruct(features))
    assert torch.equal(draws[0], draws[1])
    assert not torch.allclose(draws[0], draws[2], atol=1e-4)


def test_an_inverter_of_other_features_attacks_as_it_is(build):
    own, other = build().inverter, build().inverter
    features = torch.randn(2, 6, 5, 7)
    methods = attack_methods(own, None, bf16=False, device=torch.device("cpu"), static=other)
    assert list(methods) == ["mean", "mean without head", "sample", "static mean", "static sample"]
    torch.testing.assert_close(methods["static mean"].reconstruct(features), other.mean(features))
    assert methods["static sample"].operating_point == "sample" and methods["static mean"].sees == "features"


def test_several_queries_are_seen_as_their_mean(build):
    methods = attack_methods(build().inverter, None, bf16=False, device=torch.device("cpu"), queries=4)
    assert list(methods)[-2:] == ["mean of 4 queries", "sample of 4 queries"]
    assert {methods[name].sees for name in list(methods)[-2:]} == {"queries"}
    assert methods["sample of 4 queries"].cost["target_queries"] == 4
    with pytest.raises(ValueError, match="queries is 1; allowed: null, 2 or more"):
        attack_methods(build().inverter, None, bf16=False, device=torch.device("cpu"), queries=1)


def test_best_of_adds_no_attack_with_several_queries(build):
    inverter, cpu = build().inverter, torch.device("cpu")
    for surrogate in (None, Surrogate((6, 5, 7), 16, width=16, depth=1)):
        query = None if surrogate is not None else lambda images: images
        methods = attack_methods(inverter, None, bf16=False, device=cpu, best_draws=2, query=query, surrogate=surrogate)
        assert not [name for name in methods if "queries" in name]
        assert list(methods.values())[-1].cost["target_queries"] == (2 if surrogate is None else 0)
