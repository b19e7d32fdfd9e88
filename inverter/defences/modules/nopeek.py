"""``nopeek``: features whose distances say little of the pictures' distances."""

from __future__ import annotations

from torch import Tensor

from inverter.defences.config import DefendConfig
from inverter.defences.kinds import check_above
from inverter.defences.module import DefenceModule
from inverter.losses.dependence import distance_correlation
from inverter.targets.split import Split


class NopeekModule(DefenceModule):
    """Penalise the distance correlation between pictures and what arrives of them.

    Source:
        NoPeek, Vepakomma et al., arXiv:2008.09161; DRAG trains with weights of 1, 3 and 5, GLASS with 15 on squared
        distances. Differs: the pre-trained network is fine-tuned; divergence from its answers in place of the
        labels' cross-entropy; the server's half stays; distances are Euclidean, as in the paper.
    """

    def penalty(self, features: Tensor, batch: dict, answer: Tensor) -> Tensor:
        return self.settings.weight * distance_correlation(batch["image"], features)


def build(config: DefendConfig, base: Split) -> NopeekModule:
    """A fresh one.

    Raises:
        ValueError: The weight is not above 0.
    """
    check_above(config.defence, 0, "weight")
    return NopeekModule(config, base)
