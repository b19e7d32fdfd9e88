import json

from hypothesis import given
from hypothesis import strategies as st

from inverter.data.manifest import Manifest
from inverter.data.sources.captured import read_spec


def test_the_valid_one_is_read(tiny_shards):
    assert Manifest.load(tiny_shards / "dev").num_pairs == 5


@given(st.data())
def test_bytes(tiny_shards, tmp_path_factory, damaged, only_value_errors, data):
    folder = tmp_path_factory.getbasetemp() / "manifest-bytes"
    folder.mkdir(exist_ok=True)
    (folder / "manifest.json").write_bytes(data.draw(damaged((tiny_shards / "dev" / "manifest.json").read_bytes())))
    only_value_errors(lambda: Manifest.load(folder))


@given(st.data())
def test_structure(tiny_shards, tmp_path_factory, altered, only_value_errors, data):
    folder = tmp_path_factory.getbasetemp() / "manifest-structure"
    folder.mkdir(exist_ok=True)
    values = data.draw(altered(json.loads((tiny_shards / "dev" / "manifest.json").read_text())))
    (folder / "manifest.json").write_text(json.dumps(values))
    only_value_errors(lambda: Manifest.load(folder))


@given(st.data())
def test_spec(target_spec, tmp_path_factory, altered, only_value_errors, data):
    folder = tmp_path_factory.getbasetemp() / "spec"
    folder.mkdir(exist_ok=True)
    (folder / "spec.json").write_text(json.dumps(data.draw(altered(target_spec.to_dict()))))
    only_value_errors(lambda: read_spec(folder, lambda: (1,)))
