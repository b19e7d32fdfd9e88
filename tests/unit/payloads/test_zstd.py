import copy
import sys

import pytest
import torch

from inverter.payloads import make_payload


def test_bytes_are_those_of_the_payload_before_it():
    zstandard = pytest.importorskip("zstandard", reason="needs pip install '.[zstd]' in the checkout")
    features = torch.randn(2, 3, 8, 8).relu()
    for name in ("identity", "minmax:4", "topk:0.1+int8"):
        plain = make_payload(name).send(features)
        sent = copy.deepcopy(make_payload("zstd" if name == "identity" else f"{name}+zstd")).send(features)
        assert torch.equal(sent.features, plain.features)
        decompress = zstandard.ZstdDecompressor().decompress
        assert [decompress(code, max_output_size=1 << 16) for code in sent.codes()] == plain.codes()
    assert sum(make_payload("zstd").send(features).num_bytes()) < 4 * features.numel()


def test_what_to_install_is_said_before_anything_is_sent(monkeypatch):
    monkeypatch.setitem(sys.modules, "zstandard", None)
    monkeypatch.setattr("inverter.payloads.zstd.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"payload=zstd needs zstandard; install '.\[zstd\]'"):
        make_payload("int8+zstd").check((3, 8, 8))
