import pytest
import torch
from torch import Tensor, nn

from inverter.targets import list_layers, load_target


class Network(nn.Module):
    """Layers declared in another order than they run; one runs twice, one never, one returns two tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(8, 10)
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(4, 8, 1, groups=2))
        self.up = nn.ConvTranspose2d(8, 8, 2, stride=2)
        self.act = nn.ReLU()
        self.unused = nn.Linear(8, 8)
        self.pool = nn.AdaptiveMaxPool2d(1, return_indices=True)

    def forward(self, images: Tensor) -> Tensor:
        features = self.act(self.up(self.act(self.body(images))))
        return self.head(self.pool(features)[0].flatten(1))


def test_by_hand():
    layers = list_layers(Network(), input_size=8, picture_size=4)
    assert [layer.name for layer in layers] == ["body.0", "body.1", "body.2", "body", "act", "up", "head"]
    # multiply-accumulates: 16 positions x 108 weights, 16 x 16, 16 inputs x 256, 80
    total = 1728 + 256 + 4096 + 80
    by_name = {layer.name: layer for layer in layers}
    assert by_name["body.0"].device_share == by_name["body.1"].device_share == 1728 / total
    assert by_name["body"].device_share == by_name["act"].device_share == 1984 / total
    assert by_name["up"].device_share == 6080 / total
    assert by_name["head"].device_share == 1
    body = by_name["body"]
    assert (body.feature_shape, body.numbers, body.bytes, body.ratio) == ((8, 4, 4), 128, 512, 128 / 48)


def test_every_layer_listed_can_be_tapped():
    network = Network()
    for layer in list_layers(network, input_size=8):
        assert load_target(network, layer.name, input_size=8).spec.feature_shape == layer.feature_shape


def test_lite0_ratios():
    ratios = {layer.name: layer.ratio for layer in list_layers("timm:tf_efficientnet_lite0")}
    assert [round(ratios[name], 1) for name in ("blocks.0", "blocks.2", "blocks.6", "global_pool")] == [
        16.3,
        2.6,
        1.3,
        0.1,
    ]
    ratios = {layer.name: layer.ratio for layer in list_layers("timm:tf_efficientnet_lite0", 64)}
    assert ratios["blocks.2"] == 40 * 8 * 8 / (3 * 64 * 64)


def test_tokens_and_an_unmutated_module():
    layers = {layer.name: layer for layer in list_layers("timm:vit_tiny_patch16_224", 64)}
    assert layers["blocks.0"].feature_shape == (17, 192)
    assert layers["head"].feature_shape == (1000,)
    network = Network().train()
    list_layers(network, input_size=8)
    assert network.training
    assert not any(module._forward_hooks for module in network.modules())


def test_wrong_sizes():
    with pytest.raises(ValueError, match="picture_size=0"):
        list_layers(Network(), picture_size=0)
    with pytest.raises(ValueError, match="cannot take input_size=4"):
        list_layers(nn.Sequential(nn.Conv2d(3, 4, 5)), input_size=4)
    assert torch.is_grad_enabled()


def test_layers_that_are_called_by_keyword():
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.up, self.head = nn.Conv2d(3, 4, 2, stride=2), nn.ConvTranspose2d(4, 4, 1), nn.Linear(4, 2)

        def forward(self, images):
            return self.head(input=self.up(input=self.conv(input=images)).mean((2, 3)))

    layers = list_layers(Named(), 8)
    assert [layer.name for layer in layers] == ["conv", "up", "head"]
    work = 16 * 4 * 12 + 16 * 16 + 8
    assert [layer.device_share for layer in layers] == [768 / work, 1024 / work, 1.0]
