import dataclasses

import pytest
import torch

from inverter.blackbox.best_of import best_of
from inverter.blackbox.inverter import Inverter
from inverter.blackbox.load import load_inverter
from inverter.evaluation.blackbox import attack_methods


@pytest.fixture
def inverter(tiny_published, tiny_prior) -> Inverter:
    inverter = load_inverter(str(tiny_published), tiny_prior)
    inverter.spec = dataclasses.replace(inverter.spec, strength=1.0)
    return inverter


def query(images: torch.Tensor) -> torch.Tensor:
    """Features that tell pictures apart: means of their parts."""
    return torch.nn.functional.adaptive_avg_pool2d(images, (5, 7)).repeat(1, 2, 1, 1)


def test_the_nearest_of_the_draws_is_kept(inverter):
    features, seen = query(torch.rand(2, 3, 32, 32)), []

    def recorded(images):
        seen.append(images)
        return query(images)

    torch.manual_seed(0)
    best = best_of(inverter, recorded, features, 4)
    assert len(seen) == 4
    standardise = inverter.conditioner.standardise
    fits = torch.stack(
        [torch.cosine_similarity(query(each).flatten(1), standardise(features).flatten(1)) for each in seen]
    )
    expected = torch.stack([seen[int(n)][row] for row, n in enumerate(fits.argmax(0))])
    assert torch.equal(best, expected)
    torch.manual_seed(0)
    assert torch.equal(best_of(inverter, query, features, 4), best)


def test_a_search_never_ends_worse(inverter):
    features = query(torch.rand(3, 3, 32, 32))

    def fit(images):
        return torch.cosine_similarity(query(images).flatten(1), features.flatten(1))

    found = []
    for rounds in (0, 2):
        torch.manual_seed(1)
        found.append(fit(best_of(inverter, query, features, 3, rounds=rounds)))
    assert (found[1] >= found[0]).all() and (found[1] > found[0]).any()


@pytest.mark.parametrize("rounds", [0, 1, 2])
def test_queries_and_calls_are_those_that_are_made(inverter, monkeypatch, rounds):
    queries, calls = [], []
    handle = inverter.prior.denoiser.register_forward_hook(lambda *_: calls.append(1))
    methods = attack_methods(
        inverter,
        None,
        bf16=False,
        device=torch.device("cpu"),
        query=lambda images: queries.append(1) or query(images),
        best_draws=2,
        search_rounds=rounds,
    )
    method = methods[f"best of {2 * (1 + rounds)}"]
    method.reconstruct(torch.randn(1, 6, 5, 7))
    handle.remove()
    assert len(queries) == method.cost["target_queries"] == 2 * (1 + rounds)
    assert len(calls) == method.cost["denoiser_calls"]


def test_without_a_target_there_is_nothing_to_query(inverter):
    with pytest.raises(ValueError, match=r"best_of is 4, but there is no target to query; allowed: null"):
        attack_methods(inverter, None, bf16=False, device=torch.device("cpu"), best_draws=4)
    for arguments, message in (({"draws": 0}, "best_of is 0"), ({"draws": 1, "rounds": -1}, "search_rounds is -1")):
        with pytest.raises(ValueError, match=message):
            best_of(inverter, query, torch.zeros(1, 6, 5, 7), **arguments)
