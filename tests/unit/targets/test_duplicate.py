import functools
import threading
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from inverter.targets import load_target


class Stem(nn.Module):
    """A convolution and a layer behind it; what a subclass keeps is beside."""

    def __init__(self, **kept) -> None:
        super().__init__()
        self.stem, self.tail = nn.Conv2d(3, 8, 4, stride=4), nn.Identity()
        vars(self).update(kept)

    def forward(self, images: Tensor) -> Tensor:
        return self.tail(self.stem(images))


class Keeps(Stem):
    def forward(self, images: Tensor) -> Tensor:
        self.last = {"maps": [self.stem(images)]}
        return self.tail(self.last["maps"][0])


def spectral() -> nn.Module:
    return nn.utils.spectral_norm(nn.Conv2d(3, 8, 4, stride=4))


def lambda_of_a_closure() -> nn.Module:
    network = Stem()
    inner = network.forward
    network.forward = lambda images: inner(images)
    return network


def lambda_of_a_default() -> nn.Module:
    network = Stem()
    network.forward = lambda images, net=network: net.tail(net.stem(images))
    return network


def partial() -> nn.Module:
    network = Stem()
    network.forward = functools.partial(lambda net, images: net.tail(net.stem(images)), network)
    return network


PATCHED = Stem()
PATCHED.forward = lambda images: PATCHED.tail(PATCHED.stem(images))


def wired_by_a_closure() -> nn.Module:
    store = {}
    network = Stem(store=store)
    network.stem.register_forward_hook(lambda module, args, output: store.__setitem__("maps", output))
    network.forward = lambda images: [network.stem(images), network.tail(network.store["maps"])][1]
    return network


STORE: dict[str, Tensor] = {}


def note(module: nn.Module, args: tuple, output: Tensor) -> None:
    STORE["maps"] = output


def wired_by_a_global() -> nn.Module:
    class Wired(Stem):
        def forward(self, images: Tensor) -> Tensor:
            self.stem(images)
            return self.tail(self.store["maps"])

    network = Wired(store=STORE)
    network.stem.register_forward_hook(note)
    return network


def wired_by_an_object_outside() -> nn.Module:
    class Extractor:
        def __init__(self, network: nn.Module) -> None:
            self.network, self.found = network, {}
            network.stem.register_forward_hook(lambda module, args, output: self.found.update(maps=output))

        def read(self, images: Tensor) -> Tensor:
            self.network.stem(images)
            return self.network.tail(self.found["maps"])

    network = Stem()
    extractor = Extractor(network)
    network.forward = lambda images: extractor.read(images)
    return network


BUILDERS = {
    "a kept activation": Keeps,
    "a lock": lambda: Stem(lock=threading.Lock(), ready=threading.Condition(), library=nn.functional),
    "a buffer with a graph": lambda: nn.Sequential(Stem(), nn.BatchNorm2d(8)),
    "a forward of a closure": lambda_of_a_closure,
    "a forward of a default": lambda_of_a_default,
    "a forward of a partial": partial,
    "a forward of a global": lambda: PATCHED,
    "hooks of a closure": wired_by_a_closure,
    "hooks of a global": wired_by_a_global,
    "hooks of an object outside": wired_by_an_object_outside,
}


@pytest.mark.parametrize("what", BUILDERS)
@pytest.mark.parametrize("used", [False, True])
def test_features_are_those_of_the_network_as_given(what, used):
    network = BUILDERS[what]()
    if used:
        network(torch.rand(2, 3, 32, 32))
    if isinstance(network, nn.Sequential):
        network[1].register_buffer("ratio", network[1].weight * 2)
    wanted = {name: module for name, module in network.named_modules() if isinstance(module, nn.Conv2d)}
    target = load_target(network, "0.tail" if isinstance(network, nn.Sequential) else "tail", input_size=32)
    for images in (torch.rand(2, 3, 32, 32), torch.zeros(1, 3, 32, 32)):
        assert torch.equal(target(images), next(iter(wanted.values()))(images))
    assert all(parameter.requires_grad for parameter in network.parameters())
    with torch.no_grad():  # the copy follows its own weights alone
        next(iter(wanted.values())).weight.add_(1)
    assert not torch.equal(target(images), next(iter(wanted.values()))(images + 1))


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_weights_that_are_computed_before_each_pass():
    images = torch.rand(2, 3, 32, 32)
    for layer in (nn.utils.weight_norm(nn.Conv2d(3, 8, 4, stride=4)), spectral()):
        layer(images)
        assert torch.equal(load_target(nn.Sequential(layer), "0", input_size=32)(images), layer.eval()(images))


def test_what_cannot_be_copied_is_named():
    with (
        Path(__file__).open() as file,
        pytest.raises(ValueError, match=r"Stem cannot be copied because of tail\.log, a Text.*module:package"),
    ):
        network = Stem()
        network.tail.log = file
        load_target(network, "stem", input_size=32)


def test_a_network_built_in_inference_mode_has_gradients():
    with torch.inference_mode():
        network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    images = torch.rand(1, 3, 8, 8, requires_grad=True)
    load_target(network, "1", input_size=8)(images).sum().backward()
    assert images.grad.abs().sum() > 0
