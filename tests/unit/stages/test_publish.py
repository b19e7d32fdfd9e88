import pytest

from inverter.blackbox.config import TrainConfig
from inverter.config import PublishConfig
from inverter.publish.training_record import training_record
from inverter.stages import publish


@pytest.mark.parametrize("name", [".", "..", "", "../inverter", "a/b", "/tmp/x", ".hidden", "a b"])
def test_a_name_that_is_no_plain_name(tmp_path, name):
    """With overwrite=true it would delete what it points at."""
    (tmp_path / "published" / "kept").mkdir(parents=True)
    config = PublishConfig(run="run", name=name, output=str(tmp_path / "published"), overwrite=True)
    with pytest.raises(ValueError, match=r"name is .*; allowed: letters, digits"):
        publish.run(config)
    assert (tmp_path / "published" / "kept").is_dir()


def test_a_licence_that_is_no_plain_name(tmp_path):
    """It stands in the card's front matter."""
    with pytest.raises(ValueError, match=r"licence is 'mit\\ntags: \[x\]'; allowed: one of the hub's names"):
        publish.run(PublishConfig(run="run", name="a", output=str(tmp_path), licence="mit\ntags: [x]"))


def test_only_a_published_inverter_is_overwritten(tmp_path):
    (tmp_path / "embedded").mkdir()
    (tmp_path / "embedded" / "model_index.json").write_text("{}")  # a prior
    with pytest.raises(ValueError, match=r"embedded is no published inverter and is not overwritten"):
        publish.run(PublishConfig(run="run", name="embedded", output=str(tmp_path), overwrite=True))
    assert (tmp_path / "embedded" / "model_index.json").is_file()


def test_a_run_that_was_cut_off_is_no_traceback(tmp_path):
    (tmp_path / "train.json").write_text("{}")
    with pytest.raises(ValueError, match=r"has no summary.json, so its training was cut off"):
        training_record(tmp_path, TrainConfig(), None)
