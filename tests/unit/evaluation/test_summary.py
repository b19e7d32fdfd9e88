from dataclasses import replace

import pytest

from inverter.evaluation.results import Comparison, Payload, Results, Row, Score
from inverter.evaluation.summary import Summary, summarise

NEAREST = "nearest training image"
CHANCE = {"reid_top1/a": 0.001, "reid_top1/b": 0.001, "agreement/a": 0.005}


def build(
    methods: dict[str, dict[str, tuple[float, float, float]]],
    num_sources: int = 40,
    comparisons: tuple[Comparison, ...] = (),
    target: dict | None = None,
) -> Results:
    """An evaluation with these means and intervals; attacks are those that are no floor."""
    rows = [
        Row(
            name,
            "floor" if name in (NEAREST, "mean image") else "attack",
            None,
            {metric: Score(*values, 40, num_sources) for metric, values in scores.items()},
        )
        for name, scores in methods.items()
    ]
    return Results(
        rows=tuple(rows),
        chance={metric: CHANCE[metric] for row in rows for metric in row.scores if metric in CHANCE},
        comparisons=comparisons,
        missing=(),
        payload=Payload(8, 4),
        num_images=40,
        num_sources=num_sources,
        target={"layer": "blocks.6"} if target is None else target,
        weights_sha256=None,
        threat_model="",
        notes=(),
        config={},
        seed=0,
        commit=None,
        environment={},
    )


def shares(mean: float) -> tuple[float, float, float]:
    return mean, max(mean - 0.05, 0.0), mean + 0.05


FOUND = {
    "mean": {"psnr": (15.0, 14.0, 16.0), "reid_top1/a": shares(0.02)},
    "sample": {"psnr": (13.0, 12.0, 14.0), "reid_top1/a": shares(0.7)},
    NEAREST: {"psnr": (9.0, 8.0, 10.0), "reid_top1/a": shares(0.16)},
    "mean image": {"psnr": (11.0, 10.0, 12.0), "reid_top1/a": shares(0.0)},
}
SAID = (
    "From what `blocks.6` sends, a stranger finds the original picture among 1,000 in 70 % of the cases (guessing: "
    "0.1 %); retrieving the nearest training picture does so in 16 %"
)


def changed(results: Results, name: str, metric: str, mean: float) -> Results:
    rows = [
        replace(row, scores=row.scores | {metric: Score(*shares(mean), 40, 40)}) if row.name == name else row
        for row in results.rows
    ]
    return replace(results, rows=tuple(rows))


def test_the_best_attack_is_named_with_its_figure_beside_guessing_and_retrieval() -> None:
    assert summarise(build(FOUND)) == Summary(f"{SAID}.", "70 %", "sample", "reid_top1/a")


def test_few_sources_are_said() -> None:
    text = f"{SAID}; but sources are too few to rely on this: 19, where 20 are needed."
    assert summarise(build(FOUND, num_sources=19)).text == text


def test_one_source_has_no_interval_and_counts_by_its_means() -> None:
    alone = {name: {"reid_top1/a": (scores["reid_top1/a"][0], None, None)} for name, scores in FOUND.items()}
    assert summarise(build(alone, num_sources=1)).text.startswith(SAID)


@pytest.mark.parametrize("mean", [0.0, 0.03])
def test_an_attack_that_does_not_clear_guessing_has_failed_whatever_retrieval_finds(mean: float) -> None:
    failed = {name: FOUND[name] for name in (NEAREST, "mean image")} | {"sample": {"reid_top1/a": shares(mean)}}
    said = summarise(build(failed))
    assert said.text == (
        "The attack failed, which does not show that `blocks.6` is safe: from what it sends, a stranger finds the "
        f"original picture among 1,000 in {said.figure} of the cases, not clearly more than without it (guessing: "
        "0.1 %); retrieving the nearest training picture does so in 16 %, which the attack does not clearly beat."
    )
    assert said.figure == ("0 %" if mean == 0 else "3.0 %")


def test_a_floor_that_reads_no_features_has_to_be_beaten_too() -> None:
    results = changed(build(FOUND), "mean image", "reid_top1/a", 0.9)
    assert summarise(results).text.startswith("The attack failed") and "(guessing: 90 %)" in summarise(results).text


def test_paired_differences_decide_where_there_are_some() -> None:
    paired = Comparison("sample", NEAREST, "reid_top1/a", 0.54, -0.01, 0.9, False, False, 40, 40)
    assert "does so in 16 %, which the attack does not clearly beat." in summarise(build(FOUND, 40, (paired,))).text


@pytest.mark.parametrize(
    ("attack", "retrieved", "said"),
    [
        (0.27, 0.40, "; but the judges disagree: `b` says 27 % against 40 % by retrieval."),
        (0.0, 0.40, "; but the judges disagree: `b` says 0 % against 0.1 % by guessing."),
        (0.50, 0.16, "."),
        (0.40, 0.39, "."),  # less clear, but on the same side
    ],
)
def test_another_judge_who_sees_the_opposite_is_named(attack: float, retrieved: float, said: str) -> None:
    results = build(FOUND)
    for name, mean in {"sample": attack, NEAREST: retrieved, "mean image": 0.0}.items():
        results = changed(results, name, "reid_top1/b", mean)
    results = replace(results, chance=CHANCE)
    assert summarise(results).text == SAID + said


def test_without_distractors_the_classes_speak_and_without_judges_the_pixels() -> None:
    agreeing = {name: {"agreement/a": shares(0.5 if name == "sample" else 0.0)} for name in FOUND}
    assert summarise(build(agreeing)).text == (
        "From what `blocks.6` sends, pictures come back in which a classifier sees what the original shows in 50 % of "
        "the cases (guessing: 0.5 %); in the nearest training picture it does so in 0 %."
    )
    pixels = {name: {"psnr": scores["psnr"]} for name, scores in FOUND.items()}
    assert summarise(build(pixels, target={})) == Summary(
        "From what the target sends, pictures come back that are as near to the originals as a PSNR of 15.0 dB "
        "(guessing: 11.0 dB); the nearest training picture reaches 9.0 dB.",
        "15.0 dB",
        "mean",
        "psnr",
    )


def test_references_alone_say_nothing() -> None:
    said = summarise(build({"mean image": FOUND["mean image"]}))
    assert said == Summary("No attack was evaluated, so nothing is known of what leaks.")


def test_shares_near_the_ends_keep_a_decimal() -> None:
    figures = [
        summarise(build({"sample": {"reid_top1/a": (mean, mean, mean)}})).figure for mean in (0.002, 0.5, 0.996, 1.0)
    ]
    assert figures == ["0.2 %", "50 %", "99.6 %", "100 %"]
