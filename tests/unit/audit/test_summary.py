from dataclasses import replace

from inverter.audit.summary import Conclusion, summarise

WAY = "of the way from guessing to the best that this prior allows"
SAID = f"From what `<i>a</i>` sends, an attacker gets 50 % {WAY}, the most of all; `b` leaks least"
LONGEST = 40
"""Words."""


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
    assert said.text == f"From what `b` sends, an attacker gets 25 % {WAY}." and said.details == ()


def test_few_sources_are_said(audit):
    text = f"{SAID}; but 19 sources are too few to rely on."
    assert summarise(replace(audit, num_sources=19, recommended=None)).text == text


def test_attacks_that_never_clear_guessing_have_failed(audit, make_score):
    failed = scored(audit, audit.metric, [(0.1, 0.0, 0.2), (0.0, 0.0, 0.1)], make_score)
    said = summarise(replace(failed, num_sources=19, recommended=None))
    assert said.text == (
        f"No attack clearly beats guessing at any audited layer; none is proven safe: at most 10 % {WAY}, at "
        "`<i>a</i>`; but 19 sources are too few to rely on."
    )
    assert len(said.text.split()) <= LONGEST


def test_a_judge_who_would_split_elsewhere_is_named(audit, make_score):
    other = summarise(scored(audit, "reid_mrr/other", [(0.1, 0.0, 0.2), (0.0, 0.0, 0.1)], make_score))
    assert other.text == f"{SAID}; but judges disagree."
    assert other.details == ("The judges disagree on the split: `other` would recommend `<i>a</i>`.",)
    agreeing = summarise(scored(audit, "reid_mrr/other", [(0.6, 0.5, 0.7), (0.0, 0.0, 0.1)], make_score))
    assert agreeing.text == f"{SAID}." and agreeing.details == ()


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
    assert text.endswith("the most of all; `c` and `b` leak least.")
    said = summarise(of_three(audit, make_score, HIGH, (0.88, 0.8, 0.93), LOW))
    assert said.text == f"From what `a` sends, an attacker gets 90 % {WAY}; `c` leaks least."
    assert said.details == ("`b` (88 %) cannot be told apart from `a`.",)
    said = summarise(of_three(audit, make_score, MIDDLE, MIDDLE, MIDDLE))
    assert "most" not in said.text and "least" not in said.text
    assert said.details == ("`b` (50 %) and `c` (50 %) cannot be told apart from `a`.",)


def test_of_many_layers_that_leak_least_the_first_is_named(audit, make_score):
    layers = [replace(audit.layers[0], layer="a", scores={audit.metric: make_score(*HIGH)})]
    layers += [replace(audit.layers[0], layer=name, scores={audit.metric: make_score(*LOW)}) for name in "bcde"]
    said = summarise(replace(audit, layers=tuple(layers), recommended=None))
    assert said.text.endswith("; `b` and 3 others leak least.")
    assert said.details == ("`b` (10 %) and `c` (10 %) and `d` (10 %) and `e` (10 %) leak least.",)


def test_a_layer_that_was_attacked_too_weakly_leaks_least_of_none(audit, make_score):
    told = "Of the layers that were attacked well enough to tell, "
    said = summarise(of_three(audit, make_score, HIGH, LOW, MIDDLE))
    assert "least" not in said.text and said.details == (f"{told}`c` (50 %) leaks least.",)
    said = summarise(of_three(audit, make_score, HIGH, MIDDLE, LOW, untrained="c"))
    assert "least" not in said.text and said.details == (f"{told}`b` (50 %) leaks least.",)
    said = summarise(of_three(audit, make_score, HIGH, MIDDLE, LOW, untrained="abc"))
    assert "least" not in said.text and said.details == ()


def test_the_layer_of_the_sentence_is_one_that_clears_guessing(audit, make_score):
    said = summarise(of_three(audit, make_score, (0.4, 0.0, 0.8), (0.3, 0.2, 0.4), LOW))
    assert said.layer == "b" and "`a` (40 %)" in said.details[0] and "No attack" not in said.text
