import pytest
import torch
from torch import nn

from inverter.run.muon import Muon, orthogonalise


@pytest.mark.parametrize("shape", [(8, 8), (4, 36), (36, 4)])
def test_singular_values_come_out_near_one(shape):
    generator = torch.Generator().manual_seed(0)
    values = torch.linalg.svdvals(orthogonalise(torch.randn(shape, generator=generator)))
    assert values.min() > 0.6
    assert values.max() < 1.25


def test_no_gradient_at_all_is_no_step():
    assert orthogonalise(torch.zeros(3, 5)).equal(torch.zeros(3, 5))


def test_a_step_is_as_long_whatever_the_gradient_is():
    lengths = []
    for scale in (1e-3, 1e3):
        layer = nn.Conv2d(4, 8, 3)
        before = layer.weight.detach().clone()
        optimizer = Muon(layer.parameters(), lr=0.1, weight_decay=0.0)
        generator = torch.Generator().manual_seed(0)
        layer.weight.grad = scale * torch.randn(layer.weight.shape, generator=generator)
        optimizer.step()
        lengths.append((layer.weight - before).square().mean().sqrt().item())
    assert lengths[0] == pytest.approx(lengths[1], rel=1e-4)
    assert 0.5 * 0.2 * 0.1 < lengths[0] < 1.3 * 0.2 * 0.1  # AdamW's usual root mean square is 0.2 of lr


def test_vectors_step_as_with_adamw():
    found = []
    for kind in (Muon, torch.optim.AdamW):
        bias = nn.Parameter(torch.arange(4.0))
        optimizer = kind([bias], lr=0.01, weight_decay=0.1)
        for _ in range(3):
            bias.grad = torch.tensor([1.0, -2.0, 3.0, 0.5])
            optimizer.step()
        found.append(bias.detach())
    assert found[0].equal(found[1])


def test_weights_decay():
    layer = nn.Linear(4, 4, bias=False)
    before = layer.weight.detach().clone()
    layer.weight.grad = torch.zeros_like(layer.weight)
    Muon(layer.parameters(), lr=0.1, weight_decay=0.5).step()
    torch.testing.assert_close(layer.weight.detach(), 0.95 * before)


def test_it_finds_a_matrix():
    generator = torch.Generator().manual_seed(0)
    inputs, true = torch.randn(64, 6, generator=generator), torch.randn(6, 6, generator=generator)
    weight = nn.Parameter(torch.zeros(6, 6))
    optimizer = Muon([weight], lr=0.2, weight_decay=0.0)

    def loss():
        optimizer.zero_grad()
        value = (inputs @ (weight - true)).square().mean()
        value.backward()
        return value

    first = optimizer.step(loss).item()
    for step in range(200):
        optimizer.param_groups[0]["lr"] = 0.2 * (1 - step / 200)
        last = optimizer.step(loss).item()
    assert last < 1e-3 * first


def test_it_goes_on_from_its_state():
    def train(weight, optimizer, steps):
        for step in steps:
            weight.grad = torch.full_like(weight, float(step + 1)) + torch.eye(3)
            optimizer.step()

    whole, parted = nn.Parameter(torch.ones(3, 3)), nn.Parameter(torch.ones(3, 3))
    train(whole, Muon([whole], lr=0.1), range(4))
    first = Muon([parted], lr=0.1)
    train(parted, first, range(2))
    second = Muon([parted], lr=0.1)
    second.load_state_dict(first.state_dict())
    train(parted, second, range(2, 4))
    torch.testing.assert_close(whole, parted, rtol=0, atol=0)


def test_groups_have_settings_of_their_own():
    first, second = (nn.Parameter(torch.zeros(3, 3)) for _ in range(2))
    optimizer = Muon([{"params": [first], "momentum": 0.0}, {"params": [second]}], lr=0.1, weight_decay=0.0)
    for gradient in (torch.eye(3), torch.eye(3).flip(0)):
        first.grad, second.grad = gradient.clone(), gradient.clone()
        optimizer.step()
    assert not torch.allclose(first, second)


@pytest.mark.parametrize("momentum", [-0.1, 1.0, float("nan")])
def test_a_momentum_that_cannot_be(momentum):
    with pytest.raises(ValueError, match=rf"momentum is {momentum}; allowed: 0 to below 1"):
        Muon([nn.Parameter(torch.zeros(2, 2))], momentum=momentum)
