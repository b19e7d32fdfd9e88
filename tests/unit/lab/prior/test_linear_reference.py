import torch

from inverter.lab.prior.linear_reference import linear_round_trip
from inverter.losses.quality import psnr, quantise


def pictures(count: int) -> torch.Tensor:
    """Smooth ones, with noise."""
    coarse = torch.rand(count, 3, 4, 4)
    smooth = torch.nn.functional.interpolate(coarse, size=16, mode="bilinear")
    return quantise((smooth + 0.02 * torch.randn_like(smooth)).clamp(0, 1))


def test_it_keeps_more_with_more_channels_and_all_with_as_many_as_a_patch_has_numbers():
    train, val = pictures(60), pictures(20)
    kept = [psnr(linear_round_trip(val, train, (channels, 4, 4)), val).mean() for channels in (1, 3, 12, 48)]
    assert kept == sorted(kept) and kept[0] < 25 < kept[2]
    assert kept[3] == 60


def test_no_other_projection_of_the_rank_loses_less():
    """Of the pictures that it was fitted to, by squared error."""
    train = pictures(60)
    error = (linear_round_trip(train, train, (3, 4, 4)) - train).square().mean()
    flat = torch.nn.functional.pixel_unshuffle(train, 4).movedim(1, -1)
    mean = flat.mean((0, 1, 2))
    averages = torch.eye(3).repeat_interleave(16, 0) / 4  # each patch's mean colour
    for directions in (averages, torch.linalg.qr(torch.randn(48, 3)).Q):
        other = (flat - mean) @ directions @ directions.T + mean
        assert error < (other - flat).square().mean()


def test_colours_below_and_above_what_pictures_have_are_cut_off():
    train = torch.cat([torch.zeros(1, 3, 8, 8), torch.ones(1, 3, 8, 8)])
    images = train.flip(0).clone()
    images[0, :, ::2] = 0  # the patches' mean is not among the components
    found = linear_round_trip(images, train, (1, 2, 2))
    assert found.min() >= 0 and found.max() <= 1 and found.shape == images.shape
