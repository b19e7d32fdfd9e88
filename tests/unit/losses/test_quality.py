import math

import pytest
import torch

from inverter.losses.quality import psnr, quantise, ssim, to_bytes


def test_psnr_by_hand() -> None:
    image = torch.zeros(1, 3, 12, 13)
    recon = torch.full_like(image, 51 / 255)  # mse 0.04
    assert psnr(recon, image).item() == pytest.approx(-10 * math.log10(0.04), abs=1e-4)


def test_psnr_is_capped_clamped_and_rounded() -> None:
    image = torch.ones(3, 3, 12, 12)
    recon = torch.stack([image[0], image[0] * 7.0, image[0] - 0.4 / 255])  # equal, above the range, below half a level
    assert psnr(recon, image).tolist() == [60.0, 60.0, 60.0]
    one_value_off = torch.zeros(1, 3, 64, 64)
    one_value_off[0, 0, 0, 0] = 1 / 255  # 89 dB uncapped
    assert psnr(one_value_off, torch.zeros(1, 3, 64, 64)).item() == 60.0


def test_ssim_of_itself_and_of_constants() -> None:
    image = torch.rand(2, 3, 17, 12)
    torch.testing.assert_close(ssim(image, image), torch.ones(2))
    a, b, c1 = 51 / 255, 204 / 255, 0.01**2  # constants: the contrast term is 1, the luminance term is left
    expected = (2 * a * b + c1) / (a * a + b * b + c1)
    found = ssim(torch.full((1, 3, 12, 12), a), torch.full((1, 3, 12, 12), b))
    assert found.item() == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("metric", [psnr, ssim])
def test_batch_of_two_equals_two_of_one_and_inputs_stay(metric) -> None:  # type: ignore[no-untyped-def]
    recon, image = torch.rand(2, 3, 16, 20) * 1.5 - 0.2, torch.rand(2, 3, 16, 20)
    before = recon.clone(), image.clone()
    each = torch.cat([metric(recon[i : i + 1], image[i : i + 1]) for i in range(2)])
    torch.testing.assert_close(metric(recon, image), each)
    assert torch.equal(recon, before[0]) and torch.equal(image, before[1])


def test_wrong_inputs_raise() -> None:
    image = torch.rand(1, 3, 12, 12)
    with pytest.raises(ValueError, match="one shape"):
        psnr(image, image[..., :11])
    with pytest.raises(ValueError, match="not finite"):
        psnr(image * torch.nan, image)
    with pytest.raises(ValueError, match="at least 11"):
        ssim(image[..., :8], image[..., :8])


def test_quantise_keeps_the_levels_of_an_8_bit_picture() -> None:
    levels = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    assert torch.equal(to_bytes(levels / 255), levels)
    assert torch.equal(quantise(levels / 255), levels / 255)
