"""What `invert` with a white-box method is given: prompts, features of several layers, states of stopped runs."""

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from inverter.data.feature_files import load_layers
from inverter.priors.prompts import read_prompts
from inverter.targets import load_target
from inverter.whitebox.attack import Attack
from inverter.whitebox.saved import SavedState


@pytest.mark.parametrize(
    ("what", "data"),
    [
        ("prompts that are no text", b"\xff\xfe\x00"),
        ("prompts with other columns", b"key,text\na,b\n"),
        ("prompts with a line cut short", b"key,prompt\na\n"),
        ("prompts with a key twice", b"key,prompt\na,x\na,y\n"),
        ("prompts with a quotation left open", b'key,prompt\na,"x\n'),
        ("prompts with nothing in them", b""),
    ],
)
def test_prompts(tmp_path, refused, what, data):
    (tmp_path / "p.csv").write_bytes(data)
    refused(what, lambda: read_prompts(str(tmp_path / "p.csv")))


def test_several_layers(tmp_path, refused):
    path = tmp_path / "x.safetensors"
    save_file({"a": torch.ones(3)}, path)
    refused("features without one of several layers", lambda: load_layers(path, ["a", "b"]))
    save_file({"a": torch.ones(3), "b": torch.full((3,), torch.inf)}, path)
    refused("features of several layers with infinity", lambda: load_layers(path, ["a", "b"]))
    path.write_bytes(path.read_bytes()[:-4])
    refused("features of several layers that are cut off", lambda: load_layers(path, ["a", "b"]))


def test_states(tmp_path, refused, payload):
    path = tmp_path / "s.safetensors"
    SavedState(path, "one").save({"active": torch.arange(2)}, {})
    refused("a state of another configuration", SavedState(path, "other").load)
    path.write_bytes(payload)
    refused("a state that is a pickle", SavedState(path, "one").load)


class Stopped(nn.Sequential):
    forward = torch.no_grad()(nn.Sequential.forward)


def test_a_network_that_stops_gradients(refused):
    target = load_target(Stopped(nn.Conv2d(3, 2, 1), nn.ReLU()), "1", input_size=4)
    attack = Attack("direct", target, image_size=4)
    refused("a network without gradients for a white-box method", lambda: attack.invert(torch.rand(1, 2, 4, 4)))


def test_the_command(published, run, refused_by_command, tmp_path):
    target = ["target.name=timm:tf_efficientnet_lite0", "target.pretrained=false", "target.input_size=32"]
    words = ["invert", f"input={tmp_path / 'in'}", f"output={tmp_path / 'out'}", "device=cpu", *target, "method=direct"]
    words += ["target.layer=blocks.0", "image_size=16"]
    refused_by_command("an unknown method", [*words, "method=magic"])
    refused_by_command("a setting of another method on the command line", [*words, "latent.lr=1"])
    refused_by_command("an inverter of other features for a white-box method", [*words, f"inverter={published}"])
    refused_by_command("a run in place of a published inverter for a white-box method", [*words, f"inverter={run}"])
    refused_by_command("statistics of an inverter that is not there", [*words, "loop.statistics=inverter"])
