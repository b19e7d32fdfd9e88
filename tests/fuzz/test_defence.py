import json
import shutil
from pathlib import Path

import pytest
from defences_toys import defend_config, dev_pictures, pictures, toy_network
from hypothesis import given
from hypothesis import strategies as st

from inverter.stages import defend
from inverter.targets import load_target
from inverter.targets.defence import _seal, read_defence

__all__ = ["defend_config", "dev_pictures", "pictures", "toy_network"]


@pytest.fixture(scope="module")
def valid(defend_config, tmp_path_factory) -> Path:
    return defend.run(defend_config(tmp_path_factory.mktemp("fuzz") / "run", "bottleneck"))


@pytest.fixture(scope="module")
def folder(valid, tmp_path_factory) -> Path:
    ignored = shutil.ignore_patterns("checkpoints", "logs", "pictures")
    return Path(shutil.copytree(valid, tmp_path_factory.mktemp("fuzz") / "copy", ignore=ignored))


def load(folder: Path) -> None:
    load_target("module:toy_defended:build", "2", input_size=16, defence=str(folder))


def test_the_valid_one_is_read(folder):
    load(folder)


@given(st.data())
def test_spec_bytes(folder, valid, damaged, only_value_errors, data):
    (folder / "defence.json").write_bytes(data.draw(damaged((valid / "defence.json").read_bytes())))
    only_value_errors(lambda: read_defence(folder))


@given(st.data())
def test_spec_structure(folder, valid, altered, only_value_errors, data):
    """Sealed, as by somebody who knows how."""
    values = json.loads((valid / "defence.json").read_text())
    del values["sha256"]
    values = data.draw(altered(values))
    if isinstance(values, dict):
        values["sha256"] = _seal(values)
    (folder / "defence.json").write_text(json.dumps(values))
    only_value_errors(lambda: load(folder))
