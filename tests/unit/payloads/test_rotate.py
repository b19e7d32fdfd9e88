import torch

from inverter.payloads import make_payload


def test_norms_and_angles_of_positions_are_kept_and_the_key_undoes_it():
    features = torch.randn(2, 6, 3, 3)
    payload = make_payload("rotate", seed=1)
    sent = payload(features)
    one, other = (each.flatten(2).transpose(1, 2) for each in (features, sent))
    torch.testing.assert_close(one @ one.mT, other @ other.mT, rtol=1e-4, atol=1e-4)
    key = torch.linalg.lstsq(one.flatten(0, 1), other.flatten(0, 1)).solution
    torch.testing.assert_close(other @ key.T, one, rtol=1e-3, atol=1e-3)


def test_a_session_has_one_key_and_another_session_another():
    features = torch.randn(2, 5, 6)
    payload = make_payload("rotate", seed=1)
    first = payload(features)
    assert torch.equal(payload(features), first)
    payload.restart(2)
    assert not torch.allclose(payload(features), first)
