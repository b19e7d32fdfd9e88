"""``siamese``: features that are alike where the answers are, and apart elsewhere."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from inverter.defences.config import DefendConfig
from inverter.defences.kinds import check_above
from inverter.defences.module import DefenceModule, check_labels
from inverter.defences.modules.cem import relative
from inverter.losses.dependence import contrastive_loss
from inverter.targets.split import Split


class SiameseModule(DefenceModule):
    """Features keep what tells answers apart and lose what does not.

    Source:
        Osia et al., arXiv:1703.02952, contrastive loss on features of pairs of pictures; GLASS: weight 0.005, margin
        30; SIMBA: 0.005, margin 2. Differs: all pairs of a batch; without labels a picture belongs with the one whose
        undefended answer is nearest; distances are root mean squares of features relative to each picture's own
        deviation; no dimension is reduced and no noise added (``defence.payload`` does); the server's half stays.
    """

    def penalty(self, features: Tensor, batch: dict, answer: Tensor) -> Tensor:
        if self.config.data.labels:
            label = check_labels(batch["label"], answer.shape[1])
            same = label[:, None] == label
        else:
            same = nearest_answers(answer)
        return self.settings.weight * contrastive_loss(relative(features.float()), same, self.settings.margin)


def nearest_answers(answer: Tensor) -> Tensor:
    """Pairs ``(B, B)`` of pictures of which one has the answer ``(B, K)`` that is most like the other's."""
    unit = F.normalize(answer.float(), dim=1)
    likeness = (unit @ unit.T).fill_diagonal_(-2)
    same = torch.zeros_like(likeness, dtype=torch.bool).scatter_(1, likeness.argmax(1, keepdim=True), True)
    return same | same.T


def build(config: DefendConfig, base: Split) -> SiameseModule:
    """A fresh one.

    Raises:
        ValueError: A weight or margin that is not above 0.
    """
    check_above(config.defence, 0, "weight", "margin")
    return SiameseModule(config, base)
