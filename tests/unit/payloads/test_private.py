import math

import pytest
import torch

from inverter.payloads import make_payload
from inverter.payloads.private import gaussian_delta, gaussian_deviation


def test_the_deviation_is_the_smallest_that_is_private():
    assert gaussian_deviation(1.0, 1e-5) == pytest.approx(3.7306, abs=1e-3)
    for epsilon in (0.01, 1, 50, 1e4):
        deviation = gaussian_deviation(epsilon, 1e-5)
        assert gaussian_delta(epsilon, deviation) == pytest.approx(1e-5, rel=1e-3)
        assert gaussian_delta(epsilon, 0.99 * deviation) > 1e-5
    assert gaussian_deviation(0.5, 1e-5) < math.sqrt(2 * math.log(1.25e5)) / 0.5  # the mechanism of Dwork and Roth


@pytest.mark.parametrize("scale", [1.0, 1000.0])
def test_noise_is_of_the_sensitivity_whatever_the_features(scale):
    features = scale * torch.randn(1, 8, 32, 32)
    payload = make_payload("private:8:0.5", seed=1)
    noise = payload(features) - payload.clip(features)
    sensitivity = 2 * 0.5 * math.sqrt(8 * 32 * 32)
    torch.testing.assert_close(noise.std().item(), gaussian_deviation(8, 1e-5) * sensitivity, rtol=0.02, atol=0)
    assert payload.clip(features).norm() <= sensitivity / 2 * 1.0001


def test_it_is_fresh_in_each_query():
    features = torch.randn(1, 64)
    payload = make_payload("private:8")
    assert not torch.equal(payload(features), payload(features))
