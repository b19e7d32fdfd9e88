from collections import namedtuple

import pytest
import torch
from torch import nn

from inverter.targets import list_layers, load_target
from inverter.targets.output import channels_first, with_tensor


class ChannelsLast(nn.Module):
    """A map with its channels last, as Swin's blocks give it, and the same with its channels first."""

    def __init__(self) -> None:
        super().__init__()
        self.patches, self.turn, self.back = nn.Conv2d(3, 6, 4, stride=4), nn.Identity(), nn.Identity()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.back(self.turn(self.patches(images).permute(0, 2, 3, 1)).permute(0, 3, 1, 2))


def test_a_channels_last_map_is_turned():
    network, images = ChannelsLast(), torch.rand(2, 3, 16, 16)
    first, last = (load_target(network, layer, input_size=16) for layer in ("back", "turn"))
    assert last.spec.feature_shape == first.spec.feature_shape == (6, 4, 4)
    assert torch.equal(last(images), first(images))
    assert {layer.feature_shape for layer in list_layers(network, 16)} == {(6, 4, 4)}


@pytest.mark.parametrize(
    ("shape", "turned"),
    [
        ((2, 7, 7, 96), (2, 96, 7, 7)),
        ((2, 1, 1, 96), (2, 96, 1, 1)),
        ((2, 96, 7, 7), (2, 96, 7, 7)),
        ((2, 7, 7, 7), (2, 7, 7, 7)),  # a cube cannot tell
        ((2, 12, 5, 9), (2, 12, 5, 9)),
        ((2, 5, 5), (2, 5, 5)),
        ((2, 5), (2, 5)),
    ],
)
def test_two_equal_axes_are_the_sides(shape, turned):
    features = torch.randn(shape)
    out = channels_first(features)
    assert tuple(out.shape) == turned
    assert torch.equal(out, features if shape == turned else features.movedim(-1, 1))


def test_a_tensor_takes_its_place_in_what_a_layer_returned():
    Named = namedtuple("Named", ["kept", "features"])
    old, new = torch.rand(2, 4, 4, 3), torch.rand(2, 3, 4, 4)
    turned = new.permute(0, 2, 3, 1)  # channels last, as the layer has them
    assert torch.equal(with_tensor(old, new), turned)
    assert with_tensor((old, None), new)[1] is None
    assert torch.equal(with_tensor([old], new)[0], turned) and isinstance(with_tensor([old], new), list)
    assert torch.equal(with_tensor(Named(1, old), new).features, turned)
    given = {"features": old, "other": 1}
    made = with_tensor(given, new)
    assert torch.equal(made["features"], turned) and made["other"] == 1 and given["features"] is old
    assert with_tensor(old.half(), new).dtype == torch.float16
    assert with_tensor(new, new).data_ptr() != new.data_ptr()
