import math

import pytest
import torch
from torch import Tensor

from inverter.evaluation import distribution
from inverter.evaluation.distribution import fid, frechet_distance, inception_score, weighted_kid
from inverter.evaluation.metrics import Missing


def kid(x: Tensor, y: Tensor) -> float:
    """Of images that were all drawn once, each of a source of its own."""
    return weighted_kid(x, y, torch.ones(1, len(x)), torch.arange(len(x))).item()


def slow_kid(x: Tensor, y: Tensor, rows: list[int], sources: list[int]) -> float:
    """KID of drawn rows by loops; a row meets no row of its own source."""

    def mean(a: Tensor, b: Tensor) -> float:
        values = [
            (sum(p * q for p, q in zip(a[i].tolist(), b[j].tolist(), strict=True)) / a.shape[1] + 1) ** 3
            for i in rows
            for j in rows
            if sources[i] != sources[j]
        ]
        return sum(values) / len(values)

    return mean(x, x) + mean(y, y) - 2 * mean(x, y)


def test_kid_against_the_slow_reference() -> None:
    x, y = torch.randn(5, 3).double(), torch.randn(5, 3).double()
    assert kid(x, y) == pytest.approx(slow_kid(x, y, list(range(5)), list(range(5))))


def test_kid_by_hand() -> None:
    x, y = torch.tensor([[0.0], [0.0]]), torch.tensor([[1.0], [1.0]])
    assert kid(x, y) == pytest.approx(1 + 8 - 2)  # kernels 1, (1 + 1)^3 and 1


def test_weights_equal_drawn_rows_and_a_source_never_meets_itself() -> None:
    x, y = torch.randn(4, 3).double(), torch.randn(4, 3).double()
    sources = [0, 0, 1, 2]
    counts = torch.tensor([[2.0, 2.0, 0.0, 1.0], [1.0, 1.0, 1.0, 1.0], [2.0, 2.0, 0.0, 0.0]])
    found = weighted_kid(x, y, counts, torch.tensor(sources))
    assert found[0].item() == pytest.approx(slow_kid(x, y, [0, 0, 1, 1, 3], sources))
    assert found[1].item() == pytest.approx(slow_kid(x, y, [0, 1, 2, 3], sources))
    assert found[2].isnan()  # one source alone


def test_perfect_reconstructions_have_kid_zero() -> None:
    x = torch.randn(6, 4)
    assert kid(x, x) == pytest.approx(0, abs=1e-9)


def test_kid_is_unbiased_on_one_distribution() -> None:
    generator = torch.Generator().manual_seed(0)
    values = [kid(*torch.randn(2, 10, 4, generator=generator)) for _ in range(400)]
    mean, error = torch.tensor(values).mean(), torch.tensor(values).std() / 20
    assert abs(mean) < 3 * error


def test_inception_score_of_uniform_and_of_one_hot() -> None:
    assert inception_score(torch.full((1000, 10), 0.1)) == pytest.approx(1)
    assert inception_score(torch.eye(10).repeat(100, 1)) == pytest.approx(10)
    assert inception_score(torch.eye(10)) == Missing("is", "needs 1000 images, got 10")


def test_frechet_distance_by_hand_and_fid_below_its_size() -> None:
    mean, cov = torch.zeros(2).double(), torch.diag(torch.tensor([4.0, 9.0])).double()
    found = frechet_distance(mean, cov, mean + 1, torch.eye(2).double())
    assert found == pytest.approx(2 + 13 + 2 - 2 * (2 + 3))
    assert frechet_distance(mean, cov, mean, cov) == pytest.approx(0, abs=1e-9)
    assert isinstance(fid(torch.randn(4999, 2), torch.randn(5000, 2)), Missing)
    big = torch.randn(5000, 2)
    shifted = fid(big, big + torch.tensor([3.0, 4.0]))
    assert isinstance(shifted, float) and math.isclose(shifted, 25, rel_tol=1e-4)


def test_wrong_shapes_raise() -> None:
    with pytest.raises(ValueError, match="two embeddings"):
        kid(torch.zeros(1, 2), torch.zeros(1, 2))
    with pytest.raises(ValueError, match="one shape"):
        kid(torch.zeros(2, 2), torch.zeros(3, 2))


def test_blocks_of_pairs_give_what_all_pairs_give(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = torch.randn(2, 23, 5)
    counts, sources = torch.randint(3, (7, 23)).float(), torch.randint(6, (23,))
    whole = weighted_kid(x, y, counts, sources, block=23)
    sizes = []

    def spy(a: Tensor, b: Tensor) -> Tensor:
        sizes.append(max(len(a), len(b)))
        return (a.double() @ b.double().T / a.shape[1] + 1) ** 3

    monkeypatch.setattr(distribution, "polynomial_kernel", spy)
    torch.testing.assert_close(weighted_kid(x, y, counts, sources, block=4), whole, rtol=0, atol=1e-9)
    assert max(sizes) == 4
