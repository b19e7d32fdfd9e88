import numpy as np
import pytest
import torch

from inverter.evaluation.neighbours import nearest, recall_at_k
from inverter.payloads import make_payload


def brute_force(query: np.ndarray, store: np.ndarray, k: int, own: int) -> list[int]:
    similarity = [
        -np.inf if row == own else float(query @ each / np.linalg.norm(query) / np.linalg.norm(each))
        for row, each in enumerate(store)
    ]
    return sorted(range(len(store)), key=lambda row: -similarity[row])[:k]


def test_against_brute_force():
    store = np.random.default_rng(0).normal(size=(400, 16)).astype(np.float32)
    own = np.arange(0, 400, 7)
    stored = make_payload("minmax:2")(torch.from_numpy(store)).numpy()
    wanted = [brute_force(store[row], store, 10, row) for row in own]
    found = [brute_force(store[row], stored, 10, row) for row in own]
    expected = [len(set(one) & set(other)) / 10 for one, other in zip(wanted, found, strict=True)]
    rows = torch.from_numpy(own)
    tensors = torch.from_numpy(store), torch.from_numpy(stored)
    assert nearest(tensors[0][rows], tensors[0], 10, rows).tolist() == wanted
    recall = recall_at_k(tensors[0][rows], *tensors, 10, rows)
    assert recall.tolist() == expected
    assert 0.1 < recall.mean() < 0.95  # neither all nor nothing
    assert recall_at_k(tensors[0][rows], tensors[0], 3 * tensors[0], 10, rows).min() == 1  # length does not count


def test_of_ties_the_earlier_row_is_nearer():
    store = torch.tensor([[0.0, 1.0], [1.0, 0.0], [2.0, 0.0]])
    assert nearest(torch.tensor([[1.0, 0.0]]), store, 2).tolist() == [[1, 2]]


@pytest.mark.parametrize("k", [0, 3])
def test_more_neighbours_than_rows(k):
    with pytest.raises(ValueError, match=f"k is {k}; allowed: 1 to 2, the rows that can be found"):
        nearest(torch.ones(1, 2), torch.ones(3, 2), k, torch.tensor([0]))
