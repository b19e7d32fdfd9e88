"""Training of the project's own judge on labelled pictures."""

from __future__ import annotations

from collections.abc import Iterable

import lightning as L
import torch
from torch import Tensor
from torch.nn import functional as F

from inverter.evaluation.judge_networks.residual import JudgeSpec, ResidualJudge
from inverter.lab.judge.config import JudgeConfig
from inverter.run.optimizer import build_optimizer


class JudgeModule(L.LightningModule):
    """Cross-entropy on pictures alone, with smoothed labels; batches hold ``image`` and ``label``."""

    monitor, mode = "val/accuracy", "max"

    def __init__(self, config: JudgeConfig, spec: JudgeSpec) -> None:
        super().__init__()
        self.config = config
        self.judge = ResidualJudge(spec)
        count = sum(parameter.numel() for parameter in self.judge.parameters())
        if count > config.max_parameters:
            raise ValueError(f"widths {list(spec.widths)} make {count} parameters; allowed: {config.max_parameters}")
        if config.compile:
            self.judge.network.compile()

    def training_step(self, batch: dict, batch_idx: int) -> Tensor:
        label = check_labels(batch["label"], self.judge.spec.num_classes)
        loss = F.cross_entropy(self.judge(batch["image"]).float(), label, label_smoothing=self.config.label_smoothing)
        self.log("train/loss", loss.detach(), prog_bar=True)
        return loss

    def validation_step(self, batch: dict, batch_idx: int) -> None:
        right = self.judge(batch["image"]).argmax(1) == check_labels(batch["label"], self.judge.spec.num_classes)
        self.log("val/accuracy", right.float().mean(), batch_size=len(right), prog_bar=True, sync_dist=True)

    def configure_optimizers(self) -> dict:
        return build_optimizer(self, self.judge.parameters(), self.config.optim)


def check_labels(label: Tensor, num_classes: int) -> Tensor:
    """The labels ``(B,)``; ValueError unless all are classes."""
    low, high = int(label.min()), int(label.max())
    if low < 0 or high >= num_classes:
        raise ValueError(f"pictures have labels from {low} to {high}; allowed: 0 to {num_classes - 1}")
    return label


@torch.no_grad()
def hits(judge: ResidualJudge, batches: Iterable[dict], top: int = 5) -> Tensor:
    """Whether the class of each picture is the first of the judge's, and among its first ``top``: ``(N, 2)`` bool."""
    rows = []
    for batch in batches:
        label = check_labels(batch["label"], judge.spec.num_classes)
        ranked = judge(batch["image"]).topk(min(top, judge.spec.num_classes), dim=1).indices == label[:, None]
        rows.append(torch.stack([ranked[:, 0], ranked.any(1)], 1))
    return torch.cat(rows)
