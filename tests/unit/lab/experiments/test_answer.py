"""What an interval is allowed to say."""

from dataclasses import replace

import pytest

from inverter.evaluation.labels import verdict
from inverter.lab.experiments.answer import answer, count, joint, overall, sentences


@pytest.mark.parametrize(
    ("metric", "difference", "low", "high", "word"),
    [
        ("psnr", 1.2, 0.8, 1.6, "better"),
        ("psnr", -1.2, -1.6, -0.8, "worse"),
        ("psnr", 1.2, -0.1, 2.5, "no difference"),
        ("psnr", 1.2, None, None, "no interval"),  # one source
        ("kid/one", -0.02, -0.03, -0.01, "better"),
        ("feature_loss", 0.1, 0.05, 0.2, "worse"),
        ("flicker", -0.01, -0.02, -0.005, "better"),
        ("spectrum_high", 1.0, 0.5, 2.0, "higher"),
    ],
)
def test_one_comparison_says_what_the_evaluation_says_of_it(comparison, metric, difference, low, high, word):
    found = comparison(metric, difference, low, high)
    assert joint([found]) == verdict(found) == word


def test_all_judges_have_to_agree(comparison, results):
    more, unseen = comparison("agreement/one", 0.2, 0.1, 0.3), comparison("agreement/two", 0.1, -0.1, 0.3)
    less = comparison("agreement/one", -0.2, -0.3, -0.1)
    signs_differ = replace(more, claim=False)
    assert joint([more, more]) == "better"
    assert joint([more, unseen]) == joint([unseen, more]) == "better under some judges"
    assert joint([less, unseen]) == "worse under some judges"
    assert joint([unseen, unseen]) == "no difference"
    assert joint([signs_differ, unseen]) == "judges disagree"
    assert joint([signs_differ, signs_differ]) == "judges disagree"
    assert joint([]) == "not compared"
    said = answer(results(more, unseen), "a", "b", "agreement")
    assert said == "better under some judges (+0.200 [+0.100, +0.300] one, +0.100 [-0.100, +0.300] two)"
    assert answer(results(more, unseen), "b", "a", "agreement") == "not compared"


def test_sentences_name_what_was_compared(comparison, results):
    found = results(comparison("psnr", 1.2, 0.8, 1.6), comparison("ssim", 0.01, None, None))
    said = "**a** against b: PSNR, dB better (+1.20 [+0.80, +1.60]); SSIM no interval (+0.0100 from one "
    assert sentences(found, [("a", "b"), ("a", "absent")], ["psnr", "ssim", "kid"]) == [f"{said}source)."]


def test_tables_are_counted(comparison, results):
    tables = [results(comparison("psnr", 1.2, 0.8, 1.6)), results(comparison("psnr", 1.2, -1.0, 2.0)), results()]
    assert overall(tables, [("a", "b"), ("b", "a")], ["psnr", "ssim"]) == [
        "**a** against b, over all tables: PSNR, dB better in 1, no difference in 1 of 2."
    ]
    assert count([]) == "not compared"
    assert count(["worse under some judges", "worse"]) == "worse in 1, worse under some judges in 1 of 2"
