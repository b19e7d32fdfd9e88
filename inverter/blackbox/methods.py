"""The black-box attacks as the evaluation knows them: operating points of an inverter, and the baseline."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from inverter.blackbox.inverter import Inverter
from inverter.blackbox.pair_module import PairModule
from inverter.evaluation.methods import Method
from inverter.priors.process import count_steps

BASELINE = "upconv"


def attack_methods(
    inverter: Inverter, baseline: PairModule | None, *, bf16: bool, device: torch.device
) -> dict[str, Method]:
    """Both operating points, ``mean`` also without its image head, and the baseline where there is one.

    The noise of ``sample`` comes from PyTorch's generator on the CPU, which the evaluation seeds.

    Raises:
        ValueError: The baseline takes features of another shape.
    """

    def cast(reconstruct: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        def call(features: Tensor) -> Tensor:
            with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                return reconstruct(features).float()

        return call

    spec = inverter.spec
    steps = count_steps(spec.num_inference_steps, spec.strength) * (2 if spec.guidance_scale != 1 else 1)
    one_pass = {"target_queries": 0, "denoiser_calls": 0}
    methods = {"mean": Method(cast(inverter.mean), operating_point="mean", cost=one_pass)}
    if inverter.head is not None:
        plain = cast(lambda features: inverter.mean(features, head=False))
        methods["mean without head"] = Method(plain, operating_point="mean", cost=one_pass)
    drawn = cast(inverter.sample)
    methods["sample"] = Method(drawn, operating_point="sample", cost=one_pass | {"denoiser_calls": steps})
    if baseline is not None:
        methods[BASELINE] = Method(cast(baseline.to(device).reconstruct), operating_point="mean", cost=one_pass)
    return methods
