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


def test_a_server_with_the_key_undoes_the_rotation_and_nothing_else():
    for features in (torch.randn(2, 6, 3, 3), torch.randn(2, 5, 6), torch.randn(2, 6)):
        payload = make_payload("rotate+int8", seed=1)
        sent = payload(features)
        assert not torch.allclose(sent, features, rtol=0.5)
        torch.testing.assert_close(payload.unlock(sent), features, rtol=0, atol=0.1)
        noisy = make_payload("gaussian:1", seed=1)
        assert torch.equal(noisy.unlock(noisy(features)), make_payload("gaussian:1", seed=1)(features))


def test_a_session_has_one_key_and_another_session_another():
    features = torch.randn(2, 5, 6)
    payload = make_payload("rotate", seed=1)
    first = payload(features)
    assert torch.equal(payload(features), first)
    payload.restart(2)
    assert not torch.allclose(payload(features), first)
