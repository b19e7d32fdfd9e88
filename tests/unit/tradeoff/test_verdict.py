from dataclasses import replace

import pytest

from inverter.evaluation.results import Score
from inverter.tradeoff.verdict import below, less, more, pareto_set, protecting, recommend

METRIC = "reid_mrr/colour"


def test_the_pareto_set_is_what_no_other_setting_beats(make_setting):
    settings = [
        make_setting("identity", 0.6, 1.0),
        make_setting("worse in both", 0.7, 0.9),
        make_setting("same score, less agreement", 0.6, 0.9),
        make_setting("safest", 0.1, 0.4),
        make_setting("safest too", 0.1, 0.4),
        make_setting("between", 0.3, 0.8),
        make_setting("without a score", None, 1.0),
    ]
    assert pareto_set(settings, METRIC) == ("identity", "safest", "safest too", "between")
    late = replace(settings[5], cost={"pairs": 2048.0, "pairs_seen": 2047.0})
    assert pareto_set([*settings[:5], late], METRIC) == ("identity", "safest", "safest too")


def test_only_a_paired_claim_of_less_protects(make_setting):
    settings = [
        make_setting("identity", 0.6, 1.0),
        make_setting("less", 0.2, 0.9, protection=-0.4),
        make_setting("more", 0.8, 0.9, protection=0.2),
    ]
    no_claim = replace(settings[1], name="no claim", protection=(replace(settings[1].protection[0], claim=False),))
    other = replace(settings[1], name="other metric", protection=(replace(settings[1].protection[0], metric="psnr"),))
    late = replace(settings[1], name="late", cost={"pairs": 2048.0, "pairs_seen": 0.0})
    assert protecting([*settings, no_claim, other, late], METRIC) == ("less",)


def test_of_distances_less_leakage_is_a_larger_one(make_setting):
    (difference,) = make_setting("x", 0.5, 1.0, protection=0.3).protection
    assert not less([difference], METRIC) and more([difference], METRIC)
    distance = replace(difference, metric="lpips")
    assert less([distance], "lpips") and not more([distance], "lpips")


def test_what_is_recommended_protects_and_is_shown_to_keep_the_answers(make_setting):
    settings = [
        make_setting("identity", 0.6, 1.0),
        make_setting("safest", 0.1, 0.92, protection=-0.5),  # its lower end is 0.89
        make_setting("safe", 0.2, 0.95, protection=-0.4),
        make_setting("less safe", 0.3, 0.99, protection=-0.3),
    ]
    protects = protecting(settings, METRIC)
    assert recommend(settings, METRIC, protects, 0.9) == "safe"
    assert recommend(settings, METRIC, protects, 0.85) == "safest"
    assert recommend(settings, METRIC, protects, 0.99) is None
    assert recommend(settings, METRIC, (), 0.5) is None
    few = [replace(each, agreement=replace(each.agreement, groups=19)) for each in settings]
    assert recommend(few, METRIC, protects, 0.5) is None


@pytest.mark.parametrize(
    ("low", "groups", "kept"), [(0.9, 20, True), (0.89, 20, False), (0.99, 19, False), (None, 40, False)]
)
def test_a_need_is_held_against_the_lower_end(low, groups, kept):
    found = below({"a": 0.9}, {"a": Score(0.95, low, 1.0, 40, groups), "b": Score(0.0, 0.0, 0.0, 40, 40)})
    assert found == (() if kept else ("a",))
