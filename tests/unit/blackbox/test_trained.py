import re
from pathlib import Path

import pytest

from inverter.blackbox.build import build_module
from inverter.blackbox.trained import load_trained_inverter
from inverter.data.manifest import Manifest
from inverter.publish.inverter import save_inverter


@pytest.fixture
def publish(train_config, tiny_shards, tmp_path):
    def write(training: dict) -> str:
        manifest = Manifest.load(tiny_shards / "train")
        module = build_module(train_config(tmp_path), manifest)
        module.inverter.prior.name = train_config(tmp_path).prior  # a folder, so that it is found again
        save_inverter(module.inverter, tmp_path / "toy", manifest.target, training)
        return str(tmp_path / "toy")

    return write


def test_a_published_inverter_knows_its_training_and_has_no_pairs(publish, target_spec):
    training = {"source": "folder:mine", "threat_model": "pictures of its own", "pairs": 7}
    subject = load_trained_inverter(publish(training))
    assert (subject.source, subject.threat_model, subject.num_pairs) == ("folder:mine", "pictures of its own", 7)
    assert subject.target == target_spec and subject.data is None


def test_the_prior_may_lie_elsewhere_than_where_it_was_trained(publish, tmp_path, tiny_prior_folder):
    folder = publish({"source": "prior", "threat_model": "none", "pairs": 7})
    config = tmp_path / "toy" / "config.yaml"
    config.write_text(re.sub(r"^prior: .*$", "prior: /gone", config.read_text(), flags=re.MULTILINE))
    with pytest.raises(ValueError, match="/gone"):
        load_trained_inverter(folder)
    assert load_trained_inverter(folder, str(tiny_prior_folder)).inverter.prior.name == str(tiny_prior_folder)


def test_a_published_inverter_without_its_training_is_refused(publish):
    with pytest.raises(ValueError, match="training lacks source, threat_model"):
        load_trained_inverter(publish({"pairs": 7}))


def test_what_is_neither_run_nor_published_is_an_error(tmp_path: Path):
    with pytest.raises(ValueError, match="no-such"):
        load_trained_inverter(str(tmp_path / "no-such"))
