from dataclasses import replace

from inverter.audit.summary import Summary, summarise

SAID = (
    "What `<i>a</i>` sends leaks most and takes an attacker 50 % of the way from guessing to the best that the prior "
    "can draw; `b` leaks least, 25 %"
)


def scored(audit, metric, values, make_score):
    layers = [
        replace(layer, scores=layer.scores | {metric: make_score(value, low, high)})
        for layer, (value, low, high) in zip(audit.layers, values, strict=True)
    ]
    return replace(audit, layers=tuple(layers))


def test_most_and_least(audit):
    assert summarise(audit) == Summary(f"{SAID}.", "50 %", "<i>a</i>")


def test_one_layer(audit):
    said = summarise(replace(audit, layers=audit.layers[1:]))
    assert (
        said.text
        == "What `b` sends takes an attacker 25 % of the way from guessing to the best that the prior can draw."
    )


def test_few_sources_are_said(audit):
    text = f"{SAID}; but sources are too few to rely on this: 19, where 20 are needed."
    assert summarise(replace(audit, num_sources=19, recommended=None)).text == text


def test_attacks_that_never_clear_guessing_have_failed(audit, make_score):
    failed = scored(audit, audit.metric, [(0.1, 0.0, 0.2), (0.0, 0.0, 0.1)], make_score)
    assert summarise(failed).text == (
        "No attack clearly beats guessing at any audited layer, which does not show that they are safe: the most is "
        "`<i>a</i>` with 10 % of the way from guessing to the best that the prior can draw."
    )


def test_a_judge_who_would_split_elsewhere_is_named(audit, make_score):
    other = scored(audit, "reid_mrr/other", [(0.1, 0.0, 0.2), (0.0, 0.0, 0.1)], make_score)
    assert summarise(other).text == f"{SAID}; but the judges disagree: `other` would recommend `<i>a</i>`."
    agreeing = scored(audit, "reid_mrr/other", [(0.6, 0.5, 0.7), (0.0, 0.0, 0.1)], make_score)
    assert summarise(agreeing).text == f"{SAID}."


def test_no_score_anywhere(audit):
    layers = tuple(replace(layer, scores={}) for layer in audit.layers)
    assert summarise(replace(audit, layers=layers)) == Summary("What leaks could not be scored at any audited layer.")
