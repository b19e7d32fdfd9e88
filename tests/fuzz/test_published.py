import shutil
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from inverter.blackbox.load import load_inverter
from inverter.blackbox.published import read_published

TAGS = ["!!int", "!!float", "!!bool", "!!timestamp", "!!binary", "!!omap", "!!pairs", "!!python/name:os.system"]


@pytest.fixture(scope="module")
def folder(tiny_published, tmp_path_factory) -> Path:
    return Path(shutil.copytree(tiny_published, tmp_path_factory.mktemp("fuzz") / "toy"))


def test_the_valid_one_is_read(folder, tiny_prior):
    assert load_inverter(str(folder), tiny_prior).spec.width == 16


@given(st.data())
def test_config_bytes(folder, tiny_published, damaged, only_value_errors, data):
    (folder / "config.yaml").write_bytes(data.draw(damaged((tiny_published / "config.yaml").read_bytes())))
    only_value_errors(lambda: read_published(str(folder)))


@given(st.data())
def test_config_structure(folder, tiny_published, tiny_prior, altered, only_value_errors, data):
    values = data.draw(altered(yaml.safe_load((tiny_published / "config.yaml").read_text())))
    (folder / "config.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    only_value_errors(lambda: load_inverter(str(folder), tiny_prior))


@given(st.data())
def test_weights(folder, tiny_published, tiny_prior, damaged, only_value_errors, data):
    shutil.copy(tiny_published / "config.yaml", folder)
    places = (0, 0, 40, 200)
    (folder / "model.safetensors").write_bytes(
        data.draw(damaged((tiny_published / "model.safetensors").read_bytes(), places))
    )
    only_value_errors(lambda: load_inverter(str(folder), tiny_prior))


@given(st.data())
def test_config_structure_with_yaml_tags(folder, tiny_published, only_value_errors, data):
    lines = (tiny_published / "config.yaml").read_text().splitlines()
    number = data.draw(st.integers(0, len(lines) - 1))
    key, colon, value = lines[number].partition(":")
    lines[number] = f"{key}{colon} {data.draw(st.sampled_from(TAGS))} {value}"
    (folder / "config.yaml").write_text("\n".join(lines))
    only_value_errors(lambda: read_published(str(folder)))
