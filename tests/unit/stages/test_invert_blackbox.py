import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from inverter.blackbox.trained import load_any_inverter
from inverter.config import SenderConfig
from inverter.data.inputs import Input
from inverter.inversion import features as features_module
from inverter.inversion.chosen import check_given
from inverter.inversion.features import sent_features
from inverter.stages.invert_blackbox import _reconstruct
from inverter.targets import load_target
from inverter.whitebox.config import InvertConfig

CPU = torch.device("cpu")


def mean_colour(payload: str = "identity"):
    network = nn.Sequential(nn.AvgPool2d(4), nn.Flatten())
    return load_target(network, layer="1", input_size=4, mean=(0, 0, 0), std=(1, 1, 1), payload=payload)


def test_a_folder_of_pictures_is_read_a_batch_at_a_time(tmp_path, monkeypatch):
    """The broken picture at the end is met after the first batch: nothing holds all pictures at once."""
    for name in "abc":
        Image.new("RGB", (8, 8), "red").save(tmp_path / f"{name}.png")
    (tmp_path / "d.png").write_bytes(b"no picture")
    target = mean_colour()
    monkeypatch.setattr(features_module, "load_same_target", lambda *_, **__: target)
    batches = sent_features(InvertConfig(input=str(tmp_path), batch_size=2), target.spec, 4, CPU)
    group, features = next(batches)
    assert [(item.key, tuple(item.picture.shape)) for item in group] == [("a", (3, 4, 4)), ("b", (3, 4, 4))]
    torch.testing.assert_close(features, torch.tensor([[1.0, 0.0, 0.0]] * 2))
    with pytest.raises(ValueError, match=r"d.png is none; allowed: PNG"):
        next(batches)


def test_a_pictures_noise_is_its_own_in_any_batch_and_changes_with_the_seed(tmp_path, monkeypatch):
    for name in "abc":
        Image.new("RGB", (4, 4), "red").save(tmp_path / f"{name}.png")
    target = mean_colour("gaussian:0.5")
    monkeypatch.setattr(features_module, "load_same_target", lambda *_, **__: target)

    def sent(**keys: int) -> torch.Tensor:
        return torch.cat([f for _, f in sent_features(InvertConfig(input=str(tmp_path), **keys), target.spec, 4, CPU)])

    assert torch.equal(sent(batch_size=1), sent(batch_size=3))
    assert not torch.equal(sent(seed=1), sent())


def test_the_noise_of_a_sample_too(tiny_published):
    inverter, config = load_any_inverter(str(tiny_published))[0], InvertConfig(operating_point="sample", strength=1.0)
    features = torch.ones(2, *inverter.spec.feature_shape)
    group = [Input("a"), Input("b")]
    together = _reconstruct(config, inverter, group, features, None)
    torch.testing.assert_close(together[1:], _reconstruct(config, inverter, group[1:], features[1:], None))
    assert not torch.allclose(together[0], together[1])


def test_features_with_a_batch_dimension_of_one_and_a_limit(tmp_path, target_spec):
    for key in "abc":
        np.save(tmp_path / f"{key}.npy", np.ones((1, 6, 5, 7), dtype=np.float32))
    batches = list(sent_features(InvertConfig(input=str(tmp_path), limit=2), target_spec, 4, CPU))
    assert [features.shape for _, features in batches] == [(2, 6, 5, 7)]
    tokens = dataclasses.replace(target_spec, feature_shape=(5, 7))
    np.save(tmp_path / "a.npy", np.ones((1, 5, 7), dtype=np.float32))
    config = InvertConfig(input=str(tmp_path / "a.npy"))
    assert [features.shape for _, features in sent_features(config, tokens, 4, CPU)] == [(1, 5, 7)]
    np.save(tmp_path / "a.npy", np.ones((2, 5, 7), dtype=np.float32))
    with pytest.raises(
        ValueError, match=r"have shape \(2, 5, 7\); features.2 gives \(5, 7\); of several images, feature_axes=BND"
    ):
        list(sent_features(config, tokens, 4, CPU))


def test_a_key_that_was_given_must_be_the_inverters(target_spec):
    check_given(SenderConfig(), target_spec, "toy")
    check_given(SenderConfig(name="tiny", layer="features.2", input_size=16, payload="identity"), target_spec, "toy")
    for key, value, own in (
        ("name", "timm:resnet18", "tiny"),
        ("layer", "blocks.2", "features.2"),
        ("input_size", 224, "16"),
        ("payload", "int8", "identity"),
    ):
        with pytest.raises(ValueError, match=rf"^target.{key} is {value!r}, but inverter 'toy' .*target.{key}={own};"):
            check_given(SenderConfig(**{key: value}), target_spec, "toy")
