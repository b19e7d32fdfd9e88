import shutil
from dataclasses import replace

import pytest
from torch import nn

from inverter.audit.config import AuditConfig
from inverter.audit.plan import check_headline, find_layers, plan_audit, spread_layers
from inverter.config import DataConfig, PrepareConfig, load_config
from inverter.targets.layers import LayerInfo, list_layers

LITE0 = ["blocks.0", "blocks.2", "blocks.4", "blocks.6"]


@pytest.fixture
def config() -> AuditConfig:
    return load_config(AuditConfig, ["audit.yaml"])


def test_the_default_audit(config):
    steps = plan_audit(config)
    assert [step.info.name for step in steps] == LITE0
    step = steps[1]
    assert str(step.run) == "runs/audit-timm-tf_efficientnet_lite0/blocks.2"
    assert step.evaluate.inverter == step.train.output
    assert {prepare.output for prepare in step.prepare.values()} == {step.train.data.path}
    assert {step.train.target.layer, *(p.target.layer for p in step.prepare.values())} == {"blocks.2"}


def test_shards_are_those_of_prepare(config):
    """Same folder, same recipe: pairs that `make train` prepared are reused, whatever their time limit was."""
    step = plan_audit(config)[1]
    for split, files in {"train": [], "dev": ["prepare_dev.yaml"], "val": ["prepare_val.yaml"]}.items():
        alone = load_config(PrepareConfig, ["prepare.yaml", *files])
        assert replace(step.prepare[split], max_time=None) == replace(alone, max_time=None)


def test_layers_come_in_the_order_of_the_forward_pass(config):
    config.layers = ["blocks.6", "conv_stem"]
    assert [step.info.name for step in plan_audit(config)] == ["conv_stem", "blocks.6"]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("layers", ["block.2"], r"layers: 'block\.2' cannot be tapped; the nearest that can are .*blocks\.2"),
        ("layers", [], r"layers=\[\]; allowed: one or more, each once"),
        ("layers", ["blocks.2", "blocks.2"], "each once"),
        ("num_layers", 0, "num_layers=0; allowed: 1 or more"),
        ("metric", "kid", "metric='kid'; allowed: reid_mrr"),
        ("threshold", 0.0, "threshold=0.0; allowed: above 0, at most 1"),
        ("judges", [], r"metric='reid_mrr' needs a judge, but judges=\[\]"),
        ("metric", "reid_mrr/other", r"metric='reid_mrr/other' needs a judge, but judges=\['efficientnet-lite1'"),
    ],
)
def test_values_that_are_not_allowed(config, key, value, message):
    setattr(config, key, value)
    with pytest.raises(ValueError, match=message):
        plan_audit(config)


def test_values_inside_that_are_not_allowed(config):
    config.data.path = "pairs"
    with pytest.raises(ValueError, match=r"data.path='pairs' must hold \{layer\}"):
        plan_audit(config)
    config.data.path, config.trainer.devices = "pairs-{layer}", 2
    with pytest.raises(ValueError, match=r"trainer.devices=2; it runs on one device, allowed: 1"):
        plan_audit(config)
    config.trainer.devices, config.model.kind = 1, "upconv"
    with pytest.raises(ValueError, match=r"model.kind='upconv'; only inverters are evaluated, allowed: inverter"):
        plan_audit(config)
    config.model.kind, config.data.images = "inverter", "no-images.tar"
    with pytest.raises(ValueError, match=r"shards 'no-images.tar': 'no-images.tar' matches no file"):
        plan_audit(config)


def test_how_training_reads_its_pairs_is_as_configured(config, tmp_path):
    (tmp_path / "images.tar").touch()
    config.data.images = str(tmp_path / "images.tar")
    config.data.limit, config.data.batch_size, config.data.num_workers, config.data.pin_memory = 9, 3, 2, True
    for step in plan_audit(config):
        assert replace(step.train.data, path=config.data.path) == config.data


def infos(*names: str) -> list[LayerInfo]:
    return [LayerInfo(name, (1,), 1, 4, 1.0, (i + 1) / len(names)) for i, name in enumerate(names)]


def stages(family: str, count: int) -> list[str]:
    return [name for i in range(count) for name in (f"{family}{i}.conv", f"{family}{i}")]


@pytest.mark.parametrize(
    ("names", "count", "chosen"),
    [
        (["stem", *stages("blocks.", 7), "head"], 4, LITE0),
        (stages("layer", 4), 4, ["layer0", "layer1", "layer2", "layer3"]),
        (stages("layer", 4), 9, ["layer0", "layer1", "layer2", "layer3"]),
        (stages("layer", 4), 1, ["layer0"]),
        ([*stages("bn", 2), *stages("stages.", 3)], 2, ["stages.0", "stages.2"]),  # two siblings are no family
        ([*stages("encoder.deep.", 9), *stages("stages.", 3)], 2, ["stages.0", "stages.2"]),  # the shallowest family
        (["0", "1", "2"], 2, ["0", "2"]),
    ],
)
def test_layers_are_spread_over_the_stages(names, count, chosen):
    assert [info.name for info in spread_layers(infos(*names), count)] == chosen


def test_without_stages_layers_that_add_work_are_spread():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3))
    assert [info.name for info in spread_layers(list_layers(network, 16), 3)] == ["0", "2", "4"]
    assert [info.name for info in find_layers(list_layers(network, 16), ["3", "1"])] == ["1", "3"]


def test_a_headline_that_cannot_be_computed_is_refused_before_training(config, tiny_shards, tmp_path):
    folder = shutil.copytree(tiny_shards, tmp_path / "pairs")
    (folder / "dev").rename(folder / "val")
    config.data.path, config.layers = f"{tmp_path}/{{layer}}", ["blocks.2"]
    step = replace(plan_audit(config)[0], train=replace(plan_audit(config)[0].train, data=DataConfig(path=str(folder))))
    with pytest.raises(ValueError, match=r"metric='reid_mrr' cannot be computed: 4 val pictures of other sources"):
        check_headline(config, [step])
    config.metric = "psnr"
    check_headline(config, [step])
