import math

import pytest
import torch

from inverter.lab.prior.spectrum import radial_power_spectrum, spectrum_error


def wave(cycles: float, amplitude: float, side: int = 16) -> torch.Tensor:
    """A cosine across the picture, in all channels."""
    x = torch.arange(side, dtype=torch.float64) * 2 * math.pi / side
    return (amplitude * torch.cos(cycles * x)).expand(1, 3, side, side)


def test_a_wave_has_its_power_at_its_frequency():
    spectrum = radial_power_spectrum(wave(3, 2.0))
    # amplitude 2: |F| / S^2 = 1 at two of the frequencies whose radius rounds to 3
    axis = [min(k, 16 - k) for k in range(16)]
    count = sum(round(math.hypot(a, b)) == 3 for a in axis for b in axis)
    assert spectrum.shape == (9,)
    assert spectrum[3].item() == pytest.approx(2 / count)
    assert spectrum.sum().item() == pytest.approx(2 / count)


def test_a_constant_has_power_at_zero_alone():
    assert radial_power_spectrum(torch.full((2, 3, 8, 8), 0.5)).tolist() == pytest.approx([0.25, 0, 0, 0, 0])


def test_half_the_contrast_is_six_decibels_less():
    image = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    error = spectrum_error(0.5 * image, image)
    assert error.tolist() == pytest.approx([20 * math.log10(0.5)] * 4)
    assert spectrum_error(image, image).abs().max() == 0


def test_only_squares():
    with pytest.raises(ValueError, match=r"images has shape \(1, 3, 4, 6\); allowed: \(B, C, S, S\)"):
        radial_power_spectrum(torch.rand(1, 3, 4, 6))
