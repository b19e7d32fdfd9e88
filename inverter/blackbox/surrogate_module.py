"""Training of the surrogate in the same harness: the pairs the other way round."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F
from torchmetrics import MeanMetric

from inverter.blackbox.conditioner import LARGEST
from inverter.blackbox.pair_module import PairModule
from inverter.blackbox.surrogate import Surrogate
from inverter.config import OptimConfig


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
        found, goal = self.surrogate(batch["image"]), self.goal(batch)
        loss = (1 - cosine(found, goal)).mean() + F.mse_loss(found, goal)
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


def cosine(found: Tensor, goal: Tensor) -> Tensor:
    """Cosine ``(B,)`` of features."""
    return F.cosine_similarity(found.flatten(1), goal.flatten(1), dim=1)
