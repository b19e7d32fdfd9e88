import re
from dataclasses import replace

import pytest

from inverter.audit.diagnosis import diagnose, diagnose_depth
from inverter.evaluation.metrics import Missing

METRIC = "reid_mrr/a"
GOOD = {"pairs": 10, "pairs_seen": 30, "prompt_change": 5.0, "motion": {"mean": 1.0, "sample": 1.5}}
RETRIEVAL = {"attack": "nearest training image", "by_attack": {"nearest training image": 0.5, "mean": 0.1}}


@pytest.fixture
def results(make_results):
    """Function from what the round trip and the reconstructions reach to an evaluation."""

    def make(ceiling: float = 25.0, top1: float = 0.9, nearer: float = 0.1):
        return make_results(
            {
                "mean": {"psnr": [20.0] * 4, "nearer_to_train": [nearer] * 4},
                "round trip": {"psnr": [ceiling] * 4, "reid_top1/a": [top1] * 4},
            }
        )

    return make


def test_nothing_to_say(results, make_score):
    assert diagnose(results(), {METRIC: make_score()}, METRIC, **GOOD) == ()


@pytest.mark.parametrize(
    ("found", "score", "changed", "said"),
    [
        ({"ceiling": 19.9}, {}, {}, r"Out of the prior's domain: .*19.9 dB, 90% found again"),
        ({"top1": 0.4}, {}, {}, r"Out of the prior's domain: .*25.0 dB, 40% found again"),
        ({"nearer": 0.6}, {}, {}, r"Little of the picture comes back: 60%"),
        ({}, None, {}, r"No score in reid_mrr/a: no span\."),
        ({}, {"raw": -0.068, "value": 0.0}, {}, r"Worse than guessing: .* -0.068 in reid_mrr/a, shown as 0"),
        ({}, RETRIEVAL, {}, r"Retrieval beats inversion: .* 0.50 in reid_mrr/a, the best reconstruction 0.10"),
        ({}, {}, {"pairs_seen": 9}, "Trained too little: 9 pairs seen of 10"),
        ({}, {}, {"motion": {"mean": 0.6, "sample": 1.6}}, "Flickers: .*`sample` changes 1.60 times as much"),
        ({}, {}, {"motion": {"mean": 0.4, "sample": 1.0}}, "Smears: .*`mean` changes 0.40 times as much"),
        ({}, {}, {"prompt_change": 0.25}, "Prompt without effect: .*0.25 of 255 levels"),
    ],
)
def test_each_signature(found, score, changed, said, results, make_score):
    scores = {METRIC: Missing(METRIC, "no span") if score is None else make_score(**score)}
    (line,) = diagnose(results(**found), scores, METRIC, **{**GOOD, **changed})
    assert re.match(said, line)


def test_a_deeper_layer_that_scores_clearly_more(make_score):
    low, wide, high = (make_score(0, *ends) for ends in ((0.1, 0.2), (0.1, 0.6), (0.5, 0.7)))
    found = diagnose_depth(["a", "b", "c"], {"a": low, "b": wide, "c": high})
    assert list(found) == ["a"]  # b's interval reaches c's
    assert "the deeper c scores more" in found["a"]
    assert diagnose_depth(["a", "b"], {"a": high, "b": low}) == {}
    assert diagnose_depth(["a", "b"], {"b": high}) == {}
    assert diagnose_depth(["a", "b"], {"a": replace(low, high=None), "b": high}) == {}
