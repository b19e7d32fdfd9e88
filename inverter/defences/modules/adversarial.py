"""``adversarial``: features from which a decoder, trained along, reconstructs badly."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from inverter.defences.adversary import Adversary, reverse_gradient
from inverter.defences.config import DefendConfig
from inverter.defences.kinds import check_above
from inverter.defences.module import DefenceModule
from inverter.targets.split import Split


class AdversarialModule(DefenceModule):
    """The decoder lowers its error of the pictures, the device raises it, in the same step.

    Source:
        DeepObfuscator, Li et al., arXiv:1909.04126; GLASS weighs the similarity of the reconstruction to noise and to
        the picture by 5 to 70 and lets decoder, device and server take turns. Differs: one step by gradient reversal;
        the squared error relative to the mean picture's in place of SSIM; no attribute classifier; the server's half
        stays.
    """

    def __init__(self, config: DefendConfig, base: Split, cut: dict[str, Any] | None = None) -> None:
        super().__init__(config, base, cut)
        shape = self.split.target.spec.tensor_shape
        self.decoder = Adversary(shape, config.data.resolution, config.defence.decoder_width)

    def adversary(self) -> nn.Module:
        return self.decoder

    def penalty(self, features: Tensor, batch: dict, answer: Tensor) -> Tensor:
        return self.against(features, batch["image"])

    def against(self, features: Tensor, images: Tensor) -> Tensor:
        """The decoder's error, which the device raises; in validation the device's own term, lower being better."""
        weight = self.settings.weight
        if not self.training:
            return -weight * self.decoder.error(features, images)
        return self.decoder.error(reverse_gradient(features, weight), images)


def build(config: DefendConfig, base: Split) -> AdversarialModule:
    """A fresh one.

    Raises:
        ValueError: A weight or learning rate that is not above 0.
    """
    check_above(config.defence, 0, "weight", "decoder_lr")
    return AdversarialModule(config, base)
