"""Training of the up-convolutional baseline in the same harness."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from inverter.blackbox.pair_module import PairModule
from inverter.blackbox.upconv import UpconvDecoder
from inverter.config import OptimConfig


class UpconvModule(PairModule):
    """Train the up-convolutional pixel decoder with the squared error of its paper."""

    kind = "upconv"

    def __init__(self, decoder: UpconvDecoder, optim: OptimConfig) -> None:
        super().__init__(optim)
        self.decoder = decoder

    def network(self) -> nn.Module:
        return self.decoder

    def training_step(self, batch: dict, batch_idx: int) -> Tensor:
        loss = F.mse_loss(self.decoder(batch["features"]), batch["image"])
        self.log("train/loss", loss.detach(), prog_bar=True)
        return loss

    def reconstruct(self, features: Tensor) -> Tensor:
        return self.decoder(features).clamp(0, 1)
