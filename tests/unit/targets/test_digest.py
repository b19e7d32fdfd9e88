import logging
from io import BytesIO

import numpy as np
import pytest
import torch
from torch import nn

from inverter.targets import load_target
from inverter.targets.target import weights_sha256


class Beside(nn.Module):
    """A convolution, and an entry of the state dict that is no tensor."""

    def __init__(self, state) -> None:
        super().__init__()
        self.layer, self.state = nn.Conv2d(3, 2, 1), state

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.layer(images)

    def get_extra_state(self):
        return self.state


def sha256(state) -> str:
    torch.manual_seed(0)
    return load_target(Beside(state), "layer", input_size=4).spec.weights_sha256


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (None, False),
        (1, 1.0),
        ({"scale": torch.ones(2), "axes": [1, 2]}, {"scale": torch.ones(2), "axes": [2, 1]}),
        (b"ab", b"ac"),
        (BytesIO(b"ab"), BytesIO(b"b")),
        (np.ones(3), np.ones((3, 1))),
        ((torch.ones(2).to_sparse(),), (torch.zeros(2).to_sparse(),)),
        (torch.float16, torch.bfloat16),
    ],
)
def test_entries_that_are_no_tensors_count(one, other, caplog):
    assert sha256(one) == sha256(one) != sha256(other)
    assert not caplog.records


def test_what_cannot_be_hashed_is_said(caplog):
    with caplog.at_level(logging.WARNING):
        assert sha256(object()) == sha256({1})
    assert "leaves out _extra_state, a object" in caplog.text


@pytest.mark.filterwarnings("ignore")
def test_quantised_layers_count():
    def network(number: float) -> nn.Module:
        torch.manual_seed(0)
        plain = nn.Sequential(nn.Conv2d(3, 2, 1), nn.Flatten(), nn.Linear(32, 4))
        plain[2].weight.data[0] += number
        return torch.ao.quantization.quantize_dynamic(plain, {nn.Linear}, dtype=torch.qint8)

    assert weights_sha256(network(0)) == weights_sha256(network(0)) != weights_sha256(network(1))
    assert load_target(network(0), "0", input_size=4).spec.feature_shape == (2, 4, 4)


def test_lazy_layers():
    behind = nn.Sequential(nn.Conv2d(3, 2, 1), nn.Flatten(), nn.LazyLinear(4))
    assert load_target(behind, "0", input_size=4).spec.feature_shape == (2, 4, 4)
    at = [load_target(nn.Sequential(nn.LazyConv2d(2, 1)), "0", input_size=4) for _ in range(2)]
    assert at[0].spec == at[1].spec  # random weights are always the same
    assert not any(parameter.requires_grad for parameter in at[0].parameters())


def test_the_hash_by_hand():
    import hashlib

    state = {"b": torch.tensor([1.0, 2.0]), "a": torch.tensor([True])}
    network = nn.Module()
    for name, value in state.items():
        network.register_buffer(name, value)
    data = b"a torch.bool (1,)\n\x01" + b"b torch.float32 (2,)\n" + np.array([1, 2], np.float32).tobytes()
    assert weights_sha256(network) == hashlib.sha256(data).hexdigest()
