import pytest
import yaml

from inverter.blackbox.published import CONFIG
from inverter.config.parse import parse_json, parse_yaml
from inverter.run.hub import checkpoints_root


def test_plain_data_is_read():
    assert parse_json(b'{"a": [1, 2.5, null]}') == {"a": [1, 2.5, None]}
    assert parse_yaml("a: [1, 2.5, null]\nb: {c: text}") == {"a": [1, 2.5, None], "b": {"c": "text"}}
    for config in checkpoints_root().glob(f"*/{CONFIG}"):
        assert parse_yaml(config.read_bytes()) == yaml.safe_load(config.read_text())


@pytest.mark.parametrize("text", ["[" * 1000, "a: &x [1]\nb: *x", "!!timestamp now", "!!bool maybe", "\x00", "a: b: c"])
def test_other_yaml_is_refused_in_one_line(text):
    with pytest.raises(ValueError, match="no valid YAML: ") as caught:
        parse_yaml(text)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, b"\xff", "1" * 5000])
def test_other_json_is_refused_in_one_line(text):
    with pytest.raises(ValueError, match="no valid JSON: ") as caught:
        parse_json(text)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("text", ["[" * 101 + "]" * 101, "- " * 100_000, "{a: " * 200 + "}" * 200])
def test_yaml_that_is_nested_too_deeply(text):
    with pytest.raises(ValueError, match="no valid YAML: nested more than 100 times"):
        parse_yaml(text)
