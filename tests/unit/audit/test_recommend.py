import pytest

from inverter.audit.recommend import end_if_broken, exceeded, parse_limits, recommend

LAYERS = ["a", "b", "c"]


@pytest.fixture
def scores(make_score):
    """Function from upper ends to the layers' scores."""
    return lambda *highs: {layer: make_score(0.0, 0.0, high) for layer, high in zip(LAYERS, highs, strict=True)}


@pytest.mark.parametrize(
    ("highs", "chosen"),
    [
        ((0.9, 0.5, 0.1), "c"),
        ((0.9, 0.1, 0.1), "b"),
        ((0.1, 0.1, 0.1), "a"),
        ((0.9, 0.5, 0.2), None),  # an end on the threshold is not under it
        ((0.1, 0.9, 0.1), "c"),  # b shows that a was attacked too weakly
        ((0.1, 0.1, 0.9), None),
        ((0.9, 0.1, None), None),  # a single source has no upper end
    ],
)
def test_earliest_layer_that_stays_under_with_all_behind_it(highs, chosen, scores):
    assert recommend(LAYERS, scores(*highs), 0.2, 20) == chosen


def test_a_layer_without_a_score_is_never_under(scores):
    found = scores(0.1, 0.1, 0.1)
    del found["b"]
    assert recommend(LAYERS, found, 0.2, 20) == "c"
    assert exceeded({"b": 1.0, "c": 0.5}, found, 20) == ("b",)


def test_limits(scores):
    assert parse_limits(None, LAYERS) == {}
    assert parse_limits("a:0.5", LAYERS) == {"a": 0.5}
    assert parse_limits("a:0.5, c:1", LAYERS) == {"a": 0.5, "c": 1.0}
    assert exceeded({"a": 0.5, "b": 0.5, "c": 0.5}, scores(0.4, 0.5, 0.6), 20) == ("c",)


@pytest.mark.parametrize(
    "text", ["", "a", "a:", "a:x", "a:nan", "a:1.1", "a:-1", "z:0.5", "a:0.5,a:0.6", "60.5", "a:0.5,"]
)
def test_limits_that_cannot_be_used(text):
    with pytest.raises(ValueError, match=r"fail_above=.*allowed: NAME:NUMBER with one of a, b, c"):
        parse_limits(text, LAYERS)


def test_few_sources_recommend_nothing_and_keep_no_limit(scores):
    found = scores(0.01, 0.01, 0.01)
    assert recommend(LAYERS, found, 0.2, 19) is None and recommend(LAYERS, found, 0.2, 20) == "a"
    assert exceeded({"a": 1.0, "c": 0.5}, found, 19) == ("a", "c") and exceeded({"a": 1.0}, found, 20) == ()


def test_limits_that_are_not_kept_are_all_said_before_the_end(caplog):
    end_if_broken([("fail_above", "a:0.1", ()), ("min_utility", None, ())], 40)
    with pytest.raises(SystemExit) as ended:
        end_if_broken([("fail_above", "a:0.1", ("a",)), ("min_utility", "b:0.9,c:0.9", ("b", "c"))], 19)
    assert ended.value.code == 3
    assert caplog.messages == [
        "fail_above=a:0.1 is not kept by a: 19 sources are too few",
        "min_utility=b:0.9,c:0.9 is not kept by b, c: 19 sources are too few",
    ]
