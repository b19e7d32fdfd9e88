import zlib

import torch

from inverter.payloads import make_payload


def test_bytes_are_those_of_the_payload_before_it():
    features = torch.randn(2, 3, 8, 8).relu()
    for name in ("identity", "minmax:4", "topk:0.1+int8"):
        plain = make_payload(name).send(features)
        sent = make_payload("zlib" if name == "identity" else f"{name}+zlib").send(features)
        assert torch.equal(sent.features, plain.features)
        assert [zlib.decompress(code) for code in sent.codes()] == plain.codes()
    assert sum(make_payload("zlib").send(features).num_bytes()) < 4 * features.numel()
