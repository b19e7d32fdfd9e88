from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from inverter.audit.metrics import read_per_image, score_metrics
from inverter.audit.picture_sheet import PictureSheet, Strip
from inverter.audit.record import Audit, LayerRecord
from inverter.audit.score import LeakScore
from inverter.evaluation import Results
from inverter.evaluation.metrics import Missing
from inverter.evaluation.recon_files import png
from inverter.evaluation.results import Row, Score, SentSize

KINDS = {
    "nearest training image": "floor",
    "mean image": "floor",
    "unconditional sample": "floor",
    "round trip": "ceiling",
    "original": "ceiling",
}


def build_score(value: float = 0.5, low: float | None = 0.4, high: float | None = 0.6, **changed) -> LeakScore:
    ends = {"raw": value, "raw_low": low, "raw_high": high}
    names = {"attack": "mean", "floor": "chance", "by_attack": {"mean": value, "sample": value - 0.1}}
    means = {"attack_value": 0.5, "floor_value": 0.0, "ceiling_value": 1.0}
    return LeakScore(**{"value": value, "low": low, "high": high, **ends, **names, **means, **changed})


def build_results(values: dict[str, dict[str, list[float]]], chance: dict[str, float] | None = None) -> Results:
    """An evaluation of four pictures from two sources with these numbers per picture."""
    rows = tuple(
        Row(
            name,
            KINDS.get(name, "attack"),
            None,
            {metric: Score(sum(xs) / len(xs), min(xs), max(xs), 4, 2) for metric, xs in metrics.items()},
            {"seconds_per_image": 0.1},
        )
        for name, metrics in values.items()
    )
    return Results(
        rows=rows,
        chance=chance or {},
        comparisons=(),
        missing=(),
        payload=SentSize(8, 4),
        num_images=4,
        num_sources=2,
        target=None,
        weights_sha256=None,
        threat_model="black-box",
        notes=(),
        config={},
        seed=0,
        commit=None,
        environment={},
        keys=("a", "b", "c", "d"),
        groups=("p", "p", "q", "q"),
        per_image=values,
    )


@pytest.fixture(scope="session")
def make_score() -> Callable[..., LeakScore]:
    """Function from value and interval to a score; keywords change other fields."""
    return build_score


@pytest.fixture(scope="session")
def make_results() -> Callable[..., Results]:
    """Function from method to metric to four numbers, and from guesses, to an evaluation."""
    return build_results


@pytest.fixture
def scored(tmp_path: Path) -> Callable[[Results], dict[str, LeakScore | Missing]]:
    """Function from an evaluation to its scores, by way of its file."""

    def score(results: Results) -> dict[str, LeakScore | Missing]:
        results.write_csv(tmp_path / "per_image.csv")
        return score_metrics(results, read_per_image(tmp_path / "per_image.csv"), num_bootstrap=200)

    return score


@pytest.fixture
def audit() -> Audit:
    layers = tuple(
        LayerRecord(
            layer=name,
            feature_shape=(4, 2, 2),
            numbers=16,
            bytes=64,
            ratio=0.5,
            device_share=0.25 * (i + 1),
            scores={"reid_mrr/colour": build_score(0.5 - i / 4, 0.4 - i / 4, 0.6 - i / 4), "psnr": build_score()},
            unscored={"ssim": "no span"},
            metrics={"mean": {"psnr": Score(20.0, 19.0, 21.0, 4, 2), "reid_mrr/colour": Score(0.5, 0.4, 0.6, 4, 2)}},
            cost={"pairs": 4096, "pairs_seen": 9000, "train_seconds": 270.5},
            prompt_change=0.5,
            diagnosis=("Look <b>here</b>.",) if i else (),
        )
        for i, name in enumerate(["<i>a</i>", "b"])
    )
    return Audit(
        target={"name": "net<script>", "input_size": 32, "payload": "identity", "weights_sha256": "0" * 64},
        prior="tiny",
        picture_size=32,
        layers=layers,
        metric="reid_mrr/colour",
        threshold=0.4,
        recommended="b",
        limits={"b": 0.3},
        exceeded=("b",),
        num_images=40,
        num_sources=40,
        threat_model="A & B",
        caveats=("no proof",),
        notes=("café",),
        config={"layers": None, "optim": {"lr": 0.1}},
        seed=0,
        commit=None,
        environment={"cpus": 2},
    )


@pytest.fixture
def sheet() -> PictureSheet:
    picture = png(torch.zeros(3, 4, 4, dtype=torch.uint8))
    return PictureSheet(("<u>k</u>",), (Strip("", "original", (picture,)), Strip("<i>a</i>", "mean", (picture,))))
