import torch

from inverter.payloads import make_payload


def test_the_share_that_is_lost_and_what_is_left():
    features = torch.randn(2, 64, 32, 32)
    sent = make_payload("dropout:0.3", seed=1)(features)
    lost = sent == 0
    assert abs(lost.float().mean() - 0.3) < 0.01
    assert torch.equal(sent[~lost], features[~lost])
    assert not torch.equal(lost[0], lost[1])
