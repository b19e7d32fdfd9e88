import pytest
import torch
from torch import nn

from inverter.targets import load_target
from inverter.targets.split import Split


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.inner = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.act, self.head = nn.ReLU(inplace=True), nn.Linear(4, 5)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.act(self.first(images))
        features = self.act(features + self.inner(features))
        return self.head(features.mean((2, 3)))


class Lists(nn.Module):
    """Channels last, in a tuple, with the size of the batch taken from the pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.head = Wrapped(), nn.Linear(4, 5)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        (features, _) = self.layer(images)
        return self.head(features.reshape(len(images), -1, 4).mean(1))


class Wrapped(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, images: torch.Tensor) -> tuple:
        return self.conv(images).permute(0, 2, 3, 1), None


def split(network: nn.Module, layer: str) -> Split:
    return Split(load_target(network, layer, input_size=8))


@pytest.mark.parametrize(("network", "layer"), [(Residual, "first"), (Lists, "layer")])
@pytest.mark.parametrize("count", [1, 3])
def test_the_servers_half_answers_as_the_whole_network(network, layer, count):
    made = split(network(), layer)
    images = torch.rand(count, 3, 8, 8)
    features = made.target(images).detach().requires_grad_()
    kept = features.detach().clone()
    answer = made.server_output(features)
    torch.testing.assert_close(answer, made(images))
    (gradient,) = torch.autograd.grad(answer.sum(), features)
    assert gradient.abs().sum() > 0
    assert torch.equal(features, kept)  # the layers behind write into their input


def test_the_answer_is_that_of_what_arrives():
    made = Split(load_target(Residual(), "first", input_size=8, payload="minmax:1"))
    images = torch.rand(2, 3, 8, 8)
    arrived = made.target(images)
    assert len(arrived[0].unique()) == 2
    expected = made.network.head((a := arrived.relu() + 0).add(made.network.inner(a)).relu().mean((2, 3)))
    torch.testing.assert_close(made.server_output(arrived), expected)
    assert not torch.allclose(made.server_output(arrived), made(images), rtol=1e-3)


@pytest.mark.parametrize(
    ("network", "layer", "message"),
    [
        (Residual, "inner", "layer='inner' is no place to split Residual at: what lies behind it reads more"),
        (Residual, "act", "layer='act' is reached 2 times in a pass; allowed: once"),
        (Residual, "first+inner", r"target.layer='first\+inner' are several layers; allowed: one"),
        (
            lambda: nn.Sequential(nn.Conv2d(3, 4, 3)),
            "0",
            r"answers with a tensor of shape \(2, 4, 6, 6\); allowed: \(B",
        ),
    ],
)
def test_what_cannot_be_split(network, layer, message):
    with pytest.raises(ValueError, match=message):
        split(network(), layer)


def test_features_of_another_shape():
    with pytest.raises(ValueError, match=r"features of shape \(2, 4, 9, 8\); allowed: \(B, \*\(4, 8, 8\)\)"):
        split(Residual(), "first").server_output(torch.rand(2, 4, 9, 8))
