import json
import subprocess
import sys
from dataclasses import replace

import pytest

from inverter.blackbox.published import list_inverters
from inverter.targets.spec import RESIZE, DefenceMark, TargetSpec, check_same_features


@pytest.fixture
def spec() -> TargetSpec:
    preprocessing = {"resize": RESIZE, "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.5, 1.0]}
    return TargetSpec("timm:resnet18", "layer1", 64, (40, 28, 28), "int8", preprocessing, "0a" * 32)


def test_round_trip_through_json(spec):
    assert TargetSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec
    assert spec.num_features == 40 * 28 * 28


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", 3),
        ("input_size", "64"),
        ("input_size", True),
        ("input_size", 0),
        ("feature_shape", 40),
        ("feature_shape", [40, -1, 2]),
        ("feature_shape", [1, 2, 3, 4]),
        ("feature_shape", [2.0]),
        ("feature_shape", [[2], [3]]),  # two shapes, one layer
        ("feature_shape", [[40, 28, 28]]),
        ("layer", "a+b"),  # two layers, one shape
        ("weights_sha256", "abc"),
        ("preprocessing", {"resize": RESIZE}),
        ("preprocessing", {"resize": "nearest", "mean": [0.0] * 3, "std": [1.0] * 3}),
        ("preprocessing", {"resize": RESIZE, "mean": [0.0] * 2, "std": [1.0] * 3}),
        ("preprocessing", {"resize": RESIZE, "mean": [0.0] * 3, "std": [0.0] * 3}),
    ],
)
def test_wrong_values_are_named(spec, key, value):
    with pytest.raises(ValueError, match=key):
        TargetSpec.from_dict({**spec.to_dict(), key: value})


def test_keys_are_checked(spec):
    values = spec.to_dict()
    with pytest.raises(ValueError, match=r"unknown keys \['colour'\]"):
        TargetSpec.from_dict({**values, "colour": 1})
    del values["layer"]
    with pytest.raises(ValueError, match=r"missing keys \['layer'\]"):
        TargetSpec.from_dict(values)
    with pytest.raises(ValueError, match="target spec is a list; allowed: an object"):
        TargetSpec.from_dict([1])  # type: ignore[arg-type]


def test_a_defence_is_part_of_it_only_where_there_is_one(spec):
    assert "defence" not in spec.to_dict() and TargetSpec.from_dict(spec.to_dict()).defence is None
    defended = replace(spec, defence=DefenceMark("nopeek", "1b" * 32))
    assert TargetSpec.from_dict(json.loads(json.dumps(defended.to_dict()))) == defended
    with pytest.raises(ValueError, match=r"mine takes features .* with defence None; .* has nopeek \(1b1b1b1b1b1b\)"):
        check_same_features("mine", spec, defended)
    with pytest.raises(ValueError, match="sha256='1b'"):
        TargetSpec.from_dict({**spec.to_dict(), "defence": {"kind": "nopeek", "sha256": "1b"}})


def test_published_inverters_are_of_undefended_targets():
    published = list(list_inverters())
    assert len(published) >= 6 and {each.target.defence for each in published} == {None}


def test_importing_the_spec_loads_no_torch():
    code = "import sys, inverter.targets.spec; print(sorted({'torch', 'timm', 'torchvision'} & set(sys.modules)))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
