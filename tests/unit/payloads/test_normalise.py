import torch

from inverter.payloads import make_payload


def test_by_hand():
    sent = make_payload("normalise").send(torch.tensor([[3.0, -4.0], [0.0, 0.0], [0.0, 2.0]]))
    torch.testing.assert_close(sent.features, torch.tensor([[0.6, -0.8], [0.0, 0.0], [0.0, 1.0]]))
    assert sent.num_bytes() == [8, 8, 8]


def test_its_gradient_has_no_part_along_the_features():
    features = torch.randn(2, 9, requires_grad=True)
    (make_payload("normalise")(features) * torch.randn(2, 9)).sum().backward()
    assert (features.grad * features.detach()).sum(1).abs().max() < 1e-5
    assert features.grad.norm() > 0.1


def test_behind_truncate_the_kept_numbers_alone_travel():
    sent = make_payload("truncate:2+normalise").send(torch.tensor([[3.0, 4.0, 12.0]]))
    torch.testing.assert_close(sent.features, torch.tensor([[0.6, 0.8, 0.0]]))
    assert sent.num_bytes() == [8]
