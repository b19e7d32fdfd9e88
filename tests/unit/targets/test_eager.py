import pytest
import torch
from torch import nn

from inverter.targets import list_layers, load_target


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sequential(nn.ReLU(), nn.Conv2d(4, 5, 3)), nn.ReLU())


def compiled_whole() -> nn.Module:
    return torch.compile(network(), backend="eager")


def compiled_part() -> nn.Module:
    whole = network()
    whole[1] = torch.compile(whole[1], backend="eager")
    return whole


def compiled_in_place() -> nn.Module:
    whole = network()
    whole.compile(backend="eager")
    whole[1].compile(backend="eager")
    return whole


@pytest.mark.parametrize("build", [compiled_whole, compiled_part, compiled_in_place])
def test_a_compiled_network_is_tapped_as_it_was_before(build):
    compiled, images = build(), torch.rand(2, 3, 12, 12)
    expected = compiled(images)
    for layer in ("0", "1.1", "1"):
        target, plain = (load_target(net, layer, input_size=12) for net in (compiled, network()))
        assert target.spec == plain.spec
        assert torch.equal(target(images), plain(images))
    assert torch.equal(compiled(images), expected)  # the one given stays compiled


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("script", [torch.jit.script, lambda net: torch.jit.trace(net, torch.rand(1, 3, 12, 12))])
def test_torchscript_is_refused(script):
    for whole in (script(network()), nn.Sequential(script(network()), nn.ReLU())):
        with pytest.raises(ValueError, match=r"TorchScript module \(Sequential\).*give the nn\.Module"):
            load_target(whole, "0", input_size=12)
        with pytest.raises(ValueError, match="TorchScript"):
            list_layers(whole, 12)
