from collections.abc import Mapping
from dataclasses import replace

import pytest

from inverter.evaluation.results import Comparison, Results, Row, Score, SentSize
from inverter.evaluation.summary import Summary, summarise

NEAREST = "nearest training image"
M = "reid_top1/a"
CHANCE = {"reid_top1/a": 0.001, "reid_top1/b": 0.001, "agreement/a": 0.005}


def build(
    methods: Mapping[str, Mapping[str, tuple[float, float | None, float | None]]],
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
        payload=SentSize(8, 4),
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
FINDS = (
    "From what `blocks.6` sends, a judge network finds the original picture among 1,000 in 70 % [65 %, 75 %] of the "
    "cases"
)
SAID = f"{FINDS} (guessing: 0.1 %); retrieving the nearest training picture does so in 16 %"


def changed(results: Results, name: str, metric: str, mean: float) -> Results:
    rows = [
        replace(row, scores=row.scores | {metric: Score(*shares(mean), 40, 40)}) if row.name == name else row
        for row in results.rows
    ]
    return replace(results, rows=tuple(rows))


def test_the_best_attack_is_named_with_its_figure_beside_guessing_and_retrieval() -> None:
    assert summarise(build(FOUND)) == Summary(f"{SAID}.", "70 %", "sample", "reid_top1/a", 3)


def test_few_sources_are_said() -> None:
    text = f"{SAID}; but sources are too few to rely on this: 19, where 20 are needed."
    assert summarise(build(FOUND, num_sources=19)).text == text


def test_one_source_has_no_interval_and_counts_by_its_means() -> None:
    alone = {name: {"reid_top1/a": (scores["reid_top1/a"][0], None, None)} for name, scores in FOUND.items()}
    assert summarise(build(alone, num_sources=1)).text.startswith(SAID.replace(" [65 %, 75 %]", ""))


@pytest.mark.parametrize(("mean", "figure", "ends"), [(0.0, "0 %", "[0 %, 5.0 %]"), (0.03, "3.0 %", "[0 %, 8.0 %]")])
def test_what_does_not_clear_guessing_has_failed(mean: float, figure: str, ends: str) -> None:
    failed = build({"mean image": FOUND["mean image"], "sample": {"reid_top1/a": shares(mean)}})
    assert summarise(failed) == Summary(
        "The attack failed, which does not show that `blocks.6` is safe: from what it sends, a judge network finds the "
        f"original picture among 1,000 in {figure} {ends} of the cases (guessing: 0.1 %), not clearly more than "
        "without it.",
        figure,
        "sample",
        "reid_top1/a",
        1,
    )


LOOKED_UP = (
    "From what `blocks.6` sends, by looking up the nearest training picture, a judge network finds the original "
    "picture among 1,000 in 16 % [11 %, 21 %] of the cases (guessing: 0.1 %)"
)


@pytest.mark.parametrize(
    ("drawn", "said"),
    [
        (0.03, "inversion failed: `sample` does so in 3.0 %, not clearly more than without features"),
        (0.07, "inversion by `sample` does so in 7.0 %"),
        (0.13, "inversion by `sample` does so in 13 %, which is not clearly less"),
    ],
)
def test_retrieval_is_an_attack_and_leads_where_it_finds_most(drawn: float, said: str) -> None:
    found = summarise(changed(build({n: FOUND[n] for n in ("sample", NEAREST, "mean image")}), "sample", M, drawn))
    assert found == Summary(f"{LOOKED_UP}; {said}.", "16 %", NEAREST, M, 2)


def test_another_judge_who_sees_inversion_beat_retrieval_is_named() -> None:
    results = build({n: {M: FOUND[n][M]} for n in ("sample", NEAREST, "mean image")})
    for metric, retrieved, drawn in ((M, 0.9, 0.07), ("reid_top1/b", 0.16, 0.7)):
        results = changed(changed(results, NEAREST, metric, retrieved), "sample", metric, drawn)
    text = summarise(replace(results, chance=CHANCE)).text
    assert (
        "judge network (`a`) finds" in text and "90 % [85 %, 95 %] of the cases, another (`b`) in 16 % [11 %, " in text
    )
    assert text.endswith("; but the judges disagree: `b` says 70 % by `sample` against 16 % by retrieval.")


def test_inversion_has_not_failed_where_one_judge_sees_it() -> None:
    results = build({n: {M: FOUND[n][M]} for n in ("sample", NEAREST, "mean image")})
    for metric, retrieved, drawn in ((M, 0.48, 0.01), ("reid_top1/b", 0.3, 0.1)):
        results = changed(changed(results, NEAREST, metric, retrieved), "sample", metric, drawn)
    text = summarise(replace(results, chance=CHANCE)).text
    assert text.endswith("(guessing: 0.1 %); inversion by `sample` does so in 10 % under `b`.")


def test_an_ablation_never_leads_and_other_attacks_are_named() -> None:
    results = build(FOUND | {"mean without head": {M: shares(0.9)}})
    assert summarise(results) == summarise(build(FOUND))
    text = summarise(build(FOUND | {"best of 8": {M: shares(0.8)}})).text
    assert text.startswith("From what `blocks.6` sends, by `best of 8`, a judge network finds the original")


def test_the_best_floor_keeps_its_name() -> None:
    text = summarise(changed(build(FOUND), "mean image", M, 0.004)).text
    assert text.startswith(f"{FINDS} (best without features: 0.4 %, mean image); ")


def test_a_floor_that_reads_no_features_has_to_be_beaten_too() -> None:
    results = changed(build(FOUND), "mean image", "reid_top1/a", 0.9)
    text = summarise(results).text
    assert text.startswith("The attack failed") and "(best without features: 90 %, mean image)" in text


def test_paired_differences_decide_where_there_are_some() -> None:
    paired = Comparison("sample", NEAREST, "reid_top1/a", 0.54, -0.01, 0.9, False, False, 40, 40)
    assert "does so in 16 %, which the attack does not clearly beat." in summarise(build(FOUND, 40, (paired,))).text


@pytest.mark.parametrize(
    ("attack", "retrieved", "figure", "said"),
    [
        (0.27, 0.40, "27 % [22 %, 32 %]", "; but the judges disagree: `b` says 27 % against 40 % by retrieval."),
        (0.0, 0.40, "0 % [0 %, 5.0 %]", "; but the judges disagree: `b` says 0 % against 0.1 % by guessing."),
        (0.50, 0.16, "50 % [45 %, 55 %]", "."),
        (0.40, 0.39, "40 % [35 %, 45 %]", "."),  # less clear, but on the same side
    ],
)
def test_another_judge_has_its_figure_beside_and_is_named_where_it_sees_the_opposite(
    attack: float, retrieved: float, figure: str, said: str
) -> None:
    results = build(FOUND)
    for name, mean in {"sample": attack, NEAREST: retrieved, "mean image": 0.0}.items():
        results = changed(results, name, "reid_top1/b", mean)
    both = SAID.replace("network", "network (`a`)").replace("cases", f"cases, another (`b`) in {figure}")
    assert summarise(replace(results, chance=CHANCE)).text == both + said


def test_without_distractors_the_classes_speak_and_without_judges_the_pixels() -> None:
    agreeing = {name: {"agreement/a": shares(0.5 if name == "sample" else 0.0)} for name in FOUND}
    assert summarise(build(agreeing)).text == (
        "From what `blocks.6` sends, pictures come back in which a judge network sees what the original shows in 50 % "
        "[45 %, 55 %] of the cases (guessing: 0.5 %); retrieving the nearest training picture does so in 0 %."
    )
    pixels = {name: {"psnr": scores["psnr"]} for name, scores in FOUND.items()}
    assert summarise(build(pixels, target={})) == Summary(
        "From what the target sends, pictures come back that are as near to the originals as a PSNR of 15.0 dB "
        "[14.0 dB, 16.0 dB] (best without features: 11.0 dB, mean image); retrieving the nearest training picture "
        "reaches 9.0 dB.",
        "15.0 dB",
        "mean",
        "psnr",
        3,
    )


def test_references_alone_say_nothing() -> None:
    said = summarise(build({"mean image": FOUND["mean image"]}))
    assert said == Summary("No attack was evaluated, so nothing is known of what leaks.")
