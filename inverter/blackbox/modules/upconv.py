"""``upconv``: an up-convolutional decoder from features to pixels, a baseline without a prior."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from inverter.blackbox.config import TrainConfig
from inverter.blackbox.grid import Standardise, lay_out, natural_side
from inverter.blackbox.pair_module import PairModule
from inverter.config import OptimConfig
from inverter.data.manifest import Manifest
from inverter.priors.prior import DiffusionPrior
from inverter.targets.shape import FeatureShape

WIDTHS = (256, 128, 64, 32)


class UpconvDecoder(nn.Module):
    """Three 3x3 convolutions of 256 channels, then 5x5 up-convolutions that double the side and halve the channels.

    Source:
        Dosovitskiy and Brox, arXiv:1506.02753. Differs: features are standardised; a map that does not fit is resized
        to ``resolution / 2**n`` (a finer one is folded to a quarter of the resolution, so that cost stays bounded); the
        image is 64 px and not 224, so there are fewer up-convolutions.
    """

    def __init__(
        self,
        feature_shape: FeatureShape,
        resolution: int,
        standardise: Standardise | None = None,
    ) -> None:
        super().__init__()
        self.standardise = standardise or Standardise(feature_shape)
        side = min(natural_side(feature_shape), resolution)
        doublings = min(max(2, math.floor(math.log2(resolution / side))), len(WIDTHS) - 1)
        self.grid = lay_out(feature_shape, resolution // 2**doublings)
        layers: list[nn.Module] = []
        channels = self.grid.out_channels
        for _ in range(3):
            layers += [nn.Conv2d(channels, WIDTHS[0], 3, padding=1), nn.LeakyReLU(0.2)]
            channels = WIDTHS[0]
        for width in WIDTHS[1 : doublings + 1]:
            layers += [nn.ConvTranspose2d(channels, width, 5, stride=2, padding=2, output_padding=1), nn.LeakyReLU(0.2)]
            channels = width
        self.layers = nn.Sequential(*layers, nn.Conv2d(channels, 3, 5, padding=2))

    def forward(self, features: Tensor) -> Tensor:
        """Images ``(B, 3, S, S)``, about [0, 1], of features ``(B, *feature_shape)``."""
        standardised = self.standardise(features).to(self.layers[-1].weight.dtype)  # type: ignore[arg-type]
        return self.layers(self.grid(standardised)).float() + 0.5


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


def build(config: TrainConfig, manifests: Sequence[Manifest], prior: Callable[[], DiffusionPrior]) -> UpconvModule:
    """A fresh one for the pairs of the first manifest."""
    pairs = manifests[0]
    standardise = Standardise(pairs.target.feature_shape, pairs.feature_mean, pairs.feature_std)
    decoder = UpconvDecoder(pairs.target.feature_shape, pairs.resolution, standardise)
    return UpconvModule(decoder, config.optim)
