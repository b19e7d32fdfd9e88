"""A trade-off of two payloads of a tiny classifier: killed, gone on with, read back, held against limits."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from spies import Killed, kill, spy

from inverter.__main__ import main
from inverter.blackbox.config import TrainConfig
from inverter.config import EvaluateConfig
from inverter.data.online import OnlinePairModule
from inverter.data.reader import PairDataset
from inverter.stages import audit, evaluate, train
from inverter.tradeoff.record import Tradeoff

TRAINING = [
    *("optim.max_steps=20", "optim.lr=5e-3", "optim.warmup_steps=2", "shard_size=8", "queries=3", "limit=8"),
    *("judges=[residual]", "model.num_inference_steps=4"),
]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tradeoff")


@pytest.fixture(scope="module")
def words(root: Path, tradeoff_words: Callable[[Path], list[str]]) -> list[str]:
    return [*tradeoff_words(root), *TRAINING]


def test_a_killed_tradeoff_goes_on_and_says_what_each_attack_found(
    words: list[str], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, done = root / "tradeoff", []

    def note(name: str) -> Callable[[TrainConfig | EvaluateConfig], None]:
        return lambda config: done.append(f"{name} {Path(config.output or config.inverter).name}")

    train_run, evaluate_run = train.run, evaluate.run
    monkeypatch.setattr(audit.train, "run", spy(note("train"), train_run))
    monkeypatch.setattr(audit.evaluate, "run", kill)
    with pytest.raises(Killed):
        main(words)
    shards = {path: path.stat().st_mtime_ns for path in root.rglob("*.tar")}
    assert done == ["train start", "train identity"] and len(shards) == 2 * (2 + 1 + 3)

    monkeypatch.setattr(audit.evaluate, "run", spy(note("evaluate"), evaluate_run))
    assert main(words) == 0
    assert done[2:] == ["evaluate identity", "train gaussian-0.5", "evaluate gaussian-0.5"]
    assert shards == {path: path.stat().st_mtime_ns for path in root.rglob("*.tar")}
    assert main(words) == 0 and len(done) == 5

    for setting in ("identity", "gaussian-0.5"):
        begun = json.loads((output / setting / "train.json").read_text())["began_with"]
        assert [each["name"] for each in begun] == ["start"]
    found = Tradeoff.load(output / "report.json")
    plain, noisy = found.settings
    assert (plain.name, noisy.name, noisy.payload) == ("identity", "gaussian:0.5", "gaussian:0.5")
    assert plain.bytes == noisy.bytes == 4096
    assert plain.agreement.mean == 1 and plain.agreement.n == 24
    assert found.config["noise_level"] == 0.25
    assert "noise_level: 0.25" in (output / "gaussian-0.5" / "train.yaml").read_text()
    assert "noise_level: 0.0" in (output / "identity" / "train.yaml").read_text()
    assert {"mean", "sample"} <= set(plain.metrics) and "static mean" not in plain.metrics
    assert {"mean", "sample", "static mean", "static sample", "mean of 3 queries"} <= set(noisy.metrics)
    assert {(c.a, c.b) for c in noisy.gains} == {("mean", "static mean"), ("sample", "static sample")}
    assert {c.metric for c in noisy.gains} >= {"psnr", *(m for m in noisy.metrics["mean"] if "reid_mrr" in m)}
    assert plain.protection == () and noisy.protection
    assert found.protecting == () and found.recommended is None  # eight sources


def test_pictures_are_those_of_every_setting_and_classes_those_of_the_network(root: Path) -> None:
    keys = [
        [pair["key"] for pair in PairDataset(root / f"pairs-{name}" / "val")] for name in ("identity", "gaussian-0.5")
    ]
    with (root / "tradeoff" / "gaussian-0.5" / "utility.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert keys[0] == keys[1] == [row["key"] for row in rows]
    assert {row["label"] for row in rows} == {"-1"}
    agreement = Tradeoff.load(root / "tradeoff" / "report.json").setting("gaussian:0.5").agreement
    assert agreement.mean == pytest.approx(sum(row["undefended"] == row["arrived"] for row in rows) / 24)


def test_the_gate_keeps_no_limit_with_few_sources(words: list[str], root: Path, capsys: pytest.CaptureFixture) -> None:
    for limit in ("fail_above=gaussian:0.5:1", "min_utility=identity:0"):
        with pytest.raises(SystemExit) as error:
            main([*words, limit])
        assert error.value.code == 3
    assert main([*words, "fail_above=int8:0.5"]) == 2
    assert "fail_above='int8:0.5'; allowed: NAME:NUMBER with one of identity, gaussian:0.5" in capsys.readouterr().err
    page = (root / "tradeoff" / "report.html").read_text()
    assert "Nothing is recommended and no limit is kept: 8 sources" in page
    assert "Utility needed of identity: 0.0, not kept" in page
    assert page.count("<img") == 6 * (2 + 3 + 5) and "<script" not in page


def test_noise_is_drawn_anew_where_pictures_go_through_the_device_in_training(
    words: list[str], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: dict[str, list[int]] = {"identity": [], "gaussian:0.5": []}
    send = OnlinePairModule.on_after_batch_transfer

    def note(self: OnlinePairModule, batch: dict[str, Any], index: int) -> dict[str, Any]:
        found = send(self, batch, index)
        if "features" not in batch:
            ((payload,),) = self.target.payloads
            drawn[payload.name].append(payload.generator.initial_seed() if payload.draws else 0)
        return found

    monkeypatch.setattr(OnlinePairModule, "on_after_batch_transfer", note)
    output, steps = root / "online", 3
    images = f"data.images={root}/pairs-identity/train/*.tar"
    assert main([*words, f"output={output}", images, f"optim.max_steps={steps}"]) == 0
    assert len(drawn["identity"]) == 2 * steps and len(set(drawn["gaussian:0.5"])) == steps
    found = Tradeoff.load(output / "report.json")
    assert "augmented and sent again and again" in found.threat_model
    assert "augmented anew, with noise drawn anew" in found.threat_model
    assert {each.cost["pairs"] for each in found.settings} == {16}
    assert "one draw of a payload's noise" in Tradeoff.load(root / "tradeoff" / "report.json").threat_model


def test_labels_that_are_no_classes_of_the_network(words: list[str], capsys: pytest.CaptureFixture) -> None:
    assert main([*words, "labels=true"]) == 2
    assert "labels=true, but picture" in capsys.readouterr().err
