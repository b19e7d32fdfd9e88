import itertools

import pytest
import torch

from inverter.losses.dependence import contrastive_loss, distance_correlation


def slow_distance_correlation(one, other):
    """By the definition, pair by pair, in double precision."""
    count = len(one)

    def centred(rows):
        rows = rows.flatten(1).double()
        distances = torch.zeros(count, count, dtype=torch.float64)
        for i, j in itertools.product(range(count), repeat=2):
            distances[i, j] = (rows[i] - rows[j]).square().sum().sqrt()
        return distances - distances.mean(0) - distances.mean(1, keepdim=True) + distances.mean()

    first, second = centred(one), centred(other)
    return ((first * second).mean() / ((first**2).mean() * (second**2).mean()).sqrt()).sqrt()


@pytest.mark.parametrize("count", [2, 7])
def test_distance_correlation_is_that_of_its_definition(count):
    one, other = torch.rand(count, 3, 5, 4), torch.rand(count, 2, 7) - 3
    torch.testing.assert_close(
        distance_correlation(one, other).double(), slow_distance_correlation(one, other), atol=1e-5, rtol=1e-5
    )


def test_distance_correlation_from_nothing_to_all():
    images = torch.rand(200, 1)
    assert abs(distance_correlation(images, 3 - 2 * images) - 1) < 1e-5
    assert distance_correlation(images, torch.rand(200, 1)) < 0.25
    assert distance_correlation(images, torch.ones(200, 4)) < 1e-5


def test_its_gradient_is_finite_where_features_are_alike():
    features = torch.zeros(4, 3, requires_grad=True)
    distance_correlation(torch.rand(4, 3, 2, 2), features + 0).backward()
    assert features.grad.isfinite().all()


def test_contrastive_loss_by_hand():
    features = torch.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]])
    labels = torch.tensor([0, 0, 1])
    # root mean squares: 5 / sqrt 2, 1 / sqrt 2, sqrt 18 / sqrt 2 = 3
    expected = 12.5 + (2 * (2 - 0.5**0.5) ** 2 + 0) / 4
    assert contrastive_loss(features, labels[:, None] == labels, 2.0).item() == pytest.approx(expected, rel=1e-6)


def test_labels_in_a_column_are_refused_rather_than_belonging_together_all():
    features, labels = torch.rand(3, 2), torch.tensor([[0], [1], [1]])
    with pytest.raises(ValueError, match=r"same of shape \(3, 3, 1\) must be \(3, 3\)"):
        contrastive_loss(features, labels[:, None] == labels, 1.0)
    apart = torch.zeros(3, 3, dtype=torch.bool)
    assert contrastive_loss(features, apart, 10.0) > 80  # the margin's term is there
