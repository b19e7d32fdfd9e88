import pytest
import torch

from inverter.blackbox.head import ImageHead


@pytest.mark.parametrize("upsampling", [2, 4, 8])
def test_the_head_starts_at_zero_and_has_the_images_size(upsampling):
    head = ImageHead(16, 8, upsampling)
    trunk, image = torch.randn(2, 16, 3, 5), torch.rand(2, 3, 3 * upsampling, 5 * upsampling)
    residual = head(trunk, image)
    assert residual.shape == image.shape
    assert not residual.any()
    residual.sum().backward()
    assert head.body[-2].weight.grad.abs().sum() > 0


@pytest.mark.parametrize("upsampling", [1, 3])
def test_an_odd_ratio_is_refused(upsampling):
    with pytest.raises(ValueError, match=f"upsampling is {upsampling}; the image head needs an even ratio"):
        ImageHead(16, 8, upsampling)
