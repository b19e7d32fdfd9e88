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


def test_a_quantile_clips_what_lies_outside_on_both_sides():
    features = torch.arange(-50.0, 51.0)[None]  # 101 numbers; 0.9 leaves out 5 at each end
    name = make_payload("int8:0.9:fit").fitted(features)
    assert name == "int8:0.9:-45:45"
    sent = make_payload(name).send(features)
    assert (float(sent.features.min()), float(sent.features.max())) == (-45.0, 45.0)
    assert (sent.features - features.clamp(-45, 45)).abs().max() <= 90 / 255 / 2 * 1.001
    assert sent.num_bytes() == [101]  # the range is fixed and does not travel
    assert make_payload("int8:1:fit").fitted(features) == "int8:1:-50:50"


def test_one_outlier_costs_a_quantile_nothing():
    features = torch.cat([torch.randn(1, 9999), torch.tensor([[9000.0]])], 1)
    plain = make_payload("int8")(features)
    payload = make_payload(make_payload("int8:0.99:fit").fitted(features))
    assert plain[0, :-1].unique().numel() == 1  # all within half a step of 0
    assert payload(features)[0, :-1].unique().numel() > 200
