"""``efficientnet-lite1``: ImageNet weights that come with a package."""

from __future__ import annotations

from functools import partial

from inverter.evaluation.judge_networks import JUDGE_NETWORKS, JudgeNetwork
from inverter.targets import load_classifier

JUDGE_NETWORKS.register(
    "efficientnet-lite1",
    JudgeNetwork("efficientnet-lite1 (ImageNet)", partial(load_classifier, "timm:tf_efficientnet_lite1")),
)
