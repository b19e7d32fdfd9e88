from itertools import groupby

import torch

from inverter.payloads import make_payload


def test_whole_channels_are_lost_in_bursts():
    payload = make_payload("packets:0.2:5", seed=1)
    features = torch.ones(20, 2000, 2, 2)
    sent = payload(features)
    lost = (sent == 0)[:, :, 0, 0]
    assert torch.equal((sent == 0), lost[:, :, None, None].expand_as(sent))
    runs = [len(list(run)) for row in lost.tolist() for is_lost, run in groupby(row) if is_lost]
    assert abs(lost.float().mean() - 0.2) < 0.02
    assert abs(sum(runs) / len(runs) - 5) < 0.5


def test_channels_of_tokens_are_their_dimensions():
    sent = make_payload("packets:0.5")(torch.ones(1, 3, 400))
    assert torch.equal(sent[0, 0], sent[0, 2])
    assert 0 < sent.mean() < 1


def test_what_is_lost_was_sent():
    features = torch.randn(2, 40, 3, 3)
    sent = make_payload("int8+packets:0.5").send(features)
    assert (sent.features == 0).all((2, 3)).any()
    assert sent.codes() == make_payload("int8").send(features).codes()
