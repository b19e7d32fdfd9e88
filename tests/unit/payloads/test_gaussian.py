import pytest
import torch

from inverter.payloads import make_payload


def test_it_is_relative_seeded_and_fresh():
    features = 40 * torch.randn(2, 16, 32, 32) + 7
    payload = make_payload("gaussian:0.1", seed=3)
    state = torch.random.get_rng_state()
    first, second = payload(features), payload(features)
    assert torch.equal(torch.random.get_rng_state(), state)
    noise = first - features
    torch.testing.assert_close(noise.std(), 0.1 * features.std(), rtol=0.03, atol=0)
    assert abs(torch.corrcoef(torch.stack([noise[0].flatten(), noise[1].flatten()]))[0, 1]) < 0.05
    assert not torch.equal(first, second)
    assert torch.equal(first, make_payload("gaussian:0.1", seed=3)(features))
    assert not torch.equal(first, make_payload("gaussian:0.1", seed=4)(features))


@pytest.mark.parametrize("std", ["0.1", "0.1234567", "1e-05"])
def test_the_name_is_the_noise(std):
    payload = make_payload(f"gaussian:{std}")
    assert (payload.name, payload.std) == (f"gaussian:{std}", float(std))
