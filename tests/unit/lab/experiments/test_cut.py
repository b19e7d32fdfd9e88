import pytest

from inverter.evaluation.intervals import Difference
from inverter.lab.experiments.cut import describe


@pytest.mark.parametrize(
    ("mean", "low", "high", "sources", "word"),
    [
        (0.05, 0.03, 0.07, 20, "loses"),
        (0.05, 0.03, 0.07, 19, "too few sources"),
        (0.001, -0.002, 0.004, 20, "loses nothing"),
        (0.001, -0.002, 0.004, 3, "too few sources"),
        (0.005, -0.002, 0.02, 20, "cannot be told"),
    ],
)
def test_a_cut_is_judged_by_20_sources_alone(mean, low, high, sources, word):
    said = describe(0.5, Difference(mean, low, high, 40, sources))
    assert said.startswith(f"{word} (feature loss {mean / 0.5:+.1%}, ")
