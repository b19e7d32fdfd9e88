from xml.etree import ElementTree

import pytest

from inverter.evaluation import Judge, Method, Results, evaluate
from inverter.evaluation.judges import Gallery
from inverter.evaluation.recognition import cumulative, rank_chart, recognition_chart

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
    assert {"$x_1$", "colour", "guessing", "0%", "100%"} <= said and "original" not in said


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
