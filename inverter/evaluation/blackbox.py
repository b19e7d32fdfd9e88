"""The black-box attacks as the evaluation knows them: operating points of an inverter, and the baseline."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import cast

import torch
from torch import Tensor

from inverter.blackbox.best_of import SEARCH, best_of
from inverter.blackbox.inverter import Inverter
from inverter.blackbox.modules.surrogate import Surrogate
from inverter.blackbox.pair_module import PairModule
from inverter.evaluation.methods import STATIC, WITHOUT_HEAD, Method


def attack_methods(
    inverter: Inverter,
    baseline: PairModule | None,
    *,
    bf16: bool,
    device: torch.device,
    query: Callable[[Tensor], Tensor] | None = None,
    surrogate: Surrogate | None = None,
    best_draws: int | None = None,
    search_rounds: int = 0,
    static: Inverter | None = None,
    queries: int | None = None,
) -> dict[str, Method]:
    """Both operating points, ``mean`` also without its image head, best of N where asked, and the baseline.

    The noise of ``sample`` comes from PyTorch's generator on the CPU, which the evaluation seeds.

    Args:
        inverter: On the device.
        baseline: None where there is none.
        bf16: Run them under bf16 autocast.
        device: Where they run.
        query: The target, as an attacker may ask it; best of N needs it, or a surrogate.
        surrogate: Ranks what best of N draws in the target's place, on the device.
        best_draws: Pictures that best of N draws a round; None leaves it out.
        search_rounds: Rounds of search after the first.
        static: An inverter of other features of the same shape, on the device: both its operating points beside.
        queries: Also give both operating points the mean features of so many queries of a picture; None does not.
    Raises:
        ValueError: The baseline takes features of another shape, best of N has no target, or ``queries`` is below 2.
    """

    def under(reconstruct: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        def call(features: Tensor) -> Tensor:
            with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                return reconstruct(features).float()

        return call

    steps = inverter.denoiser_calls()
    one_pass = {"target_queries": 0, "denoiser_calls": 0}
    methods = {"mean": Method(under(inverter.mean), operating_point="mean", cost=one_pass)}
    if inverter.head is not None:
        plain = under(lambda features: inverter.mean(features, head=False))
        methods[WITHOUT_HEAD] = Method(plain, operating_point="mean", cost=one_pass)
    drawn = under(inverter.sample)
    methods["sample"] = Method(drawn, operating_point="sample", cost=one_pass | {"denoiser_calls": steps})
    if best_draws is not None:
        if query is None and surrogate is None:
            raise ValueError(f"best_of is {best_draws}, but there is no target to query; allowed: null, or its weights")
        ask = cast(Callable[[Tensor], Tensor], query) if surrogate is None else surrogate.eval().predict
        draws = best_draws * (1 + search_rounds)
        searched = sum(inverter.denoiser_calls(strength=SEARCH[n % len(SEARCH)]) for n in range(search_rounds))
        asked_of = draws if surrogate is None else 0
        cost = {"target_queries": asked_of, "denoiser_calls": best_draws * (steps + searched)}

        def best(features: Tensor) -> Tensor:
            return best_of(inverter, asked, features, best_draws, rounds=search_rounds)

        def asked(images: Tensor) -> Tensor:
            with torch.autocast(device.type, enabled=False):
                return ask(images.float())

        name = f"best of {draws}" if surrogate is None else f"best of {draws} by surrogate"
        methods[name] = Method(under(best), operating_point="sample", cost=cost)
    if static is not None:
        calls = {"denoiser_calls": static.denoiser_calls()}
        methods[f"{STATIC}mean"] = Method(under(static.mean), operating_point="mean", cost=one_pass)
        methods[f"{STATIC}sample"] = Method(under(static.sample), operating_point="sample", cost=one_pass | calls)
    if queries is not None:
        if queries < 2:
            raise ValueError(f"queries is {queries}; allowed: null, 2 or more")
        cost = one_pass | {"target_queries": queries}
        several = partial(Method, sees="queries")
        methods[f"mean of {queries} queries"] = several(under(inverter.mean), operating_point="mean", cost=cost)
        cost = cost | {"denoiser_calls": steps}
        methods[f"sample of {queries} queries"] = several(drawn, operating_point="sample", cost=cost)
    if baseline is not None:
        cost = one_pass | {"denoiser_calls": baseline.denoiser_calls}
        methods[baseline.kind] = Method(under(baseline.to(device).reconstruct), operating_point="mean", cost=cost)
    return methods
