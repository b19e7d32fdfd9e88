"""Results and comparisons made by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from inverter.evaluation import Results
from inverter.evaluation.metrics import Missing
from inverter.evaluation.results import Comparison, Row, Score, SentSize


@pytest.fixture
def comparison() -> Callable[..., Comparison]:
    """Function that builds a comparison of ``a`` with ``b``."""

    def build(metric: str, difference: float, low: float | None, high: float | None, a="a", b="b") -> Comparison:
        zero = low is not None and high is not None and (low > 0 or high < 0)
        return Comparison(a, b, metric, difference, low, high, zero, zero, 28, 28)

    return build


@pytest.fixture
def results() -> Callable[..., Results]:
    """Function that builds results of attacks ``a`` and ``b`` with these comparisons."""

    def build(*comparisons: Comparison, **changed: object) -> Results:
        scores = {"psnr": Score(20.0, 19.0, 21.0, 8, 8), "agreement/one": Score(0.5, None, None, 8, 8)}
        cost = {"target_queries": 1024, "denoiser_calls": 4, "seconds_per_image": 1.5}
        rows = (
            Row("a", "attack", None, scores, cost),
            Row("b|c", "floor", None, {"psnr": scores["psnr"]}, {"seconds_per_image": 9.0}),
        )
        values = {
            "rows": rows,
            "chance": {"agreement/one": 0.001},
            "comparisons": comparisons,
            "missing": (Missing("is", "needs 1000 images, got 8"),),
            "payload": SentSize(10, 20),
            "num_images": 8,
            "num_sources": 8,
            "target": None,
            "weights_sha256": None,
            "threat_model": "",
            "notes": (),
            "config": {},
            "seed": 0,
            "commit": None,
            "environment": {},
        }
        return Results(**{**values, **changed})  # type: ignore[arg-type]

    return build
