import json
from dataclasses import replace

import pytest
import torch

from inverter.blackbox.build import build_module
from inverter.blackbox.start import start
from inverter.data.manifest import Manifest
from inverter.hub import load_inverter
from inverter.model_card import began_with
from inverter.stages import train


@pytest.fixture
def manifest(tiny_shards):
    return Manifest.load(tiny_shards / "train")


@pytest.fixture
def config(train_config, tmp_path):
    return train_config(tmp_path / "run", max_steps=1, lr=0.0)


def test_a_training_begins_where_the_published_one_ended(config, manifest, tiny_published):
    published = load_inverter(str(tiny_published))
    module = build_module(config, manifest)
    assert not torch.equal(module.inverter.aligner.base, published.aligner.base)
    record = start(module, str(tiny_published), manifest.target)
    for key, value in published.state_dict().items():
        torch.testing.assert_close(module.inverter.state_dict()[key], value, rtol=0, atol=0)
    assert (record["name"], record["pairs_seen"]) == (str(tiny_published), None)  # its config says nothing of them
    assert record["weights_sha256"] in began_with(record)


def test_a_run_says_what_it_began_with_and_goes_on_without_it(config, tiny_published, tmp_path):
    config.start_from = str(tiny_published)
    run = train.run(config)
    begun = json.loads((run / "train.json").read_text())["start_from"]
    state = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    torch.testing.assert_close(
        {key.removeprefix("inverter."): value for key, value in state.items() if key.startswith("inverter.")},
        load_inverter(str(tiny_published)).state_dict(),
        rtol=0,
        atol=0,
    )  # at a learning rate of 0
    assert begun["name"] == config.start_from
    tiny_published.rename(tmp_path / "gone")
    try:
        config.optim.max_steps = 2
        train.run(config)
    finally:
        (tmp_path / "gone").rename(tiny_published)
    assert json.loads((run / "train.json").read_text())["start_from"] == begun
    assert json.loads((run / "summary.json").read_text())["steps"] == 2


@pytest.mark.parametrize(("key", "value"), [("width", 32), ("depth", 2), ("head", False)])
def test_other_sizes_are_refused(config, manifest, tiny_published, key, value):
    setattr(config.model, key, value)
    with pytest.raises(ValueError, match=r"start_from=.*toy has other sizes than model and prior: weight .* needed: "):
        start(build_module(config, manifest), str(tiny_published), manifest.target)


def test_other_features_are_refused(config, manifest, tiny_published):
    with pytest.raises(ValueError, match=r"inverter 'toy' .*features\.2.*features\.7"):
        start(build_module(config, manifest), str(tiny_published), replace(manifest.target, layer="features.7"))


def test_the_baseline_begins_with_nothing(train_config, manifest, tiny_published, tmp_path):
    module = build_module(train_config(tmp_path, "upconv"), manifest)
    with pytest.raises(ValueError, match=r"start_from is .*; allowed with model.kind=inverter only"):
        start(module, str(tiny_published), manifest.target)


def test_a_training_of_its_own_began_with_random_weights(config):
    run = train.run(config)
    assert json.loads((run / "train.json").read_text())["start_from"] is None
    assert began_with(None) == "random weights"
