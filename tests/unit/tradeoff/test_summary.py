from dataclasses import replace

from inverter.tradeoff.summary import recommendation, summarise


def test_what_protects_its_price_and_what_does_not(tradeoff):
    found = summarise(tradeoff)
    assert found.text == (
        "`nopeek` (leaves 20 % [15 %, 25 %], same answer in 95 %) and `gaussian:4` (leaves 30 % [25 %, 35 %], same "
        "answer in 50 %) protect; undefended, `b` gives an attacker 60 % [55 %, 65 %] of the way from guessing to the "
        "prior's own round trip; `<i>int8</i>` is not shown to leak less."
    )
    assert found.figure == "60 %" and found.layer == "identity"
    assert recommendation(tradeoff).startswith("Recommended: nopeek, of the settings that protect and keep 90 %")


def test_nothing_protects_and_one_setting_only_surprises(make_setting, make_tradeoff):
    settings = [
        make_setting("identity", 0.6, 1.0),
        make_setting("rotate", 0.58, 1.0, protection=0.0, gain=0.5),
        make_setting("int8", 0.6, 1.0, protection=0.0, gain=0.0),
    ]
    text = summarise(make_tradeoff(settings)).text
    assert text.startswith("Nothing that was tried protects; undefended, `b` gives an attacker 60 % [55 %, 65 %]")
    assert "`rotate` and `int8` are not shown to leak less" in text
    assert "`rotate` only surprised an attack that was not trained on what arrives" in text
    assert recommendation(make_tradeoff(settings)).startswith("No setting both protects and is shown to keep 90 %")


def test_few_sources_say_nothing_of_protection(tradeoff, make_tradeoff):
    few = make_tradeoff(tradeoff.settings, num_sources=10)
    text = summarise(few).text
    assert text.startswith("What protects cannot be said here; undefended, `b` gives")
    assert text.endswith("but sources are too few to rely on this: 10, where 20 are needed.")
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
    text = summarise(make_tradeoff([tradeoff.settings[0], late])).text
    assert "the attack on `nopeek` was trained too little to tell" in text and "`nopeek` (leaves" not in text
