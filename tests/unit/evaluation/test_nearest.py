import pytest
import torch

from inverter.evaluation.nearest import Search


def search(queries: torch.Tensor, candidates: torch.Tensor, batch_size: int = 16) -> Search:
    found = Search(queries, lambda batch: batch["vectors"])
    images = torch.zeros(batch_size, 3, 2, 2)
    for start in range(0, len(candidates), batch_size):
        vectors = candidates[start : start + batch_size]
        found.see({"vectors": vectors, "image": images, "key": [str(start + n) for n in range(len(vectors))]})
    return found


@pytest.mark.parametrize("offset", [0.0, 1e3, 1e6], ids=str)
def test_what_float64_finds(offset: float) -> None:
    """One number that all share hides the others from a product in float32."""
    torch.manual_seed(0)
    queries, candidates = torch.randn(1100, 24), torch.randn(80, 24)
    queries[:, 0] += offset
    candidates[:, 0] = queries[0, 0]
    distances = (queries.double()[:, None] - candidates.double()).square().mean(2)
    matches = search(queries, candidates).matches
    assert matches.keys == tuple(map(str, distances.argmin(1).tolist()))
    torch.testing.assert_close(matches.distances, distances.amin(1), rtol=1e-12, atol=0)


def test_the_earlier_of_equals_is_kept() -> None:
    assert search(torch.ones(2, 3), torch.zeros(40, 3)).matches.keys == ("0", "0")


def test_numbers_whose_square_float32_cannot_hold() -> None:
    candidates = torch.tensor([[1e30, 0.0], [1e30, 1e30]])
    assert search(torch.tensor([[1e30, 9e29]]), candidates).matches.keys == ("1",)


def test_a_query_that_is_not_finite_finds_nothing() -> None:
    with pytest.raises(ValueError, match="not finite"):
        _ = search(torch.tensor([[torch.nan, 0.0]]), torch.zeros(2, 2)).matches
