"""Every name and number of a small evaluation, as ``metrics.json`` and ``per_image.csv`` hold them."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from inverter.evaluation.harness import evaluate
from inverter.evaluation.judges import Judge, draw_gallery
from inverter.evaluation.methods import Method
from inverter.targets.target import Target

EXPECTED = Path(__file__).with_name("small_evaluation.json")


class EdgeClassifier:
    """Logits are how much rows and columns differ; the embedding is the picture shrunk to 4 x 2."""

    def classify(self, images: Tensor) -> tuple[Tensor, Tensor]:
        edges = [images.diff(dim=dim).abs().mean((1, 2, 3)) for dim in (2, 3)]
        return 10 * torch.stack(edges, 1), F.adaptive_avg_pool2d(images, (4, 2)).flatten(1)


def small_evaluation(batches: list, train_batches: list, judge: Judge, folder: Path) -> dict[str, Any]:
    """What is written of it, without what the machine decides."""
    methods = {
        "enlarge": Method(lambda features: F.interpolate(features, (16, 12)), operating_point="mean"),
        "dark": Method(lambda features: F.interpolate(features, (16, 12), mode="bilinear").clamp(0, 1) / 2),
        "grey": Method(lambda features: torch.full((len(features), 3, 16, 12), 0.5), kind="floor"),
        "copy": Method(lambda image: image, kind="ceiling", sees="image"),
    }
    network = torch.nn.Sequential(torch.nn.AvgPool2d(2))
    target = Target(network, "0", name="tiny", input_size=16, mean=[0.0] * 3, std=[1.0] * 3)
    batches = [batch | {"features": target(batch["image"])} for batch in batches]
    results = evaluate(
        methods,
        batches,
        target=target,
        judges=[judge, Judge("edge", "edge network (nothing)", EdgeClassifier())],
        gallery=draw_gallery(train_batches),
        train_batches=train_batches,
        num_bootstrap=100,
    )
    results.save(folder / "metrics.json")
    results.write_csv(folder / "per_image.csv")
    metrics = json.loads((folder / "metrics.json").read_text())
    for row in metrics["methods"].values():
        del row["cost"]
    for key in ("commit", "environment"):
        del metrics[key]
    with (folder / "per_image.csv").open() as stream:
        return {"metrics": metrics, "per_image": list(csv.reader(stream))}


def assert_same(found: Any, expected: Any, place: str = "") -> None:
    """Names and their order as expected, numbers nearly."""
    if isinstance(expected, dict):
        assert list(found) == list(expected), place
        for key in expected:
            assert_same(found[key], expected[key], f"{place}/{key}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), place
        for number, (one, other) in enumerate(zip(found, expected, strict=True)):
            assert_same(one, other, f"{place}/{number}")
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-4, abs=1e-6), place
    else:
        assert found == expected, place


def numbers(table: list[list[str]]) -> list[list[str | float]]:
    """A table of text with its cells as numbers, from the second row and fourth column on."""
    head, *rows = table
    return [list(head), *([*row[:3], *(float(cell) if cell else "" for cell in row[3:])] for row in rows)]


def test_names_and_numbers_are_as_they_were(batches, train_batches, judge, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))  # without LPIPS
    found = small_evaluation(batches, train_batches, judge, tmp_path)
    expected = json.loads(EXPECTED.read_text())
    assert_same(found["metrics"], expected["metrics"])
    assert_same(numbers(found["per_image"]), numbers(expected["per_image"]))
