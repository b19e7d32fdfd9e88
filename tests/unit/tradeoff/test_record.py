import json
from dataclasses import replace

import pytest

from inverter.tradeoff.record import Tradeoff


def test_the_file_gives_back_what_was_saved(tradeoff, tmp_path):
    tradeoff.save(tmp_path / "report.json")
    assert Tradeoff.load(tmp_path / "report.json") == tradeoff
    assert json.loads((tmp_path / "report.json").read_text())["schema_version"] == 1


def test_a_report_from_before_entropy_was_measured(tradeoff):
    values = json.loads(json.dumps(tradeoff.to_json()))
    for setting in values["settings"]:
        del setting["entropy"]
    assert {each.entropy for each in Tradeoff.from_json(values).settings} == {None}


def test_the_verdict_follows_from_the_settings(tradeoff):
    assert tradeoff.pareto == ("identity", "nopeek")
    assert tradeoff.protecting == ("nopeek", "gaussian:4")
    assert tradeoff.recommended == "nopeek"
    assert tradeoff.exceeded == () and tradeoff.below == ("gaussian:4",)


@pytest.mark.parametrize(
    ("key", "value"),
    [("pareto", ["identity"]), ("protecting", []), ("recommended", None), ("exceeded", ["nopeek"]), ("below", [])],
)
def test_a_verdict_that_was_edited_is_refused(tradeoff, key, value):
    values = json.loads(json.dumps({**tradeoff.to_json(), key: value}))
    with pytest.raises(ValueError, match=rf"tradeoff: {key}=.* does not follow from the settings"):
        Tradeoff.from_json(values)


def test_a_broken_file_is_refused(tradeoff, tmp_path):
    values = json.loads(json.dumps(tradeoff.to_json()))
    for wrong, message in (
        ({**values, "schema_version": 2}, "schema_version is 2; allowed: 1"),
        ({**values, "more": 1}, r"unknown keys \['more'\]"),
        ({key: value for key, value in values.items() if key != "pareto"}, r"missing keys \['pareto'\]"),
        ({**values, "settings": []}, "must be unique"),
        ({**values, "limits": {"other": 0.5}}, "hold those of every limit"),
        ({**values, "num_sources": "40"}, "tradeoff: num_sources='40'; allowed: a valid integer"),
        ([], "schema_version is None"),
    ):
        (tmp_path / "report.json").write_text(json.dumps(wrong))
        with pytest.raises(ValueError, match=message) as error:
            Tradeoff.load(tmp_path / "report.json")
        assert str(tmp_path) in str(error.value)


def test_few_sources_keep_no_limit(tradeoff, make_tradeoff):
    limits = {setting.name: 1.0 for setting in tradeoff.settings}
    kept = make_tradeoff(tradeoff.settings, limits=limits)
    assert kept.exceeded == ()
    assert make_tradeoff(tradeoff.settings, limits=limits, num_sources=19).exceeded == tuple(limits)


def test_an_attack_that_was_trained_too_little_keeps_no_limit(tradeoff, make_tradeoff):
    late = replace(tradeoff.settings[2], cost={"pairs": 2048.0, "pairs_seen": 1.0})
    found = make_tradeoff([*tradeoff.settings[:2], late], limits={"nopeek": 1.0})
    assert found.exceeded == ("nopeek",) and found.protecting == () and found.recommended is None
