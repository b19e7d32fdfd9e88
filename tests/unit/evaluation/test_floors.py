import pytest
import torch
from torch import Tensor

from inverter.evaluation.floors import MeanImage, NearestTrainingImage, RoundTrip, UnconditionalSample
from inverter.evaluation.nearest import nearest_by_pixels


class HalvingPrior:
    def encode(self, images: Tensor) -> Tensor:
        return images / 2

    def decode(self, latents: Tensor) -> Tensor:
        return latents.clamp(0, 1)

    def sample(self, *, batch_size: int, num_inference_steps: int, generator: torch.Generator | None) -> Tensor:
        return torch.rand(batch_size, 3, 4, 4, generator=generator)


def test_mean_image_over_batches_of_unlike_size() -> None:
    floor = MeanImage()
    for batch in ({"image": torch.zeros(3, 3, 2, 2)}, {"image": torch.ones(1, 3, 2, 2)}):
        floor.see(batch)
    assert torch.equal(floor(torch.zeros(2, 7)), torch.full((2, 3, 2, 2), 0.25))
    with pytest.raises(ValueError, match="no image"):
        MeanImage()(torch.zeros(1, 7))


def test_nearest_training_image_against_a_slow_search(train_batches: list) -> None:
    queries = torch.rand(5, 3, 8, 6)
    mean, std = torch.tensor([0.5, 0.4, 0.3]), torch.tensor([0.1, 1.0, 10.0])
    floor = NearestTrainingImage(queries, mean, std)
    for batch in train_batches:
        floor.see(batch)
    found = torch.cat([floor(queries[:2]), floor(queries[2:])])
    assert floor.cost["seconds_per_image"] > 0
    with pytest.raises(ValueError, match="not among those to be searched for"):
        floor(queries + 1)
    features, images = (torch.cat([batch[key] for batch in train_batches]) for key in ("features", "image"))
    scaled = (queries[:, None] - features[None]) / std.reshape(1, 1, 3, 1, 1)
    expected = images[scaled.square().flatten(2).sum(2).argmin(1)]
    torch.testing.assert_close(found, expected)


def test_a_training_image_finds_itself_by_pixels(train_batches: list) -> None:
    found = nearest_by_pixels(train_batches[1]["image"], train_batches)
    assert found.keys == tuple(train_batches[1]["key"])
    assert found.psnr.tolist() == [60.0] * 4
    torch.testing.assert_close(found.images, train_batches[1]["image"])


def test_distance_by_pixels_by_hand() -> None:
    batch = {"key": ["a", "b"], "image": torch.stack([torch.zeros(3, 4, 4), torch.ones(3, 4, 4)])}
    found = nearest_by_pixels(torch.full((1, 3, 4, 4), 0.9), [batch])
    assert found.keys == ("b",) and found.psnr.item() == pytest.approx(20, abs=1e-3)
    with pytest.raises(ValueError, match="no training pair"):
        nearest_by_pixels(torch.zeros(1, 3, 4, 4), [])


def test_prior_references() -> None:
    image = torch.rand(2, 3, 4, 4)
    torch.testing.assert_close(RoundTrip(HalvingPrior())(image), image / 2)
    draw = UnconditionalSample(HalvingPrior())
    torch.manual_seed(5)
    first, second = draw(image), draw(image)
    torch.manual_seed(5)
    assert torch.equal(draw(image), first) and not torch.equal(first, second)


def test_joint_layers_are_standardised_for_the_nearest_picture() -> None:
    """The second layer's numbers are a thousand times as large and say no more than the first's."""
    shape = ((1, 2, 2), (2,))
    mean, std = torch.tensor([0.0, 0.0, 0.0]), torch.tensor([1.0, 1000.0, 1000.0])
    features = torch.tensor([[1.0, 1, 1, 1, 0, 0], [0, 0, 0, 0, 1000, 0]])
    batch = {"key": ["a", "b"], "image": torch.stack([torch.zeros(3, 2, 2), torch.ones(3, 2, 2)]), "features": features}
    asked = torch.tensor([[1.0, 1, 1, 1, 900, 0], [0.0, 0, 0, 0, 900, 0]])
    floor = NearestTrainingImage(asked, mean, std, shape)
    floor.see(batch)
    found = floor(asked)
    assert found.flatten(1).mean(1).tolist() == [0.0, 1.0]
