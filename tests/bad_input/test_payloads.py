"""Payloads that cannot be, cannot follow each other, or cannot send what they are given."""

from types import SimpleNamespace

import torch
from torch import nn

from inverter.config import PrepareConfig, TargetConfig
from inverter.data.fingerprint import Fingerprint
from inverter.data.fit import fit_payloads
from inverter.payloads import make_payload
from inverter.targets.target import MultiTarget


def test_names_and_arguments(refused):
    for what, name in (
        ("an unknown payload", "int4"),
        ("a payload without its argument", "topk"),
        ("a payload with a surplus argument", "fp16:3"),
        ("a quantile without a range", "int8:0.99"),
        ("a quantile that leaves out most", "int8:0.3:fit"),
        ("a product quantiser without its size", "pq:8"),
        ("codebooks that are none", "pq:8x8:mine"),
        ("a payload whose argument is out of range", "mosaic-jpeg:101"),
        ("a codec of video that there is not", "mosaic-video:30:av1"),
        ("a payload behind lost packets", "packets:0.1+int8"),
        ("lost packets of one picture", "mosaic-jpeg:42+packets:0.1"),
        ("`identity` in a chain", "identity+int8"),
        ("no payload", []),
        ("a range too wide", "minmax:8:-2e38:2e38"),
    ):
        refused(what, lambda name=name: make_payload(name))


def test_an_empty_list(refused_by_command):
    refused_by_command("an empty list of payloads", ["prepare", "output=unused", "target.payload=[]"])


def test_a_package_that_is_not_installed(refused, monkeypatch):
    monkeypatch.setattr("inverter.payloads.zstd.find_spec", lambda name: None)
    refused("Zstandard where it is not installed", lambda: make_payload("int8+zstd").check((3, 8, 8)))


def test_features_that_cannot_be_sent(refused):
    for what, name, shape in (
        ("the largest of one number", "topk:0.5", (1,)),
        ("a range for each number", "minmax:8:channel", (9,)),
        ("a picture larger than the codec's", "mosaic-webp:42", (3, 20000)),
        ("a vector cut to more than it has", "truncate:9", (9,)),
    ):
        refused(what, lambda name=name, shape=shape: make_payload(name).check(shape))
    for what, name, value in (
        ("features with NaN to send", "int8", torch.nan),
        ("features beyond half precision to send", "fp16", -70000.0),
    ):
        refused(what, lambda name=name, value=value: make_payload(name).send(torch.tensor([[0.0, value]])))


def test_codebooks(refused):
    for what, name, numbers in (
        ("a vector that does not divide into parts", "pq:2x1:fit", 5),
        ("codebooks to fit where no pairs are", "pq:2x1:fit", 4),
        ("codebooks that are not at hand", "pq:2x1:0123456789abcdef", 4),
    ):
        refused(what, lambda name=name, numbers=numbers: make_payload(name)(torch.zeros(1, numbers)))


def test_ranges_to_fit(refused, tmp_path):
    refused("a range to fit where no pairs are", lambda: make_payload("minmax:8:fit")(torch.zeros(1, 2)))
    config = PrepareConfig(target=TargetConfig(payload="minmax:8:fit"), output=str(tmp_path), split="dev")
    prints = {str(tmp_path): Fingerprint(tmp_path / "dev", config)}
    builder = SimpleNamespace(target=SimpleNamespace(fits=True))
    refused("a range to fit before the training pairs", lambda: fit_payloads(builder, [config], prints))
    options = {"name": "tiny", "input_size": 4, "mean": [0.0] * 3, "std": [1.0] * 3, "payload": "minmax:8:fit"}
    target = MultiTarget(nn.Sequential(nn.Tanh(), nn.Identity()), ["0+1"], **options)
    refused("a range to fit of joint layers", lambda: target.fit([torch.rand(2, 3, 4, 4)]))
