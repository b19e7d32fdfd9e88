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
SAID = (
    "From what `blocks.6` sends, a judge network finds the original among 1,000 pictures in 70 % of cases "
    "(guessing: 0.1 %)"
)
RETRIEVED = "Retrieving the nearest training picture does so in 16 %"
LONGEST = 40
"""Words."""


def changed(results: Results, name: str, metric: str, mean: float) -> Results:
    rows = [
        replace(row, scores=row.scores | {metric: Score(*shares(mean), 40, 40)}) if row.name == name else row
        for row in results.rows
    ]
    return replace(results, rows=tuple(rows))


def test_the_best_attack_is_named_with_its_figure_beside_guessing_and_retrieval() -> None:
    found = summarise(build(FOUND))
    assert found == Summary(f"{SAID}.", "70 %", "sample", "reid_top1/a", 3, (f"{RETRIEVED}.",))


@pytest.mark.parametrize(
    ("num_sources", "few"), [(19, "19 sources are too few to rely on"), (1, "1 source is too few to rely on")]
)
def test_few_sources_are_said(num_sources: int, few: str) -> None:
    assert summarise(build(FOUND, num_sources=num_sources)).text == f"{SAID}; but {few}."


def test_one_source_has_no_interval_and_counts_by_its_means() -> None:
    alone = {name: {"reid_top1/a": (scores["reid_top1/a"][0], None, None)} for name, scores in FOUND.items()}
    assert summarise(build(alone, num_sources=1)).text.startswith(SAID)


@pytest.mark.parametrize(("mean", "figure"), [(0.0, "0 %"), (0.03, "3.0 %")])
def test_what_does_not_clear_guessing_has_failed(mean: float, figure: str) -> None:
    failed = build({"mean image": FOUND["mean image"], "sample": {"reid_top1/a": shares(mean)}})
    assert summarise(failed) == Summary(
        "The attack on `blocks.6` failed, which does not make it safe: a judge network finds the original "
        f"among 1,000 pictures in {figure} of cases (guessing: 0.1 %).",
        figure,
        "sample",
        "reid_top1/a",
        1,
        ("The attack does not find clearly more than that.",),
    )


LOOKED_UP = (
    "From what `blocks.6` sends, by looking up training pictures, a judge network finds the original "
    "among 1,000 pictures in 16 % of cases (guessing: 0.1 %)"
)


@pytest.mark.parametrize(
    ("drawn", "beside", "said"),
    [
        (
            0.03,
            "; inversion failed (3.0 %)",
            "Inversion failed: `sample` does so in 3.0 %, not clearly more than without features.",
        ),
        (0.07, ", above inversion (7.0 %)", "Inversion by `sample` does so in 7.0 %."),
        (
            0.13,
            ", not clearly above inversion (13 %)",
            "Inversion by `sample` does so in 13 %, which is not clearly less.",
        ),
    ],
)
def test_retrieval_is_an_attack_and_leads_where_it_finds_most(drawn: float, beside: str, said: str) -> None:
    found = summarise(changed(build({n: FOUND[n] for n in ("sample", NEAREST, "mean image")}), "sample", M, drawn))
    assert found == Summary(f"{LOOKED_UP}{beside}.", "16 %", NEAREST, M, 2, (said,))


def test_another_judge_who_sees_inversion_beat_retrieval_is_named() -> None:
    results = build({n: {M: FOUND[n][M]} for n in ("sample", NEAREST, "mean image")}, num_sources=19)
    for metric, retrieved, drawn in ((M, 0.9, 0.07), ("reid_top1/b", 0.16, 0.7)):
        results = changed(changed(results, NEAREST, metric, retrieved), "sample", metric, drawn)
    found = summarise(replace(results, chance=CHANCE))
    assert found.text.endswith(", above inversion (7.0 %); but judges disagree and 19 sources are few.")
    assert len(found.text.split()) <= LONGEST
    assert found.details == (
        "By judge: `a` 90 % [85 %, 95 %], `b` 16 % [11 %, 21 %].",
        "Inversion by `sample` does so in 7.0 %.",
        "The judges disagree: `b` says 70 % by `sample` against 16 % by retrieval.",
    )


def test_inversion_has_not_failed_where_one_judge_sees_it() -> None:
    results = build({n: {M: FOUND[n][M]} for n in ("sample", NEAREST, "mean image")})
    for metric, retrieved, drawn in ((M, 0.48, 0.01), ("reid_top1/b", 0.3, 0.1)):
        results = changed(changed(results, NEAREST, metric, retrieved), "sample", metric, drawn)
    found = summarise(replace(results, chance=CHANCE))
    assert found.text.endswith(", above inversion (10 % under `b`).")
    assert found.details[-1] == "Inversion by `sample` does so in 10 % under `b`."


def test_an_ablation_never_leads_and_other_attacks_are_named() -> None:
    results = build(FOUND | {"mean without head": {M: shares(0.9)}})
    assert summarise(results) == summarise(build(FOUND))
    text = summarise(build(FOUND | {"best of 8": {M: shares(0.8)}})).text
    assert text.startswith("From what `blocks.6` sends, by `best of 8`, a judge network finds the original")


def test_the_best_floor_keeps_its_name() -> None:
    found = summarise(changed(build(FOUND), "mean image", M, 0.004))
    assert found.text == f"{SAID.replace('guessing: 0.1 %', 'without features: 0.4 %')}."
    assert found.details == ("Best without features is mean image.", f"{RETRIEVED}.")


def test_a_floor_that_reads_no_features_has_to_be_beaten_too() -> None:
    found = summarise(changed(build(FOUND), "mean image", "reid_top1/a", 0.9))
    assert found.text.startswith("The attack on `blocks.6` failed") and "(without features: 90 %)" in found.text


def test_paired_differences_decide_where_there_are_some() -> None:
    paired = Comparison("sample", NEAREST, "reid_top1/a", 0.54, -0.01, 0.9, False, False, 40, 40)
    found = summarise(build(FOUND, 40, (paired,)))
    assert (found.text, found.details) == (f"{SAID}, not clearly above the nearest training picture (16 %).", ())


@pytest.mark.parametrize("point", ["sample", "best of 8"])
def test_an_attack_below_retrieval_says_so_first_however_weak_the_evidence(point: str) -> None:
    """Retrieval finds more pictures and yet does not clear guessing, so inversion leads."""
    unclear = Comparison(NEAREST, "mean image", M, 0.7, -0.1, 0.9, False, False, 19, 19)
    results = build({point: FOUND["sample"], NEAREST: {M: (0.9, 0.0, 1.0)}, "mean image": FOUND["mean image"]}, 19)
    for name, mean in {point: 0.0, NEAREST: 0.0, "mean image": 0.0}.items():
        results = changed(results, name, "reid_top1/b", mean)
    found = summarise(replace(results, chance=CHANCE, comparisons=(unclear,)))
    end = ", below the nearest training picture (90 %); but judges disagree and 19 sources are few."
    assert found.text.endswith(end) and found.method == point
    assert len(found.text.split()) <= LONGEST


@pytest.mark.parametrize(
    ("attack", "retrieved", "figure", "said"),
    [
        (0.27, 0.40, "27 % [22 %, 32 %]", "27 % against 40 % by retrieval"),
        (0.0, 0.40, "0 % [0 %, 5.0 %]", "0 % against 0.1 % by guessing"),
        (0.50, 0.16, "50 % [45 %, 55 %]", ""),
        (0.40, 0.39, "40 % [35 %, 45 %]", ""),  # less clear, but on the same side
    ],
)
def test_another_judge_has_its_figure_below_and_is_named_where_it_sees_the_opposite(
    attack: float, retrieved: float, figure: str, said: str
) -> None:
    results = build(FOUND)
    for name, mean in {"sample": attack, NEAREST: retrieved, "mean image": 0.0}.items():
        results = changed(results, name, "reid_top1/b", mean)
    found = summarise(replace(results, chance=CHANCE))
    assert found.text == f"{SAID}{'; but judges disagree' if said else ''}."
    disagree = (f"The judges disagree: `b` says {said}.",) if said else ()
    assert found.details == (f"By judge: `a` 70 % [65 %, 75 %], `b` {figure}.", f"{RETRIEVED}.", *disagree)


def test_without_distractors_the_classes_speak_and_without_judges_the_pixels() -> None:
    agreeing = {name: {"agreement/a": shares(0.5 if name == "sample" else 0.0)} for name in FOUND}
    assert summarise(build(agreeing)).text == (
        "From what `blocks.6` sends, pictures come back in which a judge network sees what the original shows in 50 % "
        "of cases (guessing: 0.5 %)."
    )
    pixels = {name: {"psnr": scores["psnr"]} for name, scores in FOUND.items()}
    assert summarise(build(pixels, target={})) == Summary(
        "From what the target sends, pictures come back that are as near to the originals as a PSNR of 15.0 dB "
        "(without features: 11.0 dB).",
        "15.0 dB",
        "mean",
        "psnr",
        3,
        ("Best without features is mean image.", "Retrieving the nearest training picture reaches 9.0 dB."),
    )


def test_kinds_that_are_asked_for_are_taken() -> None:
    assert summarise(build(FOUND), ("psnr",)).metric == "psnr"


def test_references_alone_say_nothing() -> None:
    said = summarise(build({"mean image": FOUND["mean image"]}))
    assert said == Summary("No attack was evaluated, so nothing is known of what leaks.")
