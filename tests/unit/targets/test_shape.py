import pytest
import torch

from inverter.targets.shape import (
    along_channels,
    describe_shape,
    from_lists,
    is_feature_shape,
    join_features,
    layer_names,
    num_channels,
    split_features,
    tensor_shape,
    to_lists,
)

JOINT = ((2, 1, 3), (4, 2), (5,))


@pytest.mark.parametrize(("shape", "channels"), [((3, 4, 5), 3), ((7, 6), 6), ((9,), 9), (JOINT, 2 + 2 + 5)])
def test_num_channels(shape, channels):
    assert num_channels(shape) == channels


@pytest.mark.parametrize("shape", [(3, 4, 5), (7, 6), (9,), JOINT])
def test_features_are_split_and_joined(shape):
    features = torch.randn(2, *tensor_shape(shape))
    parts = split_features(features, shape)
    assert [tuple(part.shape[1:]) for part in parts] == (list(shape) if shape is JOINT else [shape])
    assert torch.equal(join_features(parts), features)
    assert from_lists(to_lists(shape)) == shape and is_feature_shape(shape)


def test_one_value_a_channel_along_joint_layers():
    values = along_channels(torch.arange(9.0), JOINT)
    assert values.tolist() == [0, 0, 0, 1, 1, 1, 2, 3, 2, 3, 2, 3, 2, 3, 4, 5, 6, 7, 8]


@pytest.mark.parametrize("value", [5, (), ((),), ((3,), 4), (4, (3,)), (1, 2, 3, 4), ((2, True),), ("3",), [3]])
def test_what_is_no_shape(value):
    assert not is_feature_shape(value)


def test_words():
    assert describe_shape(JOINT) == "2 x 1 x 3 + 4 x 2 + 5" and describe_shape((40, 28, 28)) == "40 x 28 x 28"
    assert layer_names("blocks.2+blocks.6") == ["blocks.2", "blocks.6"] and layer_names("a") == ["a"]
