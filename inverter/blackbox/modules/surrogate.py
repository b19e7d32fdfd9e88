"""``surrogate``: pictures to the features that the target would send, learned from the attacker's pairs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F
from torchmetrics import MeanMetric

from inverter.blackbox.conditioner import LARGEST
from inverter.blackbox.config import TrainConfig
from inverter.blackbox.grid import ResidualBlock, Standardise, natural_side
from inverter.blackbox.pair_module import PairModule
from inverter.config import OptimConfig
from inverter.data.manifest import Manifest
from inverter.priors.prior import DiffusionPrior
from inverter.targets.shape import FeatureShape, Shape, join_features, layer_shapes, num_channels

LEAST_SIDE = 4


class Surrogate(nn.Module):
    """Halve a picture's side while it stays that of the features or more, residual blocks, then a head a layer.

    Args:
        feature_shape: ``(C, h, w)``, ``(N, D)`` or ``(D,)``; of joint layers one such shape a layer.
        resolution: Side of the pictures in pixels.
        width: Channels at the last side, a multiple of 16; half as many before.
        depth: Residual blocks there.
        standardise: By the statistics of the features; None leaves them as they are.
    """

    def __init__(
        self,
        feature_shape: FeatureShape,
        resolution: int,
        *,
        width: int = 128,
        depth: int = 4,
        standardise: Standardise | None = None,
    ) -> None:
        super().__init__()
        self.standardise = standardise or Standardise(feature_shape)
        halvings = max(1, int(math.log2(resolution / max(natural_side(feature_shape), LEAST_SIDE))))
        layers: list[nn.Module] = []
        inside = 3
        for number in range(halvings):
            outside = width if number == halvings - 1 else width // 2
            layers += [nn.Conv2d(inside, outside, 4, stride=2, padding=1), ResidualBlock(outside)]
            inside = outside
        blocks = [ResidualBlock(width) for _ in range(depth)]
        self.body = nn.Sequential(*layers, *blocks, nn.GroupNorm(8, width), nn.SiLU())
        self.heads = nn.ModuleList(LayerHead(shape, width) for shape in layer_shapes(feature_shape))

    def forward(self, images: Tensor) -> Tensor:
        """Standardised features ``(B, *tensor_shape)`` of images ``(B, 3, S, S)`` in [0, 1]."""
        x = self.body(2 * images - 1)
        return join_features([head(x) for head in self.heads])

    def predict(self, images: Tensor) -> Tensor:
        """Features ``(B, *tensor_shape)`` as the target would send them, in its own units."""
        return self.standardise.undo(self(images))


class LayerHead(nn.Module):
    """Features of one layer from a map: resized and projected; a vector, and tokens before the square, from its mean.

    Args:
        shape: ``(C, h, w)``, ``(N, D)`` or ``(D,)``.
        width: Channels of the map.
    """

    def __init__(self, shape: Shape, width: int) -> None:
        super().__init__()
        self.shape, channels = shape, num_channels(shape)
        self.has_places = math.prod(shape) != channels
        self.to_features = nn.Conv2d(width, channels, 1)
        self.num_extra = shape[0] - math.isqrt(shape[0]) ** 2 if self.has_places and len(shape) == 2 else 0
        self.to_extra = nn.Linear(width, self.num_extra * channels) if self.num_extra else None

    def forward(self, x: Tensor) -> Tensor:
        if not self.has_places:
            return self.to_features(x.mean((2, 3), keepdim=True)).float().reshape(len(x), *self.shape)
        tokens = len(self.shape) == 2
        size = (math.isqrt(self.shape[0]),) * 2 if tokens else self.shape[1:]
        grid = self.to_features(_resize(x, size)).float()
        if not tokens:
            return grid
        places = rearrange(grid, "b d h w -> b (h w) d")
        if self.to_extra is None:
            return places
        extra = rearrange(self.to_extra(x.mean((2, 3))).float(), "b (n d) -> b n d", n=self.num_extra)
        return torch.cat([extra, places], 1)


def _resize(maps: Tensor, size: tuple[int, ...]) -> Tensor:
    if tuple(maps.shape[-2:]) == tuple(size):
        return maps
    return F.interpolate(maps, size=tuple(size), mode="bilinear", align_corners=False, antialias=True)


class SurrogateModule(PairModule):
    """Train a surrogate with the cosine distance and the squared error of the standardised features.

    The best state is that of the mean cosine, by which draws are ranked.
    """

    monitor, mode = "dev/cosine", "max"
    kind, draws = "surrogate", False

    def __init__(self, surrogate: Surrogate, optim: OptimConfig) -> None:
        super().__init__(optim)
        self.surrogate = surrogate
        self.dev_cosine = MeanMetric()

    def network(self) -> nn.Module:
        return self.surrogate

    def training_step(self, batch: dict, batch_idx: int) -> Tensor:
        predicted, goal = self.surrogate(batch["image"]), self.goal(batch)
        loss = (1 - cosine(predicted, goal)).mean() + F.mse_loss(predicted, goal)
        self.log("train/loss", loss.detach(), prog_bar=True)
        return loss

    def validation_step(self, batch: dict, batch_idx: int, dataloader_idx: int = 0) -> None:
        self.dev_cosine(cosine(self.surrogate(batch["image"]), self.goal(batch)))

    def on_validation_epoch_end(self) -> None:
        self.log("dev/cosine", self.dev_cosine.compute(), prog_bar=True)
        self.dev_cosine.reset()

    def goal(self, batch: dict) -> Tensor:
        """Standardised features of a batch, cut as the conditioner cuts them."""
        return self.surrogate.standardise(batch["features"]).clamp(-LARGEST, LARGEST)


def cosine(predicted: Tensor, goal: Tensor) -> Tensor:
    """Cosine ``(B,)`` of features."""
    return F.cosine_similarity(predicted.flatten(1), goal.flatten(1), dim=1)


def build(config: TrainConfig, manifests: Sequence[Manifest], prior: Callable[[], DiffusionPrior]) -> SurrogateModule:
    """A fresh one for the pairs of the first manifest."""
    pairs = manifests[0]
    surrogate = Surrogate(
        pairs.target.feature_shape,
        pairs.resolution,
        width=config.model.width,
        depth=config.model.depth,
        standardise=Standardise(pairs.target.feature_shape, pairs.feature_mean, pairs.feature_std),
    )
    return SurrogateModule(surrogate, config.optim)
