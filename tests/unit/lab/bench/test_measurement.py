import time

import pytest
import torch

from inverter.lab.bench.measurement import Measurement, alternate, divide

CPU = torch.device("cpu")


def test_summary_is_median_and_range():
    measurement = Measurement.of("loader", "x", [3.0, 1.0, 8.0], "how")
    assert (measurement.value, measurement.low, measurement.high, measurement.rounds) == (3.0, 1.0, 8.0, 3)
    assert measurement.met is None


@pytest.mark.parametrize(("more_is_better", "met"), [(True, True), (False, False)])
def test_aim_has_a_direction(more_is_better, met):
    assert Measurement.of("loop", "x", [2.0], "how", aim=1.5, more_is_better=more_is_better).met is met


def test_rounds_alternate_after_one_call_each():
    order: list[str] = []
    seconds = alternate([lambda: order.append("a"), lambda: order.append("b")], 2, CPU, repeats=2)
    assert "".join(order) == "ab" + "aabb" * 2
    assert [len(row) for row in seconds] == [2, 2]


def test_clock_gives_seconds_a_call():
    slow, fast = alternate([lambda: time.sleep(0.02), lambda: None], 3, CPU, repeats=2)
    assert all(second >= 0.02 for second in slow)
    assert min(divide(slow, fast)) > 2
