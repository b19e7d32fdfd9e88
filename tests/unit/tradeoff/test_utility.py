from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from inverter.audit.plan import Step
from inverter.blackbox.config import TrainConfig
from inverter.config import DataConfig, EvaluateConfig, PrepareConfig, TargetConfig
from inverter.data.datamodule import pair_loader
from inverter.stages import prepare
from inverter.targets.layers import LayerInfo
from inverter.targets.split import Split
from inverter.tradeoff.plan import load_split
from inverter.tradeoff.utility import measure_utility, read_answers, read_entropy

CPU = torch.device("cpu")


def build() -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(2)
        network = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(64, 30))
    nn.init.normal_(network[-1].weight, std=3.0)
    return network


@pytest.fixture
def make_step(tmp_path: Path, tiny_prior_folder: Path, monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parent)

    def make(payload: str) -> Step:
        target = TargetConfig(name=f"module:{Path(__file__).stem}:build", input_size=16, layer="1", payload=payload)
        pairs = str(tmp_path / f"pairs-{payload}")
        config = PrepareConfig(
            target=target,
            prior=str(tiny_prior_folder),
            output=pairs,
            split="val",
            source="photos",
            pairs=24,
            device="cpu",
        )
        prepare.run(config)
        run = str(tmp_path / f"run-{payload}")
        train = TrainConfig(target=target, data=DataConfig(path=pairs), output=run)
        info = LayerInfo("1", (4, 4, 4), 64, 256, 0.1, 0.5)
        return Step(info, {"val": config}, train, EvaluateConfig(inverter=run), payload)

    return make


def test_the_server_reads_what_arrives_with_its_noise(make_step, monkeypatch):
    """Noise that the server subtracts again would protect nobody and cost nothing."""
    seen: list[Tensor] = []
    answer = Split.server_output
    monkeypatch.setattr(Split, "server_output", lambda self, x: seen.append(x) or answer(self, x))
    step = make_step("gaussian:2")
    undefended = load_split(step, "identity")
    measure_utility(step, undefended, CPU, labels=False)
    images = torch.cat([batch["image"] for batch in pair_loader(step.pairs / "val", 32)])
    exact = undefended.target(images)
    noise = torch.cat(seen) - exact
    torch.testing.assert_close(noise.std(), 2 * exact.flatten(1).std(1).mean(), rtol=0.1, atol=0)
    answers = read_answers(step.run / "utility.csv")
    assert torch.equal(answers.arrived, answer(undefended, torch.cat(seen)).argmax(1))
    assert torch.equal(answers.undefended, undefended(images).argmax(1))
    found = answers.agreement(200, 0)
    assert found.mean == (answers.arrived == answers.undefended).double().mean() < 0.9
    assert found.n == 24 and found.groups == len(set(answers.groups)) == 10
    assert set(answers.label.tolist()) == {-1}


@pytest.mark.parametrize("payload", ["identity", "rotate"])
def test_undefended_features_and_those_that_the_servers_key_unlocks_lose_nothing(make_step, payload):
    step = make_step(payload)
    measure_utility(step, load_split(step, "identity"), CPU, labels=False)
    assert read_answers(step.run / "utility.csv").agreement(200, 0).mean == 1


@pytest.mark.parametrize(("payload", "least", "most"), [("minmax:4", 1, 4 + 64 / 64), ("identity", 8, 32)])
def test_the_entropy_of_what_is_sent(make_step, payload, least, most):
    step = make_step(payload)
    measure_utility(step, load_split(step, "identity"), CPU, labels=False)
    assert least < read_entropy(step.run / "sent.json") < most
    (step.run / "sent.json").write_text('{"entropy": "8"}')
    with pytest.raises(ValueError, match=r"sent.json is no measure of what is sent; delete it and utility.csv"):
        read_entropy(step.run / "sent.json")
    assert read_entropy(step.run / "none.json") is None


def test_labels_are_the_users_word_and_looked_at(make_step):
    step = make_step("identity")
    with pytest.raises(ValueError, match=r"labels=true, but picture '.*' of .* has label -1; allowed: 0 to 29"):
        measure_utility(step, load_split(step, "identity"), CPU, labels=True)
    assert not (step.run / "utility.csv").exists()


def test_top1_is_against_labels(tmp_path):
    (tmp_path / "utility.csv").write_text(
        "key,group,label,undefended,arrived\n" + "".join(f"k{i},g{i},1,{i % 2},{i % 3}\n" for i in range(6))
    )
    answers = read_answers(tmp_path / "utility.csv")
    assert answers.top1("undefended", 50, 0).mean == 3 / 6
    assert answers.top1("arrived", 50, 0).mean == 2 / 6
    assert answers.agreement(50, 0).mean == 2 / 6


@pytest.mark.parametrize("text", ["", "key,group\n", "key,group,label,undefended,arrived\n", None])
def test_a_damaged_table_is_named(tmp_path, text):
    if text is not None:
        (tmp_path / "utility.csv").write_text(text)
    with pytest.raises(ValueError, match=r"utility\.csv is no table of answers: .*; delete it to measure again"):
        read_answers(tmp_path / "utility.csv")
