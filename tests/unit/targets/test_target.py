import copy
import dataclasses
import gc
import json
import logging
import weakref
from contextlib import suppress
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inverter.payloads import make_payload
from inverter.targets import MultiTarget, Target, TargetSpec, list_layers, load_target, load_targets
from inverter.targets.shape import split_features


class Unreachable(nn.Module):
    def forward(self, features: Tensor) -> Tensor:
        raise AssertionError("the forward pass went past the layer")


def tiny_network() -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.BatchNorm2d(4), nn.Tanh(), Unreachable())


class TargetContract:
    """What every target keeps to."""

    layer: str
    shape: tuple[int, ...]

    @classmethod
    def build(cls, **options) -> Target:
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def target(cls) -> Target:
        return cls.build()

    @pytest.mark.parametrize("size", [(64, 64), (37, 91), (90, 20)])
    @pytest.mark.parametrize("batch_size", [1, 3])
    def test_shape_at_any_size(self, target, size, batch_size):
        features = target(torch.rand(batch_size, 3, *size))
        assert features.shape == (batch_size, *self.shape)
        assert target.spec.feature_shape == self.shape
        assert target.spec.layer == self.layer

    def test_batch_of_two_equals_two_of_one(self, target):
        images = torch.rand(2, 3, 50, 41)
        before = images.clone()
        torch.testing.assert_close(
            target(images), torch.cat([target(images[:1]), target(images[1:])]), rtol=1e-3, atol=1e-4
        )
        assert torch.equal(images, before)

    def test_gradient_reaches_the_images_alone(self, target):
        images = torch.rand(1, 3, 48, 48, requires_grad=True)
        target(images).square().mean().backward()
        assert images.grad.abs().sum() > 0
        assert all(not p.requires_grad and p.grad is None for p in target.parameters())

    def test_frozen_in_eval_mode(self, target):
        images = torch.rand(2, 3, 48, 48)
        expected = target(images)
        target.train()
        assert not any(module.training for module in target.modules())
        assert torch.equal(target(images), expected)

    def test_hash_is_of_the_weights(self, target):
        again = self.build(payload="int8")
        assert again.spec.weights_sha256 == target.spec.weights_sha256
        assert again.spec.payload == "int8"
        next(iter(again.network.parameters())).data[0] += 1
        changed = load_target(again.network, self.layer, input_size=target.spec.input_size)
        assert changed.spec.weights_sha256 != target.spec.weights_sha256

    def test_autocast(self, target):
        images = torch.rand(2, 3, 48, 48)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            features = target(images)
        expected = target(images)
        assert (features.float() - expected).norm() < 0.1 * expected.norm()

    @pytest.mark.parametrize("shape", [(3, 8, 8), (1, 1, 8, 8), (1, 8, 8, 3), (0, 3, 8, 8), (1, 3, 0, 8)])
    def test_wrong_images(self, target, shape):
        with pytest.raises(ValueError, match=r"\(B, 3, H, W\)"):
            target(torch.rand(shape))

    def test_integer_images(self, target):
        with pytest.raises(ValueError, match="floating point"):
            target(torch.zeros(1, 3, 8, 8, dtype=torch.uint8))


class TestMaps(TargetContract):
    layer, shape = "2", (4, 16, 16)

    @classmethod
    def build(cls, **options):
        return load_target(tiny_network(), "2", input_size=32, **options)


class TestTokens(TargetContract):
    layer, shape = "blocks.1", (17, 192)

    @classmethod
    def build(cls, **options):
        return load_target("timm:vit_tiny_patch16_224", "blocks.1", input_size=64, pretrained=False, **options)


class TestPooled(TargetContract):
    layer, shape = "global_pool", (1280,)

    @classmethod
    def build(cls, **options):
        return load_target("timm:tf_efficientnet_lite0", "global_pool", input_size=64, **options)


class Maps(NamedTuple):
    fine: Tensor
    coarse: Tensor
    levels: int


class Returning(nn.Module):
    """Conv whose output goes through a function, followed by what must not run."""

    def __init__(self, give) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 2, 1)
        self.layer.forward = lambda images: give(nn.functional.avg_pool2d(images, 4))
        self.spare = nn.Identity()
        self.after = Unreachable()

    def forward(self, images: Tensor) -> Tensor:
        with suppress(Exception):  # networks may swallow what they like; the tap still works
            return self.after(self.layer(images))
        return images


@dataclasses.dataclass
class Record:
    maps: Tensor
    loss: Tensor | None = None


@pytest.mark.parametrize("give", [lambda x: (x, None), lambda x: [x], lambda x: {"out": x, "aux": None}, Record])
def test_the_only_tensor_of_a_tuple_is_taken(give):
    target = load_target(Returning(give), "layer", input_size=8)
    assert torch.equal(target(torch.ones(1, 3, 8, 8)), torch.ones(1, 3, 2, 2))


@pytest.mark.parametrize(
    ("give", "message"),
    [
        (lambda x: (x, x), r"tuple\(0: a float32 tensor of shape \(2, 3, 2, 2\), 1: .*`inverter layers`"),
        (lambda x: {"0": x, "pool": x[:, :, :1, :1]}, r"dict\(0: .*, pool: .* shape \(2, 3, 1, 1\)\)"),
        (lambda x: Maps(x, x, 3), r"Maps\(fine: a float32 .*, coarse: a float32 .*, levels: a int\)"),
        (lambda x: None, "a NoneType"),
        (lambda x: x.argmax(1), "int64"),
        (lambda x: x[None], r"shape \(1, 2, 3, 2, 2\)"),
        (lambda x: x[:, :0], r"shape \(2, 0, 2, 2\) for a batch of 2"),
        (lambda x: x.flatten(0, 1), r"shape \(6, 2, 2\) for a batch of 2"),
    ],
)
def test_other_outputs_are_described(give, message):
    with pytest.raises(ValueError, match=message):
        load_target(Returning(give), "layer", input_size=8)


def test_layer_that_never_runs():
    with pytest.raises(ValueError, match="does not call it"):
        load_target(Returning(lambda x: x), "spare", input_size=8)


def test_wrong_layer_lists_the_nearest():
    with pytest.raises(ValueError, match=r"layer='block\.2'.*nearest.*blocks\.2,"):
        load_target("timm:tf_efficientnet_lite0", "block.2", pretrained=False)
    with pytest.raises(ValueError, match="layer=''"):
        load_target(tiny_network(), "")


def test_size_that_the_network_cannot_take():
    with pytest.raises(ValueError, match="Sequential cannot take input_size=4"):
        load_target(nn.Sequential(nn.Conv2d(3, 4, 5)), "0", input_size=4)
    with pytest.raises(ValueError, match="input_size=0"):
        load_target(tiny_network(), "0", input_size=0)


class Wants(nn.Module):
    """Reads its input by ``read`` first."""

    def __init__(self, read, channels: int = 3) -> None:
        super().__init__()
        self.layer, self.read = nn.Conv2d(channels, 4, 2), read

    def forward(self, batch):
        return self.layer(self.read(batch))


def fail(error: Exception):
    def read(batch):
        raise error

    return read


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (
            Wants(lambda x: x.tensors),
            "cannot take images as a tensor: .*AttributeError: 'Tensor' .*'tensors'; .*factory",
        ),
        (Wants(fail(KeyError("pixel_values"))), "cannot take images as a tensor: .* with KeyError: 'pixel_values'"),
        (Wants(fail(ZeroDivisionError("x"))), "cannot take images as a tensor: .* with ZeroDivisionError: x"),
        (Wants(fail(ValueError("only 224"))), "Wants cannot take input_size=8: .* with ValueError: only 224"),
        (Wants(lambda x: x, channels=1), r"takes images of 1 channel\(s\), not of 3: .*module:package"),
        (Wants(lambda x: x, channels=4), r"takes images of 4 channel\(s\), not of 3"),
    ],
)
def test_a_network_that_wants_something_else(network, message):
    with pytest.raises(ValueError, match=message):
        load_target(network, "layer", input_size=8)
    with pytest.raises(ValueError, match=message):
        list_layers(network, 8)


def test_want_of_memory_is_not_taken_for_a_wrong_size():
    network = Wants(fail(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")))
    with pytest.raises(MemoryError, match="a pass of Wants at input_size=8 does not fit into memory: CUDA out of"):
        load_target(network, "layer", input_size=8)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (nn.BatchNorm2d(4, track_running_stats=False), "differ from pass to pass"),
        (Returning(lambda x: nn.functional.dropout(x, training=True)).layer, "differ from pass to pass"),
        (Returning(torch.zeros_like).layer, "are the same for two different pictures"),
        (nn.BatchNorm2d(4), None),
        (nn.Tanh(), None),
    ],
)
def test_features_of_more_or_less_than_the_picture_are_said(layer, message, caplog):
    with caplog.at_level(logging.WARNING):
        load_target(nn.Sequential(nn.Conv2d(3, 4, 2), layer), "1", input_size=16)
    assert [message in record.getMessage() for record in caplog.records] == ([True] if message else [])


def test_a_network_that_writes_into_one_output():
    class Reuses(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.out, self.layer = torch.zeros(2, 3, 8, 8), nn.Identity()

        def forward(self, images: Tensor) -> Tensor:
            return self.layer(self.out.copy_(images))

    target = load_target(Reuses(), "layer", input_size=8)
    images = torch.rand(2, 3, 8, 8)
    first, _ = target(images), target(images + 1)
    assert torch.equal(first, images)


@pytest.mark.parametrize("first", [torch.arange(3), torch.ones(2, dtype=torch.complex64), torch.ones(2, device="meta")])
def test_images_follow_the_first_floating_point_weights(first):
    network = nn.Sequential(nn.Conv2d(3, 4, 2).double())
    network.first = nn.Parameter(first, requires_grad=False)
    network._parameters = {"first": network.first}
    assert next(network.parameters()) is network.first
    assert load_target(network, "0", input_size=8)(torch.rand(1, 3, 8, 8)).dtype == torch.float64


def test_a_parallel_wrapper_is_tapped_inside():
    network = nn.DataParallel(tiny_network()[:3])
    network.device_ids = [0, 1]
    target = load_target(network, "module.2", input_size=32)
    images = torch.rand(2, 3, 32, 32)
    assert torch.equal(target(images), load_target(network.module, "2", input_size=32)(images))


def test_hooks_are_removed_after_errors_and_the_module_given_is_left_alone():
    network = tiny_network().train()
    target = load_target(network, "2", input_size=32)
    with pytest.raises(ValueError, match="images"):
        target(torch.rand(3, 8, 8))
    assert not any(module._forward_hooks for module in target.modules())
    assert network.training
    assert all(p.requires_grad for p in network.parameters())


def test_features_are_freed_without_the_garbage_collector():
    target = load_target(tiny_network(), "2", input_size=32)
    gc.disable()
    try:
        features = target(torch.rand(1, 3, 32, 32))
        alive = weakref.ref(features)
        del features
        assert alive() is None
    finally:
        gc.enable()


def test_a_copy_gives_the_same():
    target = load_target(tiny_network(), "2", input_size=32, payload="gaussian:0.1")
    images = torch.rand(1, 3, 32, 32)
    assert torch.equal(copy.deepcopy(target)(images), target(images))


def test_target_inside_a_target():
    inner = load_target(tiny_network(), "2", input_size=32)
    through = load_target(nn.Sequential(inner, nn.ReLU()), "1", input_size=32)
    into = load_target(nn.Sequential(inner, Unreachable()), "0.network.0", input_size=32)
    images = torch.rand(2, 3, 32, 32)
    assert torch.equal(through(images), inner(images).relu())
    assert torch.equal(into(images), inner.network[0](images))


def test_gradient_against_finite_differences():
    target = load_target(tiny_network(), "2", input_size=6, payload="identity", mean=[0.1, 0.2, 0.3], std=[0.5, 1, 2])
    images = torch.rand(1, 3, 9, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(target.double(), images, eps=1e-6, atol=1e-6)


def test_preprocessing_by_hand():
    target = load_target(nn.Sequential(nn.Identity()), "0", input_size=2, mean=[0.5, 0, 0], std=[0.5, 1, 2])
    images = torch.zeros(1, 3, 2, 2)
    images[..., 0] = 1
    expected = torch.tensor([[1.0, -1.0], [1.0, 0.0], [0.5, 0.0]])  # left and right column of each channel
    assert torch.equal(target(images), expected[None, :, None, :].expand(1, 3, 2, 2))
    flat = target(torch.full((1, 3, 7, 3), 0.75))
    torch.testing.assert_close(flat, torch.tensor([0.5, 0.75, 0.375]).view(1, 3, 1, 1).expand(1, 3, 2, 2))
    assert target.spec.preprocessing == {
        "resize": "bilinear-antialias",
        "mean": [0.5, 0.0, 0.0],
        "std": [0.5, 1.0, 2.0],
    }


def test_payload_is_applied():
    options = {"input_size": 32, "payload": "gaussian:0.2", "payload_seed": 5}
    plain = load_target(tiny_network(), "2", input_size=32)
    images = torch.rand(2, 3, 32, 32)
    first, again = (load_target(tiny_network(), "2", **options)(images) for _ in range(2))
    assert torch.equal(first, again)
    relative = (first - plain(images)).std() / plain(images).std()
    torch.testing.assert_close(relative, torch.tensor(0.2), rtol=0.1, atol=0)


class Branches(nn.Module):
    """``first`` is overwritten in place by what runs after it; ``spare`` never runs."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.relu, self.second = nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.Conv2d(4, 2, 3)
        self.spare, self.after = nn.Identity(), Unreachable()

    def forward(self, images: Tensor) -> Tensor:
        features = self.relu(self.first(images))
        for _ in range(2):  # a layer that runs twice counts when it first ends
            second = self.second(features)
        return self.after(second)


@pytest.mark.parametrize("layers", [["first", "second"], ["second", "first"], ["second"]])
@pytest.mark.parametrize("payload", ["identity", "int8", "gaussian:0.1"])
def test_several_layers_give_what_each_gives_alone(layers, payload):
    network, images = Branches(), torch.rand(2, 3, 11, 9)
    together = load_targets(network, layers, input_size=12, payload=payload, payload_seed=3)
    assert isinstance(together, MultiTarget)
    features = together(images)
    assert list(features) == list(together.specs) == layers
    for layer in layers:
        alone = load_target(network, layer, input_size=12, payload=payload, payload_seed=3)
        assert torch.equal(features[layer], alone(images))
        assert together.specs[layer] == alone.spec
    assert not any(module._forward_hooks for module in together.modules())


@pytest.mark.parametrize("payload", ["identity", "int8"])
def test_joint_layers_send_what_each_sends_alone(payload):
    network, images = Branches(), torch.rand(2, 3, 11, 9)
    joint = load_target(network, ["second", "first"], input_size=12, payload=payload)
    assert (joint.spec.layer, joint.spec.feature_shape) == ("second+first", ((2, 8, 8), (4, 10, 10)))
    assert TargetSpec.from_dict(json.loads(json.dumps(joint.spec.to_dict()))) == joint.spec
    features = joint(images)
    assert features.shape == (2, *joint.spec.tensor_shape) == (2, 528)
    for name, part in zip(("second", "first"), split_features(features, joint.spec.feature_shape), strict=True):
        assert torch.equal(part, load_target(network, name, input_size=12, payload=payload)(images))


def test_noise_of_joint_layers_is_as_strong_as_each_and_the_same_in_any_batch():
    options = {"input_size": 12, "payload": "gaussian:0.2", "payload_seed": 3}
    images, network = torch.rand(3, 3, 12, 12), Branches()
    clean = load_target(network, "first+second", input_size=12)(images)
    sent = load_target(network, "first+second", **options)(images)
    one_by_one = load_target(network, "first+second", **options)
    torch.testing.assert_close(torch.cat([one_by_one(image[None]) for image in images]), sent)
    shape = one_by_one.spec.feature_shape
    noise = [a - b for a, b in zip(split_features(sent, shape), split_features(clean, shape), strict=True)]
    for part, plain in zip(noise, split_features(clean, shape), strict=True):
        relative = part.flatten(1).std(1) / plain.flatten(1).std(1, correction=0)
        torch.testing.assert_close(relative, torch.full((3,), 0.2), rtol=0.25, atol=0)
    first, second = (part.flatten(1)[:, :128] for part in noise)
    assert F.cosine_similarity(first, second).abs().max() < 0.35  # nobody subtracts one layer's noise from another's


class Video(nn.Module):
    """Features ``(B, C, T, h, w)``."""

    def forward(self, features: Tensor) -> Tensor:
        return features[:, :, None]


def test_joint_layers_one_of_which_cannot_be_laid_out():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), Video(), nn.Identity())
    with pytest.raises(ValueError, match=r"layer='1' returns a float32 tensor of shape \(2, 4, 1, 10, 10\)"):
        load_target(network, "0+1", input_size=12)


def test_gradients_of_several_layers():
    target = load_targets(Branches(), ["first", "second"], input_size=7).double()
    images = torch.rand(1, 3, 7, 7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: tuple(target(x).values()), images, eps=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([], "one or more, each once"),
        (["first", "first"], "one or more, each once"),
        (["first", "spare", "second"], "layer='spare' exists, but the network's forward pass does not call it"),
        (["first", "thrid"], "layer='thrid' is not in Branches"),
        (["first+thrid"], "layer='thrid' is not in Branches"),
        (["first+first"], r"layer='first\+first'; allowed: a dotted name, or several, each once"),
        (["first+"], r"layer='first\+'; allowed: a dotted name, or several, each once"),
        ([""], "layer=''; allowed: a dotted name, or several, each once"),
    ],
)
def test_several_layers_that_cannot_be_tapped(layers, message):
    network = Branches()
    network.after = nn.Identity()
    with pytest.raises(ValueError, match=message):
        load_targets(network, layers, input_size=12)


class TestTransmit:
    """What arrives, with the bytes that travel."""

    def build(self, layers: list[str], payload: str | list[str]) -> MultiTarget:
        network = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.Tanh(), nn.Flatten())
        return MultiTarget(network, layers, name="tiny", input_size=8, mean=[0.0] * 3, std=[1.0] * 3, payload=payload)

    @pytest.mark.parametrize("payload", ["int8", "gaussian:0.5+int8", "rotate", ["topk:0.1", "fp16", "zlib"]])
    def test_features_are_those_of_the_forward_pass_and_bytes_add_up_over_joint_layers(self, payload):
        target, images = self.build(["0", "0+2"], payload), torch.rand(3, 3, 8, 8)
        target.seed_payload(3)
        features, sizes = target.transmit(images)
        target.seed_payload(3)
        for layer, values in target(images).items():
            assert torch.equal(features[layer], values)
            assert values.shape == (3, *target.specs[layer].tensor_shape)
        if payload == "int8":
            assert sizes == {"0": [64 + 4] * 3, "0+2": [2 * (64 + 4)] * 3}
        assert all(len(counts) == 3 and min(counts) > 0 for counts in sizes.values())

    @pytest.mark.parametrize("payload", ["minmax:16", "rotate", "clip:0.1", "int8", "gaussian:0.5"])
    def test_a_payload_computes_in_float32_under_autocast(self, payload):
        plain, target = self.build(["1"], "identity"), self.build(["1"], payload)
        target.network.load_state_dict(plain.network.state_dict())
        images = torch.rand(2, 3, 8, 8)
        with torch.autocast("cpu", torch.bfloat16):
            exact, arrived = plain(images)["1"], target.transmit(images)[0]["1"]
        assert (exact.dtype, arrived.dtype) == (torch.bfloat16, torch.float32)
        assert torch.equal(arrived, make_payload(payload)(exact.float()))

    def test_what_cannot_be_sent_is_found_where_it_is_asked_for(self):
        target = self.build(["0"], "fp16")
        target.network[0].bias.data += 7e4
        assert target(torch.rand(1, 3, 8, 8))["0"].isinf().all()
        with pytest.raises(ValueError, match="payload=fp16: NaN or infinity in what arrives of features up to 7000"):
            target.by_layer(torch.rand(1, 3, 8, 8), check=True)

    def test_joint_layers_of_equal_width_have_keys_of_their_own(self):
        target, images = self.build(["0+1"], "rotate"), torch.rand(1, 3, 8, 8)
        exact = self.build(["0+1"], "identity")
        exact.network.load_state_dict(target.network.state_dict())
        target.seed_payload(3)
        parts = zip(exact(images)["0+1"].view(2, 4, 16), target(images)["0+1"].view(2, 4, 16), strict=True)
        keys = [torch.linalg.lstsq(one.T, other.T).solution for one, other in parts]
        for key in keys:
            torch.testing.assert_close(key @ key.T, torch.eye(4), rtol=0, atol=1e-3)
        assert (keys[0] - keys[1]).abs().max() > 0.1

    def test_ranges_are_those_of_all_batches(self):
        target, images = self.build(["0", "1"], "minmax:8:fit"), torch.rand(5, 3, 8, 8)
        for layer, name in target.fit(images.split(2)).items():
            low, high = map(float, name.split(":")[2:])
            values = target.network[: int(layer) + 1](images)
            assert (low, high) == (pytest.approx(values.min().item()), pytest.approx(values.max().item()))

    def test_a_payload_that_is_not_for_a_layer_is_refused_at_once(self):
        with pytest.raises(ValueError, match="a vector has one number a channel"):
            self.build(["0+2"], "minmax:8:channel")

    def test_joint_layers_have_no_range_to_fit(self):
        with pytest.raises(ValueError, match="0\\+2 are several layers; allowed: one, or a fixed range"):
            self.build(["0+2"], "minmax:8:fit").fit([torch.rand(2, 3, 8, 8)])
