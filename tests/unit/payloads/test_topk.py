import numpy as np
import pytest
import torch

from inverter.payloads import make_payload


def test_it_is_of_each_image_and_by_magnitude():
    features = torch.tensor([[1.0, -4.0, 2.0, 3.0], [0.1, 0.2, -0.4, 0.3]])
    assert torch.equal(make_payload("topk:0.5")(features), torch.tensor([[0.0, -4.0, 0.0, 3.0], [0.0, 0.0, -0.4, 0.3]]))


def test_the_bytes_are_places_and_values():
    sent = make_payload("topk:0.5").send(torch.tensor([[1.0, -4.0, 2.0, 3.0]]))
    assert sent.codes() == [bytes([0b01010000]) + np.array([-4, 3], "<f4").tobytes()]
    features = torch.randn(1, 100_000)
    assert make_payload("topk:0.2").send(features).num_bytes() == [100_000 // 8 + 4 * 20_000]
    assert make_payload("topk:0.001").send(features).num_bytes() == [4 * 100 + 4 * 100]
    assert make_payload("topk:0.001").send(features[:, :50_000]).num_bytes() == [2 * 50 + 4 * 50]
    assert make_payload("topk:0.2+int8").send(features).num_bytes() == [100_000 // 8 + 20_000 + 4]
    assert make_payload("topk:0.2+fp16").send(features).num_bytes() == [100_000 // 8 + 2 * 20_000]


def test_at_least_one_is_kept():
    assert make_payload("topk:0.01")(torch.tensor([[1.0, 3.0]])).tolist() == [[0.0, 3.0]]


def test_one_number_is_refused():
    with pytest.raises(ValueError, match=r"payload=topk:0\.5: one number is always the largest"):
        make_payload("topk:0.5").send(torch.ones(2, 1))
