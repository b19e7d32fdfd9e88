from dataclasses import replace

from inverter.tradeoff.summary import recommendation, summarise

WAY = "of the way from guessing to the best that this prior allows"


def test_what_protects_its_price_and_what_does_not(tradeoff):
    found = summarise(tradeoff)
    assert found.text == (
        f"`nopeek` protects `b`: an attacker gets 20 % instead of 60 % {WAY}, and 95 % of the network's answers stay "
        "the same."
    )
    assert found.details == (
        "`nopeek` leaves 20 % [15 %, 25 %] and keeps 95 % of the answers.",
        "`gaussian:4` leaves 30 % [25 %, 35 %] and keeps 50 % of the answers.",
        "`<i>int8</i>` is not shown to leak less.",
    )
    assert found.figure == "60 %" and found.layer == "identity" and len(found.text.split()) <= 40
    assert recommendation(tradeoff).startswith("Recommended: nopeek, of the settings that protect and keep 90 %")


def test_nothing_protects_and_one_setting_only_surprises(make_setting, make_tradeoff):
    settings = [
        make_setting("identity", 0.6, 1.0),
        make_setting("rotate", 0.58, 1.0, protection=0.0, gain=0.5),
        make_setting("int8", 0.6, 1.0, protection=0.0, gain=0.0),
    ]
    said = summarise(make_tradeoff(settings))
    assert said.text == f"Nothing that was tried protects `b`: undefended, an attacker gets 60 % {WAY}."
    assert said.details == (
        "`rotate` and `int8` are not shown to leak less.",
        "`rotate` only surprised an attack that was not trained on what arrives.",
    )
    assert recommendation(make_tradeoff(settings)).startswith("No setting both protects and is shown to keep 90 %")


def test_few_sources_say_nothing_of_protection(tradeoff, make_tradeoff):
    few = make_tradeoff(tradeoff.settings, num_sources=10)
    assert summarise(few).text == (
        f"What protects `b` cannot be said; undefended, an attacker gets 60 % {WAY}; but 10 sources are too few to "
        "rely on."
    )
    assert "10 sources are too few to tell; needed: 20" in recommendation(few)


def test_an_attack_that_fails_on_undefended_features_shows_nothing(make_setting, make_tradeoff):
    settings = [make_setting("identity", 0.03, 1.0), make_setting("int8", 0.0, 1.0, protection=-0.1)]
    score = replace(settings[0].scores["reid_mrr/colour"], raw_low=-0.1)
    settings[0] = replace(settings[0], scores={"reid_mrr/colour": score})
    text = summarise(make_tradeoff(settings)).text
    assert text.startswith("The attack on undefended features of `b` failed (3.0 %") and "nothing shows what" in text


def test_without_a_score_of_undefended_features(make_setting, make_tradeoff):
    found = summarise(make_tradeoff([make_setting("identity", None, 1.0), make_setting("int8", 0.5, 1.0)]))
    assert found.text == "What leaks at `b` could not be scored, so nothing shows what protects." and not found.figure


def test_a_setting_whose_attack_was_trained_too_little_is_named(tradeoff, make_tradeoff):
    late = replace(tradeoff.settings[2], cost={"pairs": 2048.0, "pairs_seen": 1.0})
    said = summarise(make_tradeoff([tradeoff.settings[0], late]))
    assert said.details == ("The attack on `nopeek` was trained too little to tell.",) and "nopeek" not in said.text
