"""Which inverter and which statistics an attack starts from."""

import dataclasses
import logging
import shutil
from pathlib import Path

import pytest
import torch

from inverter.blackbox.published import names_of, read_published
from inverter.targets.spec import TargetSpec
from inverter.whitebox.build import decodes_with, find_inverter, statistics
from inverter.whitebox.config import InvertConfig
from inverter.whitebox.methods import settings_of_clips


def config(inverter: Path | str | None, source: str = "auto") -> InvertConfig:
    made = InvertConfig(method="direct", inverter=None if inverter is None else str(inverter))
    return dataclasses.replace(made, loop=dataclasses.replace(made.loop, statistics=source))


def test_an_inverter_of_these_features_gives_the_statistics(tiny_published, target_spec):
    wanted = config(tiny_published)
    published = find_inverter(wanted, target_spec)
    assert published is not None
    assert statistics(wanted, target_spec, published)["features.2"].tolist() == [1.0] * 6
    assert statistics(config(tiny_published, source="features"), target_spec, published) == {}


def test_a_damaged_inverter_is_an_error_whether_it_was_named_or_not(tiny_published, target_spec, tmp_path):
    shutil.copytree(tiny_published, tmp_path / "damaged")
    (tmp_path / "damaged" / "config.yaml").write_text("schema_version: [")
    for wanted, layer in (
        (config(tmp_path / "damaged"), target_spec.layer),
        (config(None), str(tmp_path / "damaged")),
    ):
        with pytest.raises(ValueError, match=r"config.yaml cannot be used"):
            find_inverter(wanted, dataclasses.replace(target_spec, layer=layer))


def test_where_none_is_named_the_layer_or_the_layer_and_the_size_do(tiny_published, target_spec, tmp_path, monkeypatch):
    monkeypatch.setattr("inverter.blackbox.published.checkpoints_root", lambda: tmp_path)
    monkeypatch.setattr("inverter.run.hub.checkpoints_root", lambda: tmp_path)
    other = dataclasses.replace(target_spec, input_size=17)
    shutil.copytree(tiny_published, tmp_path / "features.2-16")
    for spec, found in ((target_spec, "features.2-16"), (other, None)):
        published = find_inverter(config(None), spec)
        assert (None if published is None else published.folder.name) == found
    shutil.copytree(tiny_published, tmp_path / "features.2-17")
    assert find_inverter(config(None), other) is None  # it inverts features of 16 pixels, whatever its name
    shutil.copytree(tiny_published, tmp_path / "features.2")
    assert names_of("features.2", 16) == ["features.2-16", "features.2"]
    assert names_of("features.2", 18) == ["features.2"]
    assert names_of("features.3", 16) == []


def test_an_inverter_of_another_prior_is_passed_over_aloud(tiny_published, tiny_prior, caplog):
    published = read_published(str(tiny_published))
    assert decodes_with(published, tiny_prior) and caplog.text == ""
    assert not decodes_with(dataclasses.replace(published, prior_sha256="0" * 64), tiny_prior)
    assert "was trained with another prior: what it finds is not used" in caplog.text


@pytest.mark.parametrize(
    ("weight", "polish", "becomes"), [(0.0, "auto", "auto"), (1.0, "auto", "false"), (1.0, "true", "true")]
)
def test_smoothed_frames_are_polished_only_where_it_was_asked_for(weight, polish, becomes):
    made = InvertConfig(method="hybrid")
    made = dataclasses.replace(
        made,
        hybrid=dataclasses.replace(made.hybrid, polish=polish),
        smoothing=dataclasses.replace(made.smoothing, weight=weight),
    )
    assert settings_of_clips(made).hybrid.polish == becomes


def test_one_of_other_features_is_an_error_only_when_it_was_named(tiny_published, target_spec: TargetSpec, caplog):
    caplog.set_level(logging.INFO)
    other = dataclasses.replace(target_spec, input_size=17)
    with pytest.raises(ValueError, match=r"takes features of tiny with input_size 16; the target at hand has 17"):
        find_inverter(config(tiny_published), other)
    assert find_inverter(config(None), dataclasses.replace(other, layer=str(tiny_published))) is None
    with pytest.raises(ValueError, match="inverter 'nowhere' not found"):
        find_inverter(config("nowhere"), target_spec)
    assert find_inverter(config(None), target_spec) is None
    assert caplog.messages[-1].startswith("direct needs no published inverter of features.2 and goes on without: ")
    assert statistics(config(None), target_spec, None) == {}
    with pytest.raises(ValueError, match=r"loop.statistics is 'inverter', but there is none"):
        statistics(config(None, source="inverter"), target_spec, None)


def test_a_manifest_gives_them_too(tiny_shards, target_spec):
    found = statistics(config("x", source=str(tiny_shards / "train")), target_spec, None)["features.2"]
    assert found.shape == (6,)
    assert (found > 0).all()
    other = dataclasses.replace(target_spec, layer="features.3")
    with pytest.raises(ValueError, match=r"with layer features.2; the target at hand has features.3"):
        statistics(config("x", source=str(tiny_shards / "train")), other, None)
    assert torch.isfinite(found).all()
