import sys
from dataclasses import replace
from pathlib import Path

import pytest
from torch import nn

from inverter.config import load_config
from inverter.targets.layers import LayerInfo
from inverter.tradeoff import plan as planned
from inverter.tradeoff.config import TradeoffConfig
from inverter.tradeoff.plan import Plan, check_split, find_settings, plan_tradeoff

INFO = LayerInfo("blocks.2", (40, 28, 28), 31360, 125440, 2.5, 0.3)


@pytest.fixture
def config(monkeypatch) -> TradeoffConfig:
    monkeypatch.setattr(planned, "list_layers", lambda *_: [INFO])
    return load_config(TradeoffConfig, ["tradeoff.yaml"])


def test_every_payload_is_attacked_anew_with_one_budget_and_begins_with_the_same(config):
    """A decoder of float32 features must not judge what arrives of another payload, or not alone."""
    plan = plan_tradeoff(config)
    names = [setting.name for setting in plan.settings]
    assert names == ["identity", "int8", "minmax:4", "topk:0.1+int8", "mosaic-jpeg:42", "gaussian:0.5"]
    assert [step.name for step in plan.steps] == names
    assert plan.start.train.start_from is None and plan.start.train.target.payload == "identity"
    assert plan.start.pairs == plan.steps[0].pairs and plan.start.run != plan.steps[0].run
    for step, name in zip(plan.steps, names, strict=True):
        assert step.train.target.payload == name == step.evaluate.target.payload
        assert {prepare.target.payload for prepare in step.prepare.values()} == {name}
        assert step.evaluate.inverter == str(step.run)
        assert step.train.start_from == str(plan.start.run)
        assert step.train.optim == plan.steps[0].train.optim == plan.start.train.optim
        assert step.evaluate.static == (None if name == "identity" else str(plan.steps[0].run))
    assert len({step.run for step in plan.steps}) == len({step.pairs for step in plan.steps}) == len(names)


def test_the_conditioner_is_told_of_noise_where_there_is_some(config):
    config.queries = 8
    plan = plan_tradeoff(config)
    noisy = plan.steps[-1]
    assert noisy.train.model.noise_level == 0.25 and noisy.evaluate.queries == 8
    assert {step.train.model.noise_level for step in plan.steps[:-1]} == {0.0}
    assert {step.evaluate.queries for step in plan.steps[:-1]} == {None}
    config.model.noise_level = 0.5
    assert plan_tradeoff(config).steps[-1].train.model.noise_level == 0.5
    config.model.conditioning = "tokens"
    assert plan_tradeoff(replace(config)).steps[-1].train.model.noise_level == 0.5


def test_a_start_that_is_given_is_not_trained(config):
    config.start_from = "blocks.2"
    plan = plan_tradeoff(config)
    assert plan.start is None and {step.train.start_from for step in plan.steps} == {"blocks.2"}


def test_only_so_many_are_attacked_while_utility_is_of_all(config):
    config.limit, config.val.pairs = 100, 1000
    step = plan_tradeoff(config).steps[0]
    assert step.evaluate.limit == 100 and step.prepare["val"].pairs == 1000


class Said:
    def __init__(self, payload: str) -> None:
        self.payload, self.knows = payload, "the network"


def test_a_defence_is_named_after_its_folder_and_sent_by_each_payload(config, monkeypatch):
    said = {"runs/nopeek": Said("identity"), "runs/noise": Said("gaussian:0.1")}
    monkeypatch.setattr(planned, "read_defence", said.__getitem__)
    config.payloads, config.defences, config.defended_payloads = ["int8"], list(said), ["identity", "int8"]
    found = find_settings(config)
    assert [each.name for each in found] == ["identity", "int8", "nopeek", "nopeek+int8", "noise", "noise+int8"]
    assert [(each.payload, each.defence) for each in found[2:]] == [
        *(("identity", "runs/nopeek"), ("int8", "runs/nopeek")),
        *(("identity", "runs/noise"), ("int8", "runs/noise")),
    ]
    assert [each.draws for each in found] == [False, False, False, False, True, True]
    steps = plan_tradeoff(config).steps
    assert [step.train.target.defence for step in steps] == [None, None, *(each.defence for each in found[2:])]
    assert {prepare.target.defence for prepare in steps[3].prepare.values()} == {"runs/nopeek"}
    assert steps[3].run.name == "nopeek-int8" and steps[5].train.model.noise_level == 0.25


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("payloads", ["int9"], "payload='int9' is unknown; allowed are"),
        ("payloads", ["int8", "int8"], "are named identity, int8, int8; allowed: each once"),
        ("payloads", ["identity"], r"payloads=\[\], defences=\[\]; allowed: one or more of either"),
        ("defences", ["nowhere"], r"target.defence='nowhere' has no defence.json"),
        ("keep", 1.1, r"keep=1\.1; allowed: 0 to 1"),
        ("noise_level", -1.0, r"noise_level=-1\.0; allowed: 0 or more"),
        ("queries", 1, "queries=1; allowed: null, 2 or more"),
        ("limit", 0, "limit=0; allowed: null, 1 or more"),
        ("metric", "kid", "metric='kid'; allowed: reid_mrr"),
    ],
)
def test_values_that_are_not_allowed(config, key, value, message):
    setattr(config, key, value)
    with pytest.raises(ValueError, match=message):
        plan_tradeoff(config)


def test_values_inside_that_are_not_allowed(config):
    config.target.payload = "int8"
    with pytest.raises(ValueError, match=r"target.payload=int8, target.defence=None; allowed: none, as payloads"):
        plan_tradeoff(config)
    config.target.payload, config.target.layer = "identity", "block.2"
    with pytest.raises(ValueError, match=r"layers: 'block\.2' cannot be tapped; the nearest that can are blocks\.2"):
        plan_tradeoff(config)
    config.target.layer, config.data.path = "blocks.2", "pairs"
    with pytest.raises(ValueError, match=r"data.path='pairs' must hold \{setting\}"):
        plan_tradeoff(config)


class Cut:
    """What ``load_split`` gives of a defence that changes the shape, or of none."""

    def __init__(self, defence: str | None) -> None:
        self.target = self.spec = self
        self.feature_shape = (40, 28, 28) if defence is None else (5, 28, 28)


def test_features_of_another_shape_are_attacked_alone_with_both_budgets(config, monkeypatch):
    monkeypatch.setattr(planned, "read_defence", lambda _: Said("identity"))
    monkeypatch.setattr(planned, "load_split", lambda step, _: Cut(step.train.target.defence))
    config.payloads, config.defences, config.optim.max_steps = ["int8"], ["runs/bottleneck"], 500
    plan = plan_tradeoff(config)
    plain, int8, cut = check_split(plan).steps
    assert (plain, int8) == plan.steps[:2]
    assert cut.train.start_from is None and cut.evaluate.static is None
    assert (cut.train.optim.max_time, cut.train.optim.max_steps) == (200, 1000)
    assert plan.steps[2].train.optim.max_time == 100


class Around(nn.Module):
    """What lies behind ``first`` reads the picture, too."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 3, 1), nn.Linear(3, 5)

    def forward(self, images):
        return self.last((self.first(images) + images).mean((2, 3)))


def test_a_layer_behind_which_the_server_does_not_run_alone_is_refused_before_anything_is_trained(config, monkeypatch):
    step = plan_tradeoff(config).steps[0]
    step.train.target = replace(step.train.target, name=f"module:{__name__}:Around", layer="first", input_size=8)
    monkeypatch.setitem(sys.modules, __name__, sys.modules[Around.__module__])
    with pytest.raises(ValueError, match=r"layer='first' is no place to split"):
        check_split(Plan((), (step,), None))
    assert not Path(step.train.output).exists()
