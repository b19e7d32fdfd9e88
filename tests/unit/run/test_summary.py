import json
from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch.callbacks import Timer

from inverter.run.summary import save_summary, summary_path


@pytest.fixture
def config(tmp_path):
    return SimpleNamespace(output=str(tmp_path), data=SimpleNamespace(batch_size=4))


def trainer(steps: int, psnr: float) -> SimpleNamespace:
    best = SimpleNamespace(best_model_score=torch.tensor(20.5), monitor="dev/psnr")
    metrics = {"dev/psnr": torch.tensor(psnr)}
    return SimpleNamespace(
        callbacks=[Timer()], checkpoint_callback=best, callback_metrics=metrics, global_step=steps, world_size=2
    )


def test_a_run_says_what_it_saw_and_reached(config, tmp_path):
    summary = save_summary(trainer(3, 19.0), config, "train", seen="pairs_seen", pairs=10)
    assert json.loads((tmp_path / "summary.json").read_text()) == summary
    figures = {key: summary[key] for key in ("steps", "pairs_seen", "pairs", "dev/psnr", "best dev/psnr")}
    assert figures == {"steps": 3, "pairs_seen": 24, "pairs": 10, "dev/psnr": 19.0, "best dev/psnr": 20.5}
    assert summary["environment"]["python"] and "images_seen" not in summary


def test_a_finished_run_that_is_started_again_keeps_its_summary(config, tmp_path):
    first = save_summary(trainer(3, 19.0), config, "distill")
    assert summary_path(tmp_path, "distill").name == "distill.summary.json" and first["images_seen"] == 24
    assert save_summary(trainer(3, 1.0), config, "distill") == first
    assert save_summary(trainer(4, 1.0), config, "distill")["dev/psnr"] == 1.0
