"""``disco``: channels pruned picture by picture, by a network that is trained against a decoder."""

from __future__ import annotations

import torch
from torch import Tensor

from inverter.defences.config import DefendConfig
from inverter.defences.kinds import check_above
from inverter.defences.modules.adversarial import AdversarialModule
from inverter.targets.split import Split


class DiscoModule(AdversarialModule):
    """The network that chooses channels raises the decoder's error; it and the device keep the answer.

    Source:
        DISCO, Singh et al., arXiv:2012.11025; GLASS prunes 0.6 to 0.95 with a temperature of 1/30 and an adversary of
        weight 0.02, DRAG 0.75 and 0.95 with 0.03. Differs: what is pruned is exactly 0 in training too, with the
        sigmoid's gradient; the decoder is not trained before; squared error relative to the mean picture's; the
        server's half stays.
    """

    knows = "which channels of a picture are zero, and the network that chose them where it is white-box"

    def penalty(self, features: Tensor, batch: dict, answer: Tensor) -> Tensor:
        with torch.no_grad():  # the decoder moves the choice of channels, not the weights before it
            whole = self.split.layer_features(batch["image"])
        pruned = self.split.target.cut.send(whole)  # type: ignore[union-attr]
        return self.against(pruned, batch["image"])


def build(config: DefendConfig, base: Split) -> DiscoModule:
    """A fresh one.

    Raises:
        ValueError: A setting out of its range.
    """
    settings = config.defence
    check_above(settings, 0, "weight", "decoder_lr")
    return DiscoModule(config, base, {"kind": "pruned", "ratio": settings.ratio, "temperature": settings.temperature})
