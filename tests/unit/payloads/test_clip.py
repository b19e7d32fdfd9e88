import torch

from inverter.payloads import make_payload


def test_by_hand():
    sent = make_payload("clip:1")(torch.tensor([[3.0, -4.0], [0.3, 0.4], [0.0, 0.0]]))
    torch.testing.assert_close(
        sent, torch.tensor([[3.0, -4.0], [0.3, 0.4], [0.0, 0.0]]) * torch.tensor([[2**0.5 / 5], [1], [1]])
    )
