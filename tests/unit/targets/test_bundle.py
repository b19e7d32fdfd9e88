import pytest
import torch
from torch import nn

from inverter.payloads.minmax import MinMax
from inverter.targets import load_target, load_targets
from inverter.targets.bundle import TargetBundle

NETWORK = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.Tanh(), nn.Conv2d(4, 5, 3), nn.Tanh())


def build(layers: dict[str, str], payload: str) -> tuple:
    return load_targets(NETWORK, list(layers), input_size=16, payload=payload), layers


def test_each_gets_what_it_would_alone_in_one_pass(monkeypatch):
    members = [
        build({"1": "a", "3": "b"}, "identity"),
        build({"1": "c"}, "gaussian:0.5"),
        build({"3": "d"}, "topk:0.2"),
    ]
    bundle, images = TargetBundle(members), torch.rand(3, 3, 20, 18)
    passes = []
    forward = nn.Tanh.forward
    monkeypatch.setattr(nn.Tanh, "forward", lambda self, x: passes.append(1) or forward(self, x))
    bundle.seed_payload(7)
    features, counts = bundle.transmit(images)
    assert len(passes) == 2  # one for each layer
    for name, layer, payload in (
        ("a", "1", "identity"),
        ("b", "3", "identity"),
        ("c", "1", "gaussian:0.5"),
        ("d", "3", "topk:0.2"),
    ):
        alone = load_targets(NETWORK, [layer], input_size=16, payload=payload)
        alone.seed_payload(7)
        found, sizes = alone.transmit(images)
        assert torch.equal(features[name], found[layer]) and counts[name] == sizes[layer]
        assert bundle.specs[name] == load_target(NETWORK, layer, input_size=16, payload=payload).spec


def test_networks_of_other_weights_run_on_their_own():
    other = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.Tanh())
    bundle = TargetBundle([build({"1": "a"}, "identity"), (load_targets(other, ["1"], input_size=16), {"1": "b"})])
    images = torch.rand(2, 3, 16, 16)
    features, _ = bundle.transmit(images)
    assert torch.equal(features["b"], load_target(other, "1", input_size=16)(images))
    assert not torch.equal(features["a"], features["b"])


def test_only_ranges_that_are_open_are_fitted():
    bundle = TargetBundle([build({"1": "a"}, "minmax:8:fit"), build({"1": "b"}, "int8")])
    assert bundle.fits
    found = bundle.fit(iter([torch.rand(4, 3, 16, 16)]))
    assert list(found) == ["a"] and found["a"].startswith("minmax:8:")
    bundle.use_payloads(found)
    assert not bundle.fits
    assert [bundle.specs[name].payload for name in ("a", "b")] == [found["a"], "int8"]


def test_each_is_measured_on_as_many_pictures_as_alone(monkeypatch):
    pytest.importorskip("faiss")
    monkeypatch.setattr(MinMax, "num_fit", 3)
    monkeypatch.setattr("inverter.payloads.pq.PER_CENTROID", 4)
    payloads = {"range": "minmax:8:fit", "codes": "pq:7x1:fit", "sign": "binary"}
    bundle = TargetBundle([build({"1": name}, payload) for name, payload in payloads.items()])
    assert bundle.num_fit == 8  # of the two that are fitted, the one that wants more
    images = [*torch.linspace(0.1, 1, 8)[:, None, None, None].mul(torch.rand(8, 3, 16, 16)).split(2)]
    found = bundle.fit(iter(images))
    assert set(found) == {"range", "codes"}
    for name, first in (("range", [images[0], images[1][:1]]), ("codes", images)):
        assert found[name] == load_targets(NETWORK, ["1"], input_size=16, payload=payloads[name]).fit(first)["1"]
    assert found["range"] != load_targets(NETWORK, ["1"], input_size=16, payload="minmax:8:fit").fit(images)["1"]


def test_a_name_twice_is_refused():
    with pytest.raises(ValueError, match=r"names=\['a', 'a'\]; allowed: each once"):
        TargetBundle([build({"1": "a"}, "identity"), build({"1": "a"}, "int8")])
