"""``bottleneck``: few learned channels, quantised, from which the server restores the layer's features."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from inverter.defences.config import DefendConfig
from inverter.defences.kinds import check_above
from inverter.defences.module import DefenceModule
from inverter.payloads.payload import split_chain
from inverter.targets.split import Split


class BottleneckModule(DefenceModule):
    """Restore the undefended features from ``channels`` numbers a position of ``bits`` bits, and keep the answer.

    The rate is that of the quantised numbers in bytes; ``target.payload=zlib`` codes them further.

    Source:
        Head network distillation, Matsubara et al., arXiv:2007.15818; BottleNet++, Shao and Zhang, arXiv:1910.14315:
        channels reduced by a convolution, restored by the server. Differs: 1 x 1 maps that begin as principal
        components; quantised with a straight-through gradient while training, to a fixed range; no channel noise and no
        learned entropy model; what restores is the only part of the server that is trained.
    """

    knows = "all of it, the range and what restores the features too"

    def penalty(self, features: Tensor, batch: dict, answer: Tensor) -> Tensor:
        wanted = self.base.layer_features(batch["image"]).detach().float()
        restored = self.split.target.cut.receive(features).float()  # type: ignore[union-attr]
        variance = (wanted - wanted.mean(0)).square().mean().clamp(min=1e-12)
        return self.settings.weight * (restored - wanted).square().mean() / variance


def build(config: DefendConfig, base: Split) -> BottleneckModule:
    """A fresh one.

    Raises:
        ValueError: A weight that is not above 0, or channels or bits out of range.
    """
    check_above(config.defence, 0, "weight")
    if not 1 <= (bits := config.defence.bits) <= 16:
        raise ValueError(f"defence.bits={bits}; allowed: 1 to 16")
    behind = [name for name in split_chain(config.defence.payload) if name != "identity"]
    cut: dict[str, Any] = {"kind": "channels", "channels": config.defence.channels}
    return BottleneckModule(config, base, cut, "+".join([f"minmax:{bits}:-1:1", *behind]))
