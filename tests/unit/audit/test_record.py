import json
from dataclasses import replace

import pytest

from inverter.audit.record import Audit, sent_bytes
from inverter.audit.table import verdict
from inverter.targets.spec import RESIZE, TargetSpec


def test_what_is_saved_is_read_back(audit, tmp_path):
    audit.save(tmp_path / "deep" / "report.json")
    assert Audit.load(tmp_path / "deep" / "report.json") == audit
    assert json.loads((tmp_path / "deep" / "report.json").read_text())["schema_version"] == 1


def change(values: dict, path: str, value) -> dict:
    *parents, last = path.split(".")
    inner = values
    for key in parents:
        inner = inner[int(key)] if key.isdigit() else inner[key]
    if value is KeyError:
        del inner[last]
    else:
        inner[last] = value
    return values


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("schema_version", 2, "schema_version is 2; allowed: 1"),
        ("schema_version", KeyError, "schema_version is None"),
        ("surplus", 1, r"audit: missing keys \[\], unknown keys \['surplus'\]"),
        ("threshold", KeyError, r"missing keys \['threshold'\]"),
        ("threshold", "0.4", "audit: threshold='0.4'; allowed: a valid number"),
        ("threshold", float("nan"), "audit: threshold=nan; allowed: a finite number"),
        ("num_images", True, "audit: num_images=True; allowed: a valid integer"),
        ("commit", 3, "audit: commit=3; allowed: a valid string"),
        ("layers", {}, r"audit: layers=\{\}; allowed: a valid array"),
        ("layers.0.cost", [], r"audit: layers.0.cost=\[\]; allowed: an object"),
        ("layers.0.scores", {"psnr": 3}, "audit: layers.0.scores.psnr=3; allowed: an object"),
        ("layers.1.scores.psnr.high", "0.6", "audit: layers.1.scores.psnr.high='0.6'; allowed: a valid number"),
        ("layers.1.feature_shape", [1, 2.5], "audit: layers.1.feature_shape.1=2.5; allowed: a valid integer"),
        ("layers.1.layer", "<i>a</i>", "must be unique"),
        ("recommended", "z", "and hold `recommended`"),
        ("limits", {"z": 0.1}, "every limit's layer"),
        ("exceeded", [], "does not follow from limits and scores"),
        ("recommended", "<i>a</i>", "does not follow from threshold and scores"),
        ("num_sources", 19, "recommended='b' does not follow"),
    ],
)
def test_whatever_breaks_the_schema_is_refused(audit, path, value, message):
    values = json.loads(json.dumps(audit.to_json()))
    with pytest.raises(ValueError, match=message):
        Audit.from_json(change(values, path, value))


@pytest.mark.parametrize("text", [None, "", "[]", "null", "{", '{"schema_version": 1}', "[" * 100_000])
def test_files_that_are_no_audit(tmp_path, text):
    path = tmp_path / "report.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ValueError, match=r"report\.json"):
        Audit.load(path)


@pytest.mark.parametrize(("payload", "size"), [("identity", 96), ("int8", 28), ("gaussian:0.1", 96)])
def test_bytes_that_travel(payload, size):
    half = {"resize": RESIZE, "mean": [0.5] * 3, "std": [0.5] * 3}
    assert sent_bytes(TargetSpec("net", "a", 8, (6, 2, 2), payload, half, "0" * 64)) == size


def test_an_attack_that_was_not_trained_bounds_nothing(audit):
    first, second = audit.layers
    short = replace(second, cost={**second.cost, "pairs_seen": 4095})
    untrained = replace(audit, layers=(first, short))
    assert list(audit.bounds()) == [first.layer, second.layer]
    assert list(untrained.bounds()) == [first.layer]
    assert list(untrained.scores()) == [first.layer, second.layer]
    told = verdict(replace(untrained, recommended=None))
    assert told == f"No split is recommended: the attack on {second.layer} was trained too little to tell."


def test_few_sources_are_said_in_the_verdict(audit):
    told = verdict(replace(audit, num_sources=19, recommended=None))
    assert told == "No split is recommended and no limit is kept: 19 sources are too few to tell; needed: 20."
    told = verdict(replace(audit, num_sources=20, recommended=None, threshold=0.1))
    assert told.endswith("20 sources show no score under 0.161.")
