import json
from pathlib import Path

import pytest

from inverter.audit.plan import Step
from inverter.audit.progress import LEFT, LayerProgress
from inverter.blackbox.config import TrainConfig
from inverter.config import EvaluateConfig
from inverter.targets.layers import LayerInfo


@pytest.fixture
def step(tmp_path: Path, train_config) -> Step:
    for split in ("train", "dev", "val"):
        (tmp_path / "pairs" / split).mkdir(parents=True)
        (tmp_path / "pairs" / split / "manifest.json").write_text(split)
    train: TrainConfig = train_config(tmp_path / "run")
    train.data.path = str(tmp_path / "pairs")
    info = LayerInfo("features.2", (6, 5, 7), 210, 840, 0.1, 0.5)
    return Step(info, {}, train, EvaluateConfig(inverter=train.output))


def leave(step: Step, stage: str) -> None:
    for file in LEFT[stage]:
        (step.run / file).parent.mkdir(parents=True, exist_ok=True)
        (step.run / file).touch()


def test_done_when_finished_and_whole(step):
    progress = LayerProgress(step)
    assert not progress.done("train")
    progress.begin("train")
    leave(step, "train")
    assert not LayerProgress(step).done("train")  # killed before it was noted
    progress.finish("train")
    leave(step, "evaluate")
    progress.finish("evaluate", prompt_change=2.5)
    again = LayerProgress(step)
    assert again.done("train") and again.done("evaluate") and again.noted("evaluate", "prompt_change") == 2.5
    (step.evaluation / "metrics.json").unlink()
    assert not LayerProgress(step).done("evaluate")


def test_a_setting_that_came_later_does_not_undo_what_is_done(step):
    progress = LayerProgress(step)
    progress.begin("train")
    leave(step, "train")
    progress.finish("train")
    saved = json.loads(progress.path.read_text())
    assert saved["train"]["recipe"].pop("start_from", "absent") is None
    progress.path.write_text(json.dumps(saved))
    assert LayerProgress(step).done("train")


def test_what_does_not_matter_may_change(step):
    progress = LayerProgress(step)
    progress.begin("train")
    step.train.trainer.every_n_seconds, step.train.data.num_workers, step.train.resume = 7, 3, False
    step.evaluate.device = "cuda"
    for stage, recipe in LayerProgress(step).recipes.items():
        assert recipe.values == progress.recipes[stage].values


def test_another_training_is_refused(step):
    LayerProgress(step).begin("train")
    step.train.optim.lr = 0.5
    with pytest.raises(ValueError, match=r"was made with optim.lr=0.001, now 0.5; choose"):
        LayerProgress(step)
    step.train.optim.lr = 1e-3
    (step.pairs / "dev" / "manifest.json").write_text("other pairs")
    with pytest.raises(ValueError, match=r"was made with dev="):
        LayerProgress(step)


def test_a_key_that_nothing_reads_undoes_nothing(step):
    for stage in ("train", "evaluate"):
        leave(step, stage)
        LayerProgress(step).finish(stage)
    saved = json.loads((step.run / "steps.json").read_text())
    saved["train"]["recipe"]["model.rank"] = saved["evaluate"]["recipe"]["training.model.rank"] = 5
    (step.run / "steps.json").write_text(json.dumps(saved))
    assert LayerProgress(step).done("train") and LayerProgress(step).done("evaluate")


def test_another_evaluation_is_only_done_again(step):
    for stage in ("train", "evaluate"):
        leave(step, stage)
        LayerProgress(step).finish(stage)
    step.evaluate.num_bootstrap = 7
    assert LayerProgress(step).done("train") and not LayerProgress(step).done("evaluate")
    step.evaluate.num_bootstrap = EvaluateConfig.num_bootstrap
    assert LayerProgress(step).done("evaluate")
    (step.pairs / "val" / "manifest.json").write_text("other pictures")
    assert LayerProgress(step).done("train") and not LayerProgress(step).done("evaluate")


def test_a_run_that_no_audit_made_is_refused(step):
    step.run.mkdir()
    (step.run / "train.yaml").write_text("seed: 0\n")
    with pytest.raises(ValueError, match="holds a run that no audit made"):
        LayerProgress(step)


def test_the_record_is_plain_json(step):
    LayerProgress(step).begin("train")
    saved = json.loads((step.run / "steps.json").read_text())
    assert saved["train"]["done"] is False and saved["train"]["recipe"]["optim.lr"] == 1e-3


def test_a_record_of_an_older_version_goes_on(step):
    """Settings nested, and none that came later."""
    leave(step, "train")
    LayerProgress(step).finish("train")
    path = step.run / "steps.json"
    saved = json.loads(path.read_text())
    nested: dict = {}
    for name, value in saved["train"]["recipe"].items():
        if not name.startswith("memory."):
            *groups, last = name.split(".")
            place = nested
            for group in groups:
                place = place.setdefault(group, {})
            place[last] = value
    path.write_text(json.dumps({"train": {**saved["train"], "recipe": nested}}))
    assert LayerProgress(step).done("train")
