"""A metric that is registered is measured, compared, written and named, wherever that happens."""

import csv
import io
from dataclasses import replace

import pytest
import torch
from rich.console import Console

from inverter.evaluation.harness import evaluate
from inverter.evaluation.labels import label, number
from inverter.evaluation.methods import Method
from inverter.evaluation.metrics import METRICS, ImageMetric, JudgeMetric, Metric, Missing, block, metrics_of
from inverter.evaluation.report import render_report
from inverter.evaluation.table import print_table

METHODS = {
    "bright": Method(lambda features: torch.ones(len(features), 3, 16, 12)),
    "dark": Method(lambda features: torch.zeros(len(features), 3, 16, 12)),
}


def brightness(recon, original, context):
    return recon.mean((1, 2, 3))


@pytest.fixture
def register(monkeypatch):
    """Function that adds a metric of pictures for one test."""
    METRICS.names()  # all files are read
    parts = dict(METRICS._parts)
    monkeypatch.setattr(METRICS, "_parts", parts)

    def add(measure):
        METRICS.register("brightness", ImageMetric(title="mean brightness", decimals=1, arrow="↑", measure=measure))

    return add


def test_it_follows_into_every_output(register, batches, tmp_path):
    register(brightness)
    results = evaluate(METHODS, batches, baseline="dark", num_bootstrap=20)
    assert results.row("bright").scores["brightness"].mean == 1
    (compared,) = [c for c in results.comparisons if c.metric == "brightness"]
    assert (compared.difference, compared.excludes_zero) == (1, True)
    results.write_csv(tmp_path / "images.csv")
    with (tmp_path / "images.csv").open() as stream:
        assert {row["brightness"] for row in csv.DictReader(stream) if row["method"] == "dark"} == {"0"}
    assert "mean brightness" in render_report(results)
    terminal = io.StringIO()
    print_table(replace(results, num_sources=20), Console(width=150, file=terminal))
    assert terminal.getvalue().count("mean brightness") == 2  # methods, differences
    assert number("brightness", 0.25) == "0.250" and block("brightness") > block("reid_top1/judge")


def test_what_some_batches_lack_has_no_mean(register, batches):
    def seldom(recon, original, context):
        return brightness(recon, original, context) if recon.max() < 1 else Missing("brightness", "too bright")

    register(seldom)
    results = evaluate(METHODS, batches, num_bootstrap=20)
    assert Missing("brightness", "too bright") in results.missing
    assert all("brightness" not in row.scores for row in results.rows)


@pytest.mark.parametrize("value", [torch.tensor(1.0), torch.ones(3) / 0])
def test_another_shape_and_infinity_are_refused(register, batches, value):
    register(lambda recon, original, context: value)
    with pytest.raises(ValueError, match=r"metric 'brightness' gave shape .*needed: \(3,\), all finite"):
        evaluate(METHODS, batches, num_bootstrap=20)


def test_kinds_and_titles():
    assert list(metrics_of(ImageMetric)) == ["psnr", "ssim", "lpips", "feature_cosine"]
    assert list(metrics_of(JudgeMetric)) == ["agreement"]
    assert label("reid_mrr/judge").title == "re-identification MRR (judge)"
    assert label("unknown") == Metric(title="unknown", decimals=3)
