import sys
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import nn

import inverter.targets
from inverter.targets.load import load_network, load_same_target, load_target, load_targets


def test_timm_brings_its_own_preprocessing_and_size():
    loaded = load_network("timm:tf_efficientnet_lite1", pretrained=False)
    assert (loaded.name, loaded.input_size, loaded.mean) == ("timm:tf_efficientnet_lite1", 240, (0.5, 0.5, 0.5))
    assert load_network("timm:resnet18", input_size=64, pretrained=False).mean == (0.485, 0.456, 0.406)


def test_torchvision_brings_its_own_preprocessing():
    target = load_target("torchvision:mobilenet_v3_small", "features.3", input_size=64, pretrained=False)
    assert target.spec.preprocessing["std"] == [0.229, 0.224, 0.225]
    assert target.spec.feature_shape == (24, 8, 8)


@pytest.mark.parametrize("name", ["timm:resnet10t", "torchvision:squeezenet1_1"])
def test_random_weights_repeat_and_leave_the_global_generator_alone(name):
    torch.manual_seed(11)
    state = torch.random.get_rng_state()
    first = load_network(name, pretrained=False).network.state_dict()
    torch.rand(3)
    second = load_network(name, pretrained=False).network.state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)
    torch.random.set_rng_state(state)
    load_network(name, pretrained=False)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_factory(monkeypatch):
    module = ModuleType("my_networks")
    module.build = lambda: nn.Sequential(nn.Conv2d(3, 5, 2, stride=2))
    module.number = lambda: 3
    module.broken = lambda: {}["weights.pt"]
    monkeypatch.setitem(sys.modules, "my_networks", module)
    target = load_target("module:my_networks:build", "0", input_size=8)
    assert target.spec.name == "module:my_networks:build"
    assert target.spec.feature_shape == (5, 4, 4)
    assert target.spec.preprocessing["mean"] == [0.0, 0.0, 0.0]
    assert target.spec == load_target("module:my_networks:build", "0", input_size=8).spec
    with pytest.raises(ValueError, match=r"must return an nn\.Module, got int"):
        load_target("module:my_networks:number", "0")
    with pytest.raises(ValueError, match=r"KeyError: 'weights\.pt'"):
        load_target("module:my_networks:broken", "0")
    for wrong in ("module:my_networks:other", "module:no_such_module:build", "module:my_networks", "module::build"):
        with pytest.raises(ValueError, match=r"module:package\.module:factory"):
            load_target(wrong, "0")


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("timm:tf_eficientnet_lite0", "tf_efficientnet_lite0"),
        ("torchvision:resnt18", "resnet18"),
        ("torchvision:fasterrcnn_resnet5_fpn", "fasterrcnn_resnet50_fpn"),
        ("torchvision:raft_small", "nearest names"),
    ],
)
def test_unknown_names_list_the_nearest(name, nearest):
    with pytest.raises(ValueError, match=f"is unknown.*{nearest}"):
        load_network(name)


def test_without_a_layer_the_name_is_looked_up_first():
    for name in ("timm:nope", "torchvision:nope"):
        with pytest.raises(ValueError, match=rf"target='{name}' is unknown; the nearest names are \w+"):
            load_target(name)
    with pytest.raises(ValueError, match=r"layer is None; allowed: conv1, bn1, .*, fc, or one inside of these"):
        load_target("torchvision:resnet18")  # fetches no weights for that


@pytest.mark.parametrize("name", ["resnet18", "hub:resnet18", "timm:", "", 5, None])
def test_unknown_sources_list_the_allowed(name):
    with pytest.raises(ValueError, match=r"timm:NAME, torchvision:NAME, transformers:NAME, module:package"):
        load_network(name)


def test_wrong_tag():
    with pytest.raises(ValueError, match="Invalid pretrained tag"):
        load_network("timm:resnet18.no_such_tag", pretrained=False)


def test_weights_out_of_reach(monkeypatch):
    def fail(*args, **kwargs):
        raise OSError("no route to host")

    monkeypatch.setattr("timm.create_model", fail)
    with pytest.raises(ValueError, match=r"no route to host.*pretrained=False"):
        load_network("timm:resnet18")


def test_the_same_target_is_built_from_its_spec():
    spec = load_target("timm:resnet10t", "layer1", input_size=32, pretrained=False, mean=(0.1, 0.2, 0.3)).spec
    same = load_same_target(spec, "", pretrained=False)
    assert same is not None and same.spec == spec


def test_public_names_are_lazy():
    assert all(getattr(inverter.targets, name).__name__ == name for name in inverter.targets.__all__)
    assert dir(inverter.targets) == sorted(inverter.targets.__all__)
    with pytest.raises(AttributeError, match="no_such_name"):
        inverter.targets.no_such_name  # noqa: B018


def small() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 5, 2, stride=2), nn.ReLU())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"input_size": 8.0}, "input_size=8.0; allowed: a whole number"),
        ({"input_size": "8"}, "input_size='8'; allowed: a whole number"),
        ({"input_size": (8, 8)}, r"input_size=\(8, 8\); allowed: a whole number"),
        ({"layer": 1}, r"layer=1; allowed: a dotted name, as in named_modules\(\), or several"),
        ({"mean": 0.5}, "mean=0.5 must hold 3 numbers; images have 3 channels"),
        ({"std": [1, 0, 1]}, r"std=\[1.0, 0.0, 1.0\] must be positive numbers"),
        ({"mean": [123.7, 116.3, 103.5]}, r"mean=\[123.7, .* so divide mean and std by 255 where it is of 8 bits"),
        ({"payload": "gaussian:0.1", "payload_seed": 0.5}, "payload_seed=0.5; allowed: a whole number"),
        ({"target": small().state_dict()}, "target is a OrderedDict; allowed: timm:NAME, .* or an nn.Module"),
        ({"target": nn.ReLU}, "target is a type; allowed: timm:NAME, .* or an nn.Module"),
        ({"target": small().to("meta")}, "a Conv2d has weights on the device meta, .*; load them first"),
    ],
)
def test_arguments_of_other_kinds_are_one_line(options, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        load_target(**{"target": small(), "layer": "1", "input_size": 8, **options})


def test_numbers_of_numpy_and_torch_are_taken():
    plain = load_target(small(), "1", input_size=8, mean=[0.5] * 3, payload="gaussian:0.1", payload_seed=3)
    options = {"mean": np.full(3, 0.5), "payload": "gaussian:0.1", "payload_seed": np.int8(3)}
    given = load_target(small(), "1", input_size=np.int64(8), **options)
    assert (given.spec.input_size, given.spec.preprocessing) == (8, plain.spec.preprocessing)
    assert type(given.spec.input_size) is int
    assert load_target(small(), "1", input_size=8, mean=torch.full((3,), 0.5)).spec.preprocessing["mean"] == [0.5] * 3
    assert load_targets(small(), "1", input_size=np.int64(8)).layers == ("1",)


def test_images_of_another_range_are_said_once(caplog):
    target, images = load_target(small(), "1", input_size=8), torch.linspace(0, 1, 192).view(1, 3, 8, 8)
    with pytest.raises(ValueError, match=r"images is a ndarray; allowed: a tensor \(B, 3, H, W\) in \[0, 1\]"):
        target(images.numpy())
    target(images * 1.05)
    target((images * 2 - 1).requires_grad_())
    assert not caplog.messages
    for _ in range(2):
        target(images * 255)
    assert caplog.messages == ["images lie in [0, 255]; a target takes images in [0, 1], and does not clip"]
