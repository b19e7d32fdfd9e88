import numpy as np
import torch

from inverter.payloads import make_payload


def test_by_hand():
    sent = make_payload("int8")(torch.tensor([[127.0, -127.0, 0.4, 0.6, -63.51], [0.0] * 5]))
    assert torch.equal(sent, torch.tensor([[127.0, -127.0, 0.0, 1.0, -64.0], [0.0] * 5]))


def test_it_has_at_most_255_values_within_half_a_step():
    features = torch.randn(1, 8, 32, 32)
    sent = make_payload("int8")(features)
    step = features.abs().max() / 127
    assert sent.unique().numel() <= 255
    assert (sent - features).abs().max() <= step / 2 * 1.001
    torch.testing.assert_close(make_payload("int8")(sent), sent)


def test_the_bytes_are_what_arrives():
    sent = make_payload("int8").send(torch.randn(2, 3, 5, 7))
    for code, arrived in zip(sent.codes(), sent.features, strict=True):
        assert len(code) == 4 + 105
        scale = np.frombuffer(code[:4], "<f4")
        np.testing.assert_allclose(np.frombuffer(code[4:], "int8") * scale, arrived.flatten(), rtol=1e-6)
