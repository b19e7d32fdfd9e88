from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
import torch

from inverter.audit.picture_sheet import PictureSheet, Strip
from inverter.audit.score import LeakScore
from inverter.evaluation.recon_files import png
from inverter.evaluation.results import Comparison, Score
from inverter.tradeoff.record import SettingRecord, Tradeoff

METRIC = "reid_mrr/colour"


def build_score(value: float, low: float | None = None, high: float | None = None, attack: str = "mean") -> LeakScore:
    low, high = (max(value - 0.05, 0.0) if low is None else low), (min(value + 0.05, 1.0) if high is None else high)
    means = {"attack_value": value, "floor": "chance", "floor_value": 0.0, "ceiling_value": 1.0}
    return LeakScore(value, low, high, value, low, high, attack, **means, by_attack={"mean": value, "sample": value})


def build_comparison(a: str, b: str, difference: float) -> Comparison:
    ends, claim = (difference - 0.02, difference + 0.02), abs(difference) > 0.02
    return Comparison(a, b, METRIC, difference, *ends, excludes_zero=claim, claim=claim, n=40, groups=40)


def build_setting(
    name: str,
    score: float | None,
    agreement: float,
    protection: float | None = None,
    gain: float | None = None,
    groups: int = 40,
) -> SettingRecord:
    """A setting whose best attack gets ``score``; differences above 0.02 are claims."""
    plain = {"psnr": Score(20.0, 19.0, 21.0, 40, 40)}
    if score is not None:
        plain[METRIC] = Score(score, score - 0.05, score + 0.05, 40, 40)
    metrics = {"mean": plain, "sample": plain}
    if gain is not None:
        metrics |= {"static mean": plain, "static sample": plain}
    return SettingRecord(
        name=name,
        payload=name,
        defence=None,
        knows="all of it",
        bytes=64.5,
        ratio=0.5,
        agreement=Score(agreement, agreement - 0.03, min(agreement + 0.03, 1.0), 100, groups),
        top1=None,
        scores={} if score is None else {METRIC: build_score(score), "psnr": build_score(0.5)},
        unscored={METRIC: "no span"} if score is None else {},
        metrics=metrics,
        gains=() if gain is None else (build_comparison("mean", "static mean", gain),),
        protection=() if protection is None else (build_comparison("sample", "mean", protection),),
        cost={"pairs": 2048.0, "pairs_seen": 9000.0, "steps": 300.0, "train_seconds": 120.0},
        entropy=7.25,
    )


def build_tradeoff(settings: Sequence[SettingRecord], **changed) -> Tradeoff:
    found = Tradeoff(
        target={"name": "net<script>", "layer": "b", "input_size": 32, "weights_sha256": "0" * 64},
        prior="tiny",
        picture_size=32,
        settings=tuple(settings),
        metric=METRIC,
        pareto=(),
        protecting=(),
        keep=0.9,
        recommended=None,
        limits={},
        needs={},
        exceeded=(),
        below=(),
        num_images=40,
        num_sources=40,
        threat_model="A & B",
        caveats=("no proof",),
        notes=("café",),
        config={"payloads": ["int8"], "optim": {"lr": 0.1}},
        seed=0,
        commit=None,
        environment={"cpus": 2},
    )
    found = replace(found, **changed)
    return replace(found, **found.verdict())


@pytest.fixture(scope="session")
def make_setting() -> Callable[..., SettingRecord]:
    return build_setting


@pytest.fixture(scope="session")
def make_tradeoff() -> Callable[..., Tradeoff]:
    """Function from settings, and fields to change, to a trade-off with the verdict that follows."""
    return build_tradeoff


@pytest.fixture
def tradeoff() -> Tradeoff:
    return build_tradeoff(
        [
            build_setting("identity", 0.6, 1.0),
            build_setting("<i>int8</i>", 0.6, 0.99, protection=0.0, gain=0.0),
            build_setting("nopeek", 0.2, 0.95, protection=-0.4, gain=0.1),
            build_setting("gaussian:4", 0.3, 0.5, protection=-0.3, gain=0.2),
        ],
        limits={"nopeek": 0.3},
        needs={"gaussian:4": 0.9},
    )


@pytest.fixture
def sheet() -> PictureSheet:
    picture = png(torch.zeros(3, 4, 4, dtype=torch.uint8))
    strips = (Strip("", "original", (picture,)), Strip("<i>int8</i>", "static mean", (picture,)))
    return PictureSheet(("<u>k</u>",), strips)
