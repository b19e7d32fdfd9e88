import pytest
import torch

from inverter.evaluation.temporal import flicker, warping_error


def texture(side: int = 48) -> torch.Tensor:
    coarse = torch.rand(1, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.interpolate(coarse, size=side, mode="bicubic").clamp(0, 1)[0]


def test_flicker_by_hand():
    original = torch.zeros(3, 3, 2, 2)
    original[1:] = 0.25
    recon = torch.zeros(3, 3, 2, 2)
    recon[1] = 0.75
    assert flicker(recon, original).tolist() == [pytest.approx(0.5), pytest.approx(0.75)]
    assert flicker(original + 0.5, original).tolist() == [0.0, 0.0]  # wrong in the same way at every frame
    with pytest.raises(ValueError, match="must be one"):
        flicker(recon[:2], original)


def test_what_moves_as_the_original_does_has_hardly_any_warping_error():
    still = texture(56)
    original = torch.stack([still[:, 4:52, i : i + 48] for i in (2, 3, 4)])
    moving = warping_error(original, original)
    assert moving.shape == (2,)
    assert moving.max() < 2e-3
    frozen = warping_error(original[[0, 0, 0]], original)
    assert (frozen > 2 * moving).all()


def test_uneven_brightness_is_its_square():
    """Without movement the warp is the identity: a frame 0.1 brighter than the one before is off by 0.01."""
    original = texture()[None].expand(2, -1, -1, -1)
    recon = torch.stack([original[0] * 0.5, original[0] * 0.5 + 0.1])
    torch.testing.assert_close(warping_error(recon, original), torch.tensor([0.01], dtype=torch.float64))


def test_at_a_cut_no_pixel_counts():
    original = torch.stack([torch.zeros(3, 16, 16), torch.ones(3, 16, 16)])
    assert warping_error(original, original).isnan().all()
