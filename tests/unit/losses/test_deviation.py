import pytest
import torch

from inverter.blackbox.grid import Standardise
from inverter.blackbox.published import list_inverters
from inverter.evaluation.floors import NearestTrainingImage
from inverter.losses import floor_deviation
from inverter.whitebox.goal import channel_scale

STD = torch.tensor([3.0, 1e-4, 4.0, 2e-7])  # root mean square 2.5


def test_the_floor_is_a_hundredth_of_the_root_mean_square() -> None:
    torch.testing.assert_close(floor_deviation(STD), torch.tensor([3.0, 0.025, 4.0, 0.025]))
    torch.testing.assert_close(floor_deviation(STD[None] * 1e-9), torch.tensor([[3.0, 0.025, 4.0, 0.025]]) * 1e-9)
    assert floor_deviation(torch.zeros(2, 3)).tolist() == [[1.0] * 3] * 2
    assert torch.equal(floor_deviation(torch.tensor([0.01, 1.0])), torch.tensor([0.01, 1.0]))


def test_all_that_standardises_has_this_floor() -> None:
    features = torch.ones(1, 4, 1, 1)
    floored = floor_deviation(STD)
    torch.testing.assert_close(Standardise((4, 1, 1), [0.0] * 4, STD.tolist())(features).flatten(), 1 / floored)
    torch.testing.assert_close(channel_scale(features, STD).flatten(), floored)
    nearest = NearestTrainingImage(features, torch.zeros(4), STD)
    torch.testing.assert_close(nearest._normalise(features).flatten(), 1 / floored)


def test_published_inverters_have_no_channel_below_the_floor() -> None:
    """So their pictures are what they were evaluated with."""
    found = [torch.tensor(published.spec.feature_std) for published in list_inverters()]
    assert found and all(torch.equal(floor_deviation(std), std) for std in found)


@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_a_channel_that_hardly_ever_fires_hides_no_other(offset: float) -> None:
    """Retrieval goes by the other channels, whatever the rare one says and wherever the features lie."""
    generator = torch.Generator().manual_seed(0)
    train = torch.randn(40, 8, generator=generator) + offset
    train[:, 0] = 0
    features = train + 0.01 * torch.randn(train.shape, generator=generator)
    features[:, 0] = 1
    images = torch.arange(40.0)[:, None, None, None].expand(40, 3, 2, 2) / 255
    std = torch.tensor([1e-9, *[1.0] * 7])
    floor = NearestTrainingImage(features, torch.zeros(8), std)
    floor.see({"key": [str(n) for n in range(40)], "image": images, "features": train})
    torch.testing.assert_close(floor(features), images)
