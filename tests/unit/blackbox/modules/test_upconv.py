import pytest
import torch

from inverter.blackbox.grid import Standardise
from inverter.blackbox.modules.upconv import UpconvDecoder


@pytest.mark.parametrize(
    "feature_shape",
    [(2, 112, 112), (3, 28, 28), (3, 16, 16), (3, 14, 9), (3, 7, 7), (3, 1, 1), (197, 6), (50, 6), (16, 6), (20,)],
)
def test_every_shape_becomes_64_pixels(feature_shape):
    decoder = UpconvDecoder(feature_shape, 64)
    with torch.no_grad():
        assert decoder(torch.randn(1, *feature_shape)).shape == (1, 3, 64, 64)


@pytest.mark.parametrize("resolution", [32, 128, 256])
def test_other_resolutions(resolution):
    with torch.no_grad():
        assert UpconvDecoder((3, 7, 7), resolution)(torch.randn(2, 3, 7, 7)).shape == (2, 3, resolution, resolution)


def test_features_are_standardised():
    torch.manual_seed(0)
    plain = UpconvDecoder((3, 7, 7), 32)
    scaled = UpconvDecoder((3, 7, 7), 32, Standardise((3, 7, 7), [1.0, -2.0, 0.0], [2.0, 3.0, 0.5]))
    scaled.load_state_dict({**plain.state_dict(), **scaled.standardise.state_dict(prefix="standardise.")})
    features = torch.randn(1, 3, 7, 7)
    mean, std = torch.tensor([1.0, -2.0, 0.0]).view(3, 1, 1), torch.tensor([2.0, 3.0, 0.5]).view(3, 1, 1)
    with torch.no_grad():
        torch.testing.assert_close(scaled(features * std + mean), plain(features), rtol=1e-4, atol=1e-5)


def test_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"this inverter takes \(B, \(3, 7, 7\)\)"):
        UpconvDecoder((3, 7, 7), 64)(torch.zeros(1, 3, 7, 8))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_it_follows_to_another_dtype(dtype):
    decoder, features = UpconvDecoder((4, 8, 8), 32), torch.randn(2, 4, 8, 8)
    wanted = decoder(features)
    torch.testing.assert_close(decoder.to(dtype)(features), wanted, atol=0.02, rtol=0)
