import torch

from inverter.payloads import make_payload


def test_noise_is_laplacian_and_relative():
    features = 40 * torch.randn(2, 64, 32, 32) + 7
    noise = (make_payload("laplace:0.5", seed=1)(features) - features) / features.std()
    torch.testing.assert_close(noise.std(), torch.tensor(0.5 * 2**0.5), rtol=0.02, atol=0)
    torch.testing.assert_close(noise.abs().mean(), torch.tensor(0.5), rtol=0.02, atol=0)
    assert abs(noise.mean()) < 0.01
    assert not torch.equal(noise[0], noise[1])
