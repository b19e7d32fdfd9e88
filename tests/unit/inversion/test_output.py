import json

import torch
from PIL import Image

from inverter.data.inputs import Input
from inverter.inversion.output import Output, measure_clip
from inverter.whitebox.config import InvertConfig
from inverter.whitebox.loop import Result
from inverter.whitebox.search_state import COUNTS


def result(size: int, stopped_by: int | None = None, limit: str | None = None) -> Result:
    loss = torch.tensor([0.5, 0.25, 0.125])[:size]
    counts = {name: torch.full((size,), 7) for name in COUNTS}
    return Result(torch.full((size, 3, 16, 16), 0.5), loss, 2 * loss, {}, counts, 1.5, stopped_by, limit)


def test_what_is_written(tmp_path):
    output = Output(tmp_path, InvertConfig(input="x", method="direct"), 16)
    picture = torch.zeros(3, 16, 16, dtype=torch.uint8)
    output.add([Input("a", picture), Input("b", picture)], result(2), ["a dog", None])
    output.add([Input("c", picture)], result(1), [None])
    (tmp_path / "state").mkdir()
    output.finish()
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["keys"] == ["a", "b", "c"]
    assert summary["feature_loss"] == (0.5 + 0.25 + 0.5) / 3
    assert (summary["seconds"], summary["target_queries"]) == (3.0, 21)
    assert (summary["target"], summary["layers"]) == ("timm:tf_efficientnet_lite0", ["blocks.2"])
    assert summary["stopped_by"] is None
    assert summary["images"]["b"]["first_feature_loss"] == 0.5
    assert [row["prompt"] for row in summary["images"].values()] == ["a dog", None, None]
    assert summary["peak_memory_bytes"] > 10**7
    assert sorted(path.name for path in (tmp_path / "recon").iterdir()) == ["a.png", "b.png", "c.png"]
    assert Image.open(tmp_path / "preview.png").size == (3 * 18 + 2, 2 * 18 + 2)
    assert not (tmp_path / "state").exists()


def test_a_stopped_run_keeps_its_states(tmp_path):
    output = Output(tmp_path, InvertConfig(input="x", method="direct"), 16)
    (tmp_path / "state").mkdir()
    output.add([Input("a")], result(1, stopped_by=15), [None])
    output.finish()
    assert (tmp_path / "state").is_dir()
    assert json.loads((tmp_path / "summary.json").read_text())["stopped_by"] == "SIGTERM"
    assert Image.open(tmp_path / "preview.png").size == (16, 16)  # features alone: no originals to show


def test_a_budget_that_ended_one_batch_is_told(tmp_path):
    output = Output(tmp_path, InvertConfig(input="x", method="direct"), 16)
    output.add([Input("a")], result(1, limit="max_queries"), [None])
    output.add([Input("b")], result(1), [None])
    (tmp_path / "state").mkdir()
    for key in ("a", "other"):
        (tmp_path / "state" / f"{key}.safetensors").touch()
    output.finish()
    assert json.loads((tmp_path / "summary.json").read_text())["stopped_by"] == "max_queries"
    assert [path.stem for path in (tmp_path / "state").iterdir()] == ["other"]  # of a run on other inputs


def test_the_metrics_of_a_clip():
    original = torch.rand(4, 3, 16, 16)
    found = measure_clip(original, original)
    assert found["psnr"] == [60.0] * 4
    assert found["mean_ssim"] == 1.0
    assert found["flicker"] == [0.0] * 3
    assert len(found["warping_error"]) == 3
