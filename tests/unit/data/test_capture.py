import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from inverter.data.capture import capture
from inverter.data.inputs import Input, read_inputs
from inverter.targets import load_targets

NETWORK = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())


def pictures(count: int) -> list[Input]:
    values = torch.randint(0, 256, (count, 3, 9, 9), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    return [Input(f"p{i}", picture) for i, picture in enumerate(values)]


def test_a_picture_and_its_features_are_the_same_to_the_bit_in_any_batch():
    target = load_targets(NETWORK, ["0", "1"], input_size=8)
    given = pictures(3)
    together = capture(target, given, 0)
    for i, item in enumerate(given):
        alone = capture(target, [item], 0)
        file = Input(item.key, features={layer: values[0] for layer, values in alone.items()})
        again = capture(target, [given[0], file], 0)
        for layer in ("0", "1"):
            assert torch.equal(together[layer][i], alone[layer][0])
            assert torch.equal(again[layer][1], alone[layer][0])


def test_joint_layers_come_from_pictures_and_from_files(tmp_path):
    target, given = load_targets(NETWORK, ["0+1"], input_size=8), pictures(1)
    sent = capture(target, given, 0)["0+1"]
    by_layer = capture(load_targets(NETWORK, ["0", "1"], input_size=8), given, 0)
    save_file({layer: values[0].clone() for layer, values in by_layer.items()}, tmp_path / "x.safetensors")
    read = list(read_inputs(tmp_path / "x.safetensors", ["0+1"], 8))
    assert torch.equal(capture(target, read, 0)["0+1"], sent) and sent.shape == (1, 2 * 4 * 36)
    wrong = Input("x", features={**read[0].features, "1": torch.zeros(4, 9, 4)})  # as many numbers
    with pytest.raises(ValueError, match=r"features of 'x' have shape \(4, 9, 4\); 1 gives \(4, 6, 6\)"):
        capture(target, [wrong], 0)


def test_the_payloads_noise_is_the_keys():
    target = load_targets(NETWORK, ["1"], input_size=8, payload="gaussian:0.5")
    given = pictures(2)
    together, swapped = capture(target, given, 0), capture(target, given[::-1], 0)
    assert torch.equal(together["1"], swapped["1"].flip(0))
    assert not torch.equal(together["1"], capture(target, given, 1)["1"])


def test_features_of_another_shape_are_refused():
    target = load_targets(NETWORK, ["1"], input_size=8)
    with pytest.raises(ValueError, match=r"features of 'x' have shape \(4, 6, 5\); 1 gives \(4, 6, 6\)"):
        capture(target, [Input("x", features={"1": torch.zeros(4, 6, 5)})], 0)


def test_what_the_payload_cannot_send_is_refused():
    network = nn.Conv2d(3, 4, 3)
    network.bias.data += 7e4
    target = load_targets(nn.Sequential(network), ["0"], input_size=8, payload="fp16")
    with pytest.raises(ValueError, match="payload=fp16: NaN or infinity in what arrives"):
        capture(target, pictures(1), 0)
