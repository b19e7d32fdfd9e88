from dataclasses import replace
from xml.etree import ElementTree

import pytest

from inverter.evaluation import Judge, Method, Results, evaluate
from inverter.evaluation.judges import Gallery
from inverter.evaluation.recognition import cumulative, found_within, rank_chart, recognition_chart

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def results(batches: list, train_batches: list, judge: Judge) -> Results:
    images = train_batches[0]["image"]
    return evaluate(
        {"$x_1$": Method(lambda features: images[:1].expand(len(features), -1, -1, -1))},
        batches,
        judges=[judge],
        gallery=Gallery(images, ("elsewhere",) * len(images)),
        num_bootstrap=20,
    )


def words(svg: str | None) -> set[str | None]:
    assert svg is not None
    return {text.text for text in ElementTree.fromstring(svg).iter(f"{SVG}text")}


def test_every_method_but_the_original_has_its_line_under_its_own_name(results: Results) -> None:
    said = words(recognition_chart(results, "agreement"))
    assert {"$x_1$", "colour", "guessing", "0%", "100%", "attack"} <= said and not {"original", "floor"} & said


def test_ranks_are_drawn_of_what_has_ranks(results: Results) -> None:
    assert {"$x_1$", "guessing", "found within the first"} <= words(rank_chart(results, "colour", "$x_1$"))
    assert rank_chart(results, "another") is None
    assert rank_chart(Results.from_json(results.to_json()), "colour") is None  # ranks are numbers per image


def test_nothing_is_drawn_of_what_nobody_judged(batches: list) -> None:
    grey = Method(lambda features: batches[0]["image"][:1].expand(len(features), -1, -1, -1))
    assert recognition_chart(evaluate({"grey": grey}, batches, num_bootstrap=20), "reid_top1") is None


def test_shares_grow_where_ranks_are() -> None:
    assert cumulative([1, 4, 4, 10], 20) == ([1, 4, 10, 20], [0.25, 0.75, 1.0, 1.0])
    assert cumulative([3, 5], 5) == ([1, 3, 5, 5], [0.0, 0.5, 1.0, 1.0])


RANKS = {"$x_1$": [1.0, 4.0, 40.0, 400.0]}


@pytest.fixture
def ranked(results: Results) -> Results:
    """Twelve methods with ranks beyond the mean number of choices, 99."""
    rows = tuple(replace(results.row("$x_1$"), name=f"x{i}") for i in range(12))
    metric = "reid_rank/colour"
    per_image = {row.name: {metric: RANKS["$x_1$"]} for row in rows}
    return replace(results, rows=rows, per_image=per_image, chance={metric: 50.0})


def test_curves_run_forward_and_their_lines_differ(ranked: Results) -> None:
    svg = rank_chart(ranked, "colour", "x0")
    assert svg is not None
    root = ElementTree.fromstring(svg)
    lines = [path for path in root.iter(f"{SVG}path") if "clip-path" in path.attrib and "L" in path.attrib["d"]]
    curves = [line for line in lines if line.attrib["style"].count("#17467d")]
    assert len(curves) == 12
    for curve in curves:
        numbers = [float(x) for x in curve.attrib["d"].replace("M", " ").replace("L", " ").split()]
        assert numbers[::2] == sorted(numbers[::2])
    assert len({curve.attrib["style"].split("stroke-dasharray")[-1] for curve in curves}) == 9  # solid and 8 patterns


def test_the_table_beside_the_curves_has_their_shares(ranked: Results) -> None:
    assert found_within(ranked, "colour")["x3"] == (0.25, 0.5, 0.75)
    assert found_within(ranked, "another") == {}
