import pytest
import torch
from torch import Tensor, nn

from inverter.targets import load_target
from inverter.whitebox.attack import Attack
from inverter.whitebox.differentiable import check_differentiable


class Tower(nn.Module):
    def __init__(self, act=None) -> None:
        super().__init__()
        self.stem, self.act = nn.Conv2d(3, 4, 2, stride=2), act or nn.Tanh()

    def forward(self, images: Tensor) -> Tensor:
        return self.act(self.stem(images))


class NoGrad(Tower):
    forward = torch.no_grad()(Tower.forward)


class Inference(Tower):
    forward = torch.inference_mode()(Tower.forward)


class Layer(nn.Module):
    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, maps: Tensor) -> Tensor:
        return self.function(maps)


def overwritten(maps: Tensor) -> Tensor:
    out = maps.exp()
    out.data.mul_(2)
    return out.exp_().mul_(out)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (NoGrad(), "stops them before stem, which is called without gradients"),
        (Inference(), "stops them before stem, which is called without gradients"),
        (Tower(Layer(Tensor.detach)), "stops them in act"),
        (Tower(Layer(lambda maps: maps.data)), "stops them in act"),
        (Tower(Layer(torch.round)), "the gradient is 0 everywhere"),
        (Tower(Layer(lambda maps: maps * 0)), "the gradient is 0 everywhere"),
        (Tower(Layer(overwritten)), "a pass with gradients fails: .*inplace"),
    ],
)
def test_an_attack_does_not_begin_without_gradients(network, message):
    target = load_target(network, "act", input_size=8)
    with pytest.raises(ValueError, match=f"features of act of {type(network).__name__} have no gradient.*{message}"):
        Attack("direct", target, image_size=8).invert(torch.rand(1, 4, 4, 4))
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in target.modules())


@pytest.mark.parametrize("payload", ["identity", "int8", "gaussian:0.1"])
def test_payloads_and_other_sizes_have_gradients(payload):
    target = load_target(Tower(), "act", input_size=8, payload=payload)
    before = target(torch.zeros(1, 3, 8, 8))
    target.seed_payload(0)
    with torch.no_grad():
        check_differentiable(target, 16)
    assert torch.equal(target(torch.zeros(1, 3, 8, 8)), before)  # it draws none of the payload's noise
