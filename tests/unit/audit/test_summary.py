from dataclasses import replace

from inverter.audit.summary import Conclusion, summarise

WAY = "of the way from guessing to the prior's own round trip"
SAID = f"What `<i>a</i>` sends leaks most and takes an attacker 50 % [40 %, 60 %] {WAY}; `b` (25 %) leaks least"


def scored(audit, metric, values, make_score):
    layers = [
        replace(layer, scores=layer.scores | {metric: make_score(value, low, high)})
        for layer, (value, low, high) in zip(audit.layers, values, strict=True)
    ]
    return replace(audit, layers=tuple(layers))


def test_most_and_least(audit):
    assert summarise(audit) == Conclusion(f"{SAID}.", "50 %", "<i>a</i>")


def test_one_layer(audit):
    said = summarise(replace(audit, layers=audit.layers[1:]))
    assert said.text == f"What `b` sends takes an attacker 25 % [15 %, 35 %] {WAY}."


def test_few_sources_are_said(audit):
    text = f"{SAID}; but sources are too few to rely on this: 19, where 20 are needed."
    assert summarise(replace(audit, num_sources=19, recommended=None)).text == text


def test_attacks_that_never_clear_guessing_have_failed(audit, make_score):
    failed = scored(audit, audit.metric, [(0.1, 0.0, 0.2), (0.0, 0.0, 0.1)], make_score)
    assert summarise(failed).text == (
        "No attack clearly beats guessing at any audited layer, which does not show that they are safe: the most is "
        f"`<i>a</i>` with 10 % [0 %, 20 %] {WAY}."
    )


def test_a_judge_who_would_split_elsewhere_is_named(audit, make_score):
    other = scored(audit, "reid_mrr/other", [(0.1, 0.0, 0.2), (0.0, 0.0, 0.1)], make_score)
    assert summarise(other).text == f"{SAID}; but the judges disagree: `other` would recommend `<i>a</i>`."
    agreeing = scored(audit, "reid_mrr/other", [(0.6, 0.5, 0.7), (0.0, 0.0, 0.1)], make_score)
    assert summarise(agreeing).text == f"{SAID}."


def test_no_score_anywhere(audit):
    layers = tuple(replace(layer, scores={}) for layer in audit.layers)
    unscored = Conclusion("What leaks could not be scored at any audited layer.")
    assert summarise(replace(audit, layers=layers)) == unscored


def of_three(audit, make_score, *values, untrained=()):
    """The audit of layers a, b and c with these scores and ends."""
    layers = []
    for name, value in zip("abc", values, strict=True):
        cost = audit.layers[0].cost | ({"pairs_seen": 1} if name in untrained else {})
        layers.append(replace(audit.layers[0], layer=name, scores={audit.metric: make_score(*value)}, cost=cost))
    return replace(audit, layers=tuple(layers), recommended=None)


HIGH, MIDDLE, LOW = (0.9, 0.85, 0.95), (0.5, 0.4, 0.6), (0.1, 0.0, 0.2)


def test_layers_whose_intervals_overlap_are_named_together(audit, make_score):
    text = summarise(of_three(audit, make_score, HIGH, MIDDLE, (0.45, 0.35, 0.55))).text
    assert text.startswith("What `a` sends leaks most and") and text.endswith("; `c` (45 %) and `b` (50 %) leak least.")
    text = summarise(of_three(audit, make_score, HIGH, (0.88, 0.8, 0.93), LOW)).text
    assert text == (
        f"What `a` sends takes an attacker 90 % [85 %, 95 %] {WAY}; `b` (88 %) cannot be told apart from it; `c` "
        "(10 %) leaks least."
    )
    text = summarise(of_three(audit, make_score, MIDDLE, MIDDLE, MIDDLE)).text
    assert "most" not in text and "least" not in text and "`b` (50 %) and `c` (50 %) cannot be told apart" in text


def test_a_layer_that_was_attacked_too_weakly_leaks_least_of_none(audit, make_score):
    told = "; of the layers that were attacked well enough to tell, "
    text = summarise(of_three(audit, make_score, HIGH, LOW, MIDDLE)).text
    assert text.endswith(f"{told}`c` (50 %) leaks least.")
    text = summarise(of_three(audit, make_score, HIGH, MIDDLE, LOW, untrained="c")).text
    assert text.endswith(f"{told}`b` (50 %) leaks least.")
    text = summarise(of_three(audit, make_score, HIGH, MIDDLE, LOW, untrained="abc")).text
    assert "least" not in text


def test_the_layer_of_the_sentence_is_one_that_clears_guessing(audit, make_score):
    said = summarise(of_three(audit, make_score, (0.4, 0.0, 0.8), (0.3, 0.2, 0.4), LOW))
    assert said.layer == "b" and "`a` (40 %)" in said.text and "No attack" not in said.text
