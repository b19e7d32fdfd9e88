"""Networks that judge reconstructions: one a file, registered; no attack may use them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from inverter.run.registry import Registry


@dataclass(frozen=True)
class JudgeNetwork:
    """A classifier of images ``(B, 3, S, S)`` in [0, 1] that gives logits and embeddings.

    Args:
        label: What it is and what it was trained on.
        load: The network with its trained weights; raises ValueError where they are not at hand.
    """

    label: str
    load: Callable[[], nn.Module]


JUDGE_NETWORKS: Registry[JudgeNetwork] = Registry("judge", "inverter.evaluation.judge_networks")
