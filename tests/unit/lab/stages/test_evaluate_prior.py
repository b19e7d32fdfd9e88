import json

import pytest
from furniture import save_shard

from inverter.lab.prior import plan as prior_plan
from inverter.lab.prior.config import EvaluatePriorConfig
from inverter.lab.stages import evaluate_prior


def machine(processor: str) -> dict:
    return {"processor": processor, "threads": 3, "gpus": []}


@pytest.fixture
def config(tiny_prior_folder, tmp_path, monkeypatch) -> EvaluatePriorConfig:
    """A short measurement by a machine called ``first``, on six pictures without captions."""
    monkeypatch.setattr(prior_plan, "environment", lambda: machine("first"))
    save_shard(tmp_path / "val.tar", range(6), captioned=False)
    drawing = {"num_inference_steps": 1, "steps": [1], "guidances": [], "precision": "fp32", "device": "cpu"}
    sizes = {"num_samples": 6, "num_text": 6, "num_speed": 1, "num_bootstrap": 10, "photos": False, "judges": []}
    places = {"prior": str(tiny_prior_folder), "val": str(tmp_path / "val.tar"), "output": str(tmp_path / "measured")}
    return EvaluatePriorConfig(**places, **drawing, **sizes)


def test_speed_is_said_of_the_machine_that_measured_it(config, monkeypatch):
    output = evaluate_prior.run(config)
    parts = json.loads((output / "prior_metrics.json").read_text())["parts"]
    assert (parts["speed"]["device"], parts["speed"]["environment"]) == ("cpu", machine("first"))
    assert "**Speed** (first, 3 threads, commit " in (output / "README.md").read_text()
    monkeypatch.setattr(prior_plan, "environment", lambda: machine("second"))
    evaluate_prior.run(config)
    assert "**Speed** (first, 3 threads, commit " in (output / "README.md").read_text()
    config.num_speed = 2
    with pytest.raises(ValueError, match=r"was made with config\.num_speed="):
        evaluate_prior.run(config)


def test_a_record_of_an_older_version_goes_on(config):
    config.num_speed = EvaluatePriorConfig.num_speed
    path = evaluate_prior.run(config) / "prior_metrics.json"
    values = json.loads(path.read_text())
    del values["subject"]["config"]["num_speed"]
    values["parts"]["speed"] = {"1": 53.4}
    path.write_text(json.dumps(values))
    card = (evaluate_prior.run(config) / "README.md").read_text()
    assert "**Speed** (machine not recorded), samples a second, of 64 without guidance: 53.4 in 1 step." in card
    config.num_speed = 1
    with pytest.raises(ValueError, match=r"was made with config\.num_speed="):
        evaluate_prior.run(config)


def test_pictures_without_captions_have_no_backgrounds(config):
    output = evaluate_prior.run(config)
    assert "background" not in json.loads((output / "prior_metrics.json").read_text())["parts"]
    said = "| border of the background's colour | | not measured: no backgrounds in the captions | | |"
    assert said in (output / "README.md").read_text()
