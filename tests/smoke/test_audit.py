"""An audit of a tiny network with two layers: killed, gone on with, read back, held against limits."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from markupsafe import escape
from spies import Killed, kill, spy

from inverter.__main__ import main
from inverter.audit.record import Audit
from inverter.stages import audit as stage
from inverter.stages import evaluate, train

TRAINING = ["optim.max_steps=20", "optim.lr=5e-3", "optim.warmup_steps=2", "shard_size=8"]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("audit")


@pytest.fixture(scope="module")
def words(root: Path, audit_words: Callable[[Path], list[str]]) -> list[str]:
    return [*audit_words(root), *TRAINING]


def test_a_killed_audit_goes_on_and_fails_above_its_limit(
    words: list[str], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = root / "audit"
    done: list[str] = []

    train_run, evaluate_run = train.run, evaluate.run
    monkeypatch.setattr(stage.train, "run", spy(lambda config: done.append(f"train {config.target.layer}"), train_run))
    monkeypatch.setattr(stage.evaluate, "run", kill)
    with pytest.raises(Killed):
        main(words)
    shards = {path: path.stat().st_mtime_ns for path in root.rglob("*.tar")}
    assert done == ["train 1"] and len(shards) == 2 * (2 + 1 + 3)

    monkeypatch.setattr(
        stage.evaluate, "run", spy(lambda config: done.append(f"evaluate {config.target.layer}"), evaluate_run)
    )
    assert main(words) == 0
    assert done == ["train 1", "evaluate 1", "train 3", "evaluate 3"]
    assert shards == {path: path.stat().st_mtime_ns for path in root.rglob("*.tar")}

    audit = Audit.load(output / "report.json")
    assert [layer.layer for layer in audit.layers] == ["1", "3"]
    assert [(layer.feature_shape, layer.bytes) for layer in audit.layers] == [((4, 16, 16), 4096), ((6, 8, 8), 1536)]
    assert audit.layers[0].device_share < audit.layers[1].device_share < 1
    assert audit.layers[0].ratio == 1024 / (3 * 64 * 64)
    assert audit.layers[0].cost["target_queries"] == 24 and audit.layers[0].cost["train_seconds"] > 0
    assert audit.metric.startswith("reid_mrr/") and audit.num_images == 24
    page = (output / "report.html").read_text()
    assert page.count("<img") == 6 * (2 + 2 * 3) and "<svg" in page and "<script" not in page
    assert "What the score does not say" in page
    page = re.sub("</?code>", "`", page)
    assert all(str(escape(line)) in page for layer in audit.layers for line in layer.diagnosis)

    leaks = [(layer.layer, metric) for layer in audit.layers for metric, s in layer.scores.items() if s.high > 0]
    layer, metric = leaks[0]
    with pytest.raises(SystemExit) as error:  # no score is above 1, but ten sources keep no limit
        main([*words, f"metric={metric}", f"fail_above={layer}:1"])
    assert error.value.code == 3
    assert "No split is recommended and no limit is kept: 10 sources" in (output / "report.html").read_text()
    judged = Audit.load(output / "report.json")
    assert (judged.metric, judged.exceeded) == (metric, (layer,))
    assert len(done) == 4  # other questions to the same measurements


def test_new_weights_of_the_target_are_refused(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import nets_to_audit

    torch.manual_seed(1)
    network = nets_to_audit.build()
    monkeypatch.setattr(nets_to_audit, "build", lambda: network)
    assert main(words) == 2
    assert "was made with weights" in capsys.readouterr().err.splitlines()[-1]


def test_changed_training_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "optim.max_steps=7"]) == 2
    assert "optim.max_steps=20, now 7" in capsys.readouterr().err.splitlines()[-1]
