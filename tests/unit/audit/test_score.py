import pytest
import torch

from inverter.audit.score import leak_score
from inverter.evaluation.intervals import Bootstrap, Statistic
from inverter.evaluation.metrics import Missing


def constant(value: float, bootstrap: Bootstrap) -> Statistic:
    return bootstrap.mean(torch.full((bootstrap.n,), value))


@pytest.fixture
def bootstrap() -> Bootstrap:
    return Bootstrap(4, ["p", "p", "q", "q"], num_bootstrap=500)


def test_by_hand(bootstrap):
    attacks = {"mean": constant(18, bootstrap), "sample": constant(16, bootstrap)}
    floors = {"grey": constant(10, bootstrap), "noise": constant(6, bootstrap)}
    score = leak_score("psnr", attacks, floors, constant(26, bootstrap), bootstrap)
    assert (score.value, score.raw_low, score.raw_high) == (0.5, 0.5, 0.5)  # (18 - 10) / (26 - 10)
    assert (score.attack, score.floor) == ("mean", "grey")
    assert score.by_attack == {"mean": 0.5, "sample": 0.375}
    assert (score.attack_value, score.floor_value, score.ceiling_value) == (18, 10, 26)


def test_a_distance_is_turned_round(bootstrap):
    attacks = {"mean": constant(0.5, bootstrap), "sample": constant(0.4, bootstrap)}
    floors = {"grey": constant(0.8, bootstrap), "noise": constant(0.9, bootstrap)}
    score = leak_score("lpips", attacks, floors, constant(0.3, bootstrap), bootstrap, lower_is_more=True)
    assert score.value == pytest.approx(0.8)  # (0.8 - 0.4) / (0.8 - 0.3)
    assert (score.attack, score.floor, score.floor_value) == ("sample", "grey", pytest.approx(0.8))


def test_the_interval_is_that_of_the_quotient(bootstrap):
    """Sources p and q alone give (4 - 0) / (8 - 0) and (6 - 2) / (6 - 2): the ends of a bootstrap over two sources."""
    attack, floor, ceiling = (
        bootstrap.mean(torch.tensor(values)) for values in ([3.0, 5, 6, 6], [0.0, 0, 2, 2], [8.0, 8, 6, 6])
    )
    score = leak_score("psnr", {"mean": attack}, {"grey": floor}, ceiling, bootstrap)
    assert score.value == pytest.approx((5 - 1) / (7 - 1))
    assert (score.raw_low, score.raw_high) == (pytest.approx(0.5), pytest.approx(1.0))


def test_every_replicate_has_its_own_best_attack_and_floor(bootstrap):
    """On p, `sample` and `noise` are ahead, on q `mean` and `grey`: replicates of one source see 0.5, not less."""
    attacks = {"mean": [2.0, 2, 6, 6], "sample": [5.0, 5, 1, 1]}
    floors = {"grey": [0.0, 0, 2, 2], "noise": [1.0, 1, 0, 0]}
    ceiling = bootstrap.mean(torch.tensor([9.0, 9, 10, 10]))
    means = [{name: bootstrap.mean(torch.tensor(x)) for name, x in group.items()} for group in (attacks, floors)]
    score = leak_score("psnr", *means, ceiling, bootstrap)
    assert score.raw == pytest.approx((4 - 1) / (9.5 - 1))
    assert (score.raw_low, score.raw_high) == (pytest.approx(3 / 8.5), pytest.approx(0.5))


@pytest.mark.parametrize(("attack", "raw", "value"), [(4, -0.5, 0), (30, 2.75, 1)])
def test_clamped_and_still_told(bootstrap, attack, raw, value):
    score = leak_score(
        "psnr",
        {"mean": constant(attack, bootstrap)},
        {"grey": constant(8, bootstrap)},
        constant(16, bootstrap),
        bootstrap,
    )
    assert score.value == value and score.low <= value <= score.high
    assert score.raw == score.raw_low == score.raw_high == raw


@pytest.mark.parametrize("ceiling", [[8.0, 8, 8, 8], [7.0, 7, 7, 7], [30.0, 30, 7, 7]])
def test_no_score_where_the_ceiling_does_not_clear_the_floor(bootstrap, ceiling):
    floor, attack = constant(8, bootstrap), constant(9, bootstrap)
    score = leak_score("psnr", {"mean": attack}, {"grey": floor}, bootstrap.mean(torch.tensor(ceiling)), bootstrap)
    assert isinstance(score, Missing)
    assert "is not clearly better than grey, 8" in score.reason


def test_a_single_source_has_no_interval():
    bootstrap = Bootstrap(2, ["p", "p"], num_bootstrap=10)
    score = leak_score(
        "psnr",
        {"mean": constant(9, bootstrap)},
        {"grey": constant(8, bootstrap)},
        constant(12, bootstrap),
        bootstrap,
    )
    assert (score.value, score.low, score.high, score.raw_high) == (0.25, None, None, None)


@pytest.mark.parametrize(("attack", "low", "high"), [(8.0, 0.0, 0.0877), (16.0, 0.9123, 1.0), (12.0, 0.5, 0.5)])
def test_no_leak_in_any_source_is_not_certainly_none(attack, low, high):
    """3.8415 / (40 + 3.8415) of the sources may leak wholly, or nothing, with none of these 40 among them."""
    bootstrap = Bootstrap(80, [str(i // 2) for i in range(80)], num_bootstrap=50)
    values = [constant(x, bootstrap) for x in (attack, 8, 16)]
    score = leak_score("psnr", {"mean": values[0]}, {"grey": values[1]}, values[2], bootstrap)
    assert (score.low, score.high) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))
