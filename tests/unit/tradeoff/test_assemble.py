from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch

from inverter.audit.metrics import PerImage
from inverter.evaluation.methods import STATIC
from inverter.evaluation.results import Results, Row, Score, SentSize
from inverter.tradeoff.assemble import compare_best, other_shape_notes

N = 40


@pytest.fixture
def make() -> Callable[..., tuple[Results, PerImage]]:
    """Function from method to metric to values of 40 pictures of 40 sources, to an evaluation."""

    def build(values: dict[str, dict[str, list[float]]], groups: int = N) -> tuple[Results, PerImage]:
        names = {"mean image": "floor", "round trip": "ceiling"}
        rows = tuple(
            Row(
                name,
                names.get(name, "attack"),
                None,
                {m: Score(sum(v) / N, 0.0, 1.0, N, groups) for m, v in found.items()},
            )
            for name, found in values.items()
        )
        results = Results(
            rows=rows,
            chance={},
            comparisons=(),
            missing=(),
            payload=SentSize(8, 4),
            num_images=N,
            num_sources=groups,
            target=None,
            weights_sha256=None,
            threat_model="",
            notes=(),
            config={},
            seed=0,
            commit=None,
            environment={},
        )
        tensors = {
            name: {metric: torch.tensor(each, dtype=torch.float64) for metric, each in found.items()}
            for name, found in values.items()
        }
        keys = tuple(f"k{i}" for i in range(N))
        return results, PerImage(keys, tuple(f"g{i % groups}" for i in range(N)), tensors)

    return build


def ramp(start: float, slope: float = 0.01) -> list[float]:
    return [start + slope * i for i in range(N)]


def test_the_best_attack_is_compared_with_the_best_one_paired_by_picture(make):
    """Pictures differ by far more than the attacks do: only pairing shows it."""
    undefended = make({"mean": {"psnr": ramp(20, 0.5)}, "mean image": {"psnr": ramp(90)}})
    noise = [0.01 * (i % 3) for i in range(N)]
    here = make(
        {
            "mean": {"psnr": [x - 2 for x in ramp(20, 0.5)]},
            f"{STATIC}mean": {"psnr": [x - 1 + e for x, e in zip(ramp(20, 0.5), noise, strict=True)]},
            "mean image": {"psnr": ramp(90)},
        }
    )
    (found,) = compare_best(here, undefended, 200)
    assert (found.a, found.b, found.metric) == ("static mean", "mean", "psnr")
    assert found.difference == pytest.approx(-1 + sum(noise) / N) and found.claim
    assert -1 <= found.low < found.difference < found.high < -0.95


def test_an_unchanged_value_is_no_gain_and_few_sources_claim_nothing(make):
    """One picture whose PSNR stays as it was says nothing, nor does a hundred crops of it."""
    values = {"mean": {"psnr": ramp(20), "reid_mrr/a": ramp(0.1)}}
    for found in compare_best(make(values), make(values), 200):
        assert found.difference == 0 and not found.claim and not found.excludes_zero
    less = {"mean": {"psnr": [x - 5 for x in ramp(20)]}}
    (one,) = compare_best(make(less, 1), make(values, 1), 200)
    assert one.low is None and not one.claim
    (few,) = compare_best(make(less, 19), make(values, 19), 200)
    assert few.excludes_zero and not few.claim


def test_judges_that_disagree_claim_nothing(make):
    undefended = make({"mean": {"reid_mrr/a": ramp(0.5), "reid_mrr/b": ramp(0.5)}})
    here = make({"mean": {"reid_mrr/a": ramp(0.1), "reid_mrr/b": ramp(0.6)}})
    assert [c.claim for c in compare_best(here, undefended, 200)] == [False, False]
    unmoved = make({"mean": {"reid_mrr/a": ramp(0.1), "reid_mrr/b": ramp(0.5)}})
    assert [c.claim for c in compare_best(unmoved, undefended, 200)] == [False, False]
    agreeing = make({"mean": {"reid_mrr/a": ramp(0.1), "reid_mrr/b": ramp(0.4)}})
    assert [c.claim for c in compare_best(agreeing, undefended, 200)] == [True, True]


def test_of_a_distance_the_best_attack_is_the_lowest(make):
    undefended = make({"mean": {"lpips": ramp(0.2)}, "sample": {"lpips": ramp(0.5)}})
    here = make({"mean": {"lpips": ramp(0.7)}, "sample": {"lpips": ramp(0.4)}})
    (found,) = compare_best(here, undefended, 200)
    assert (found.a, found.b) == ("sample", "mean") and found.difference == pytest.approx(0.2)


def test_what_each_setting_measures_with_a_yardstick_of_its_own_is_not_compared(make):
    values = {"mean": {"psnr": ramp(20), "feature_cosine": ramp(0.5)}}
    assert [found.metric for found in compare_best(make(values), make(values), 50)] == ["psnr"]


def test_four_hits_that_are_gone_are_no_protection(make):
    """Replicates without any of 4 hits in 40 are rare, yet 0 of 40 is what a setting with as many hits often shows."""
    undefended, here = (make({"mean": {"reid_top1/a": [1.0] * hits + [0.0] * (N - hits)}}) for hits in (4, 0))
    (found,) = compare_best(here, undefended, 2000)
    assert found.difference == -0.1 and found.high > 0 and not found.claim
    (many,) = compare_best(here, make({"mean": {"reid_top1/a": [1.0] * 12 + [0.0] * (N - 12)}}), 2000)
    assert many.high < 0 and many.claim


@pytest.mark.parametrize(("start", "said"), [("trained", "the budgets of both trainings"), (None, "lack of it")])
def test_an_attack_that_could_not_begin_with_the_published_inverter_is_not_said_to_be_its_equal(start, said):
    def step(name: str, begun: str | None) -> SimpleNamespace:
        return SimpleNamespace(name=name, train=SimpleNamespace(start_from=begun))

    plan = SimpleNamespace(steps=[step("identity", "blocks.2"), step("bottleneck", None)], start=start)
    (note,) = other_shape_notes(plan)
    assert note.startswith("Features of bottleneck") and said in note
    assert ("not the training of blocks.2" in note) == (start is None)
