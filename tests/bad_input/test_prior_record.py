"""A damaged or foreign ``prior_metrics.json`` where ``evaluate_prior`` would go on."""

import json
from pathlib import Path

import pytest
from furniture import save_shard

from inverter.__main__ import main

SIZES = ["num_samples=6", "num_text=6", "num_speed=1", "steps=[1]", "guidances=[1]", "num_inference_steps=1"]


@pytest.fixture
def words(tiny_prior_folder, tmp_path) -> list[str]:
    """A measurement that is done, and would be gone on with."""
    save_shard(tmp_path / "val.tar", range(6))
    given = [f"prior={tiny_prior_folder}", f"val={tmp_path / 'val.tar'}", f"output={tmp_path / 'measured'}"]
    words = ["evaluate_prior", *given, *SIZES, "photos=false", "judges=[]", "num_bootstrap=10", "device=cpu"]
    assert main(words) == 0
    return words


def test_records(words, tmp_path, refused_by_command):
    path = Path(tmp_path / "measured" / "prior_metrics.json")
    values = json.loads(path.read_text())
    parts = values["parts"]
    for what, text in {
        "a prior_metrics.json that is no JSON": "{",
        "a prior_metrics.json nested too deeply": "[" * 100_000,
        "a prior_metrics.json that is no object": "[]",
        "a prior_metrics.json of another version": json.dumps({**values, "schema_version": 2}),
        "a prior_metrics.json of another prior": json.dumps({**values, "subject": {"prior": "other"}}),
        "a prior_metrics.json whose parts are numbers": json.dumps({**values, "parts": {"speed": 5}}),
        "a prior_metrics.json with a part that lacks a key": json.dumps(
            {**values, "parts": {**parts, "background": {"real": parts["background"]["real"]}}}
        ),
        "a prior_metrics.json with a part of another type": json.dumps(
            {**values, "parts": {**parts, "speed": {"1": "fast"}}}
        ),
    }.items():
        path.write_text(text)
        refused_by_command(what, words)
        assert path.read_text() == text
    assert main([*words, "resume=false"]) == 0
