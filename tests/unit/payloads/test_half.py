import numpy as np
import pytest
import torch

from inverter.payloads import make_payload


@pytest.mark.parametrize(("name", "dtype"), [("fp16", torch.float16), ("bf16", torch.bfloat16)])
def test_values_and_bytes(name, dtype):
    features = torch.randn(2, 3, 4)
    sent = make_payload(name).send(features)
    assert torch.equal(sent.features, features.to(dtype).float())
    assert sent.num_bytes() == [24, 24]
    read = torch.frombuffer(bytearray(sent.codes()[1]), dtype=dtype)
    assert torch.equal(read.float().view(3, 4), sent.features[1])


def test_by_hand():
    assert make_payload("bf16")(torch.tensor([[1.00390625, 257.0, 258.0]])).tolist() == [[1.0, 256.0, 258.0]]
    assert make_payload("fp16")(torch.tensor([[2049.0]])).item() == np.float16(2049) == 2048


def test_what_half_precision_cannot_hold_is_an_error():
    with pytest.raises(ValueError, match="payload=fp16: NaN or infinity in what arrives of features up to 70000"):
        make_payload("fp16").send(torch.tensor([[1.0, -70000.0]]))
    with pytest.raises(ValueError, match="up to 65520"):
        make_payload("fp16").send(torch.tensor([[65520.0]]))
    assert make_payload("fp16").send(torch.tensor([[65519.0]])).features.item() == 65504
    assert make_payload("bf16").send(torch.tensor([[1.0, -70000.0]])).features[0, 1] == -70144
