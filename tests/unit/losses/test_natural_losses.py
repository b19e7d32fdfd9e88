import pytest
import torch

from inverter.losses.natural import alpha_norm, mean_square, total_variation_norm

STEP = torch.tensor([[[[0.0, 0.0, 1.0], [0.0, 0.0, 1.0], [0.0, 0.0, 1.0]]]])  # one edge, down the picture


def test_total_variation_by_hand():
    assert total_variation_norm(STEP).tolist() == [pytest.approx(3 / 9)]  # three unit steps, nine pixels
    assert total_variation_norm(2 * STEP, 2.0).tolist() == [pytest.approx(2 * 4 / 4)]  # 2 x 2 pixels, two of them 4
    assert total_variation_norm(2 * STEP, 3.0).tolist() == [pytest.approx(2 * 8 / 4, rel=1e-5)]
    assert total_variation_norm(torch.full((2, 3, 5, 7), 0.3), 2.0).tolist() == [0.0, 0.0]
    with pytest.raises(ValueError, match=r"beta is 0.5; allowed: 1 or more"):
        total_variation_norm(STEP, 0.5)


def test_norms_by_hand():
    images = torch.tensor([[[[0.0, 0.5], [0.75, 1.0]]]])
    assert alpha_norm(images).tolist() == [pytest.approx((1 + 0 + 0.5**6 + 1) / 4)]
    assert mean_square(images).tolist() == [pytest.approx((1 + 0 + 0.25 + 1) / 4)]
