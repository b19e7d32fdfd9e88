import pytest
import torch

from inverter.audit.prompt import prompt_change
from inverter.blackbox.build import build_module
from inverter.data.manifest import Manifest


@pytest.fixture
def inverter(train_config, tmp_path, tiny_shards):
    return build_module(train_config(tmp_path), Manifest.load(tiny_shards / "train")).inverter


def test_change_is_that_of_the_prompt_alone(inverter, monkeypatch):
    features = torch.randn(3, *inverter.spec.feature_shape)
    seen = []

    def sample(features, *, prompt, generator):
        seen.append((prompt, torch.rand(1, generator=generator).item()))
        return torch.full((len(features), 3, 4, 4), 0.5 if len(seen) == 1 else 0.7)

    monkeypatch.setattr(inverter, "sample", sample)
    assert prompt_change(inverter, features) == pytest.approx(178 - 127, abs=1.01)  # 0.7 and 0.5 in 8 bits
    (first, noise), (second, same_noise) = seen
    assert first != second and noise == same_noise


def test_no_change_where_nothing_is_denoised(inverter):
    from dataclasses import replace

    features = torch.randn(2, *inverter.spec.feature_shape)
    changed = prompt_change(inverter, features)
    inverter.spec = replace(inverter.spec, strength=0.0)
    assert prompt_change(inverter, features) == 0 < changed
