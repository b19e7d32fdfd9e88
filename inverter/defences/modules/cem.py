"""``cem``: features that vary little around few centres, under noise: a bound on what any attack can restore."""

from __future__ import annotations

import torch
from torch import Tensor

from inverter.defences.config import DefendConfig
from inverter.defences.kinds import check_above
from inverter.defences.module import DefenceModule
from inverter.payloads.payload import split_chain
from inverter.targets.split import Split


class CemModule(DefenceModule):
    """Lower a bound on the mutual information of pictures and noisy features, which raises the conditional entropy.

    Features of deviation ``v`` around their centre, under noise of deviation ``std``, carry at most
    ``log(1 + v**2 / std**2) / 2`` nats a number beside which centre it is: a Gaussian channel.

    Source:
        CEM, Xia et al., arXiv:2503.00383 and its repository (xiasong0501/CEM): weights of 8 and 16, variance around the
        means of clusters of each class, noise of 0.01 to 0.15. Differs: clusters of all pictures, as no labels are
        needed, with centres that follow the training; features and noise relative to each picture's own deviation, so
        that scaling wins nothing; the bound is divided by the noise, which changes its value and not its gradient; the
        server's half stays.
    """

    knows = "the size of the noise, not the noise"
    centres: Tensor

    def __init__(self, config: DefendConfig, base: Split, payload: str) -> None:
        super().__init__(config, base, payload=payload)
        self.register_buffer("centres", torch.zeros(config.defence.num_clusters, *self.layer_shape))

    @torch.no_grad()
    def start(self, images: Tensor) -> None:
        super().start(images)
        features = relative(self.split.layer_features(images[: len(self.centres)].to(self.device)))
        if len(features) < len(self.centres):
            raise ValueError(f"defence.num_clusters={len(self.centres)}; allowed: 1 to {len(images)}, the pictures")
        self.centres.copy_(features)

    def penalty(self, features: Tensor, batch: dict, answer: Tensor) -> Tensor:
        clean = relative(self.split.layer_features(batch["image"]).float())
        nearest = torch.cdist(clean.detach().flatten(1), self.centres.flatten(1)).argmin(1)
        information = clean.new_zeros(())
        for cluster in nearest.unique().tolist():
            members = clean[nearest == cluster]
            variance = (members - self.centres[cluster]).square().mean(0)
            nats = 0.5 * torch.log1p(variance / self.settings.std**2).mean()
            information = information + nats * len(members) / len(clean)
            if self.training:
                self.centres[cluster].lerp_(members.detach().mean(0), self.settings.momentum)
        return self.settings.weight * information


def relative(features: Tensor) -> Tensor:
    """Features ``(B, ...)`` in units of each image's own deviation."""
    flat = features.flatten(1)
    return (flat / flat.std(1, correction=0, keepdim=True).clamp(min=1e-12)).view_as(features)


def build(config: DefendConfig, base: Split) -> CemModule:
    """A fresh one.

    Raises:
        ValueError: A setting out of its range.
    """
    settings = config.defence
    check_above(settings, 0, "weight", "std", "momentum", "num_clusters")
    if settings.momentum > 1:
        raise ValueError(f"defence.momentum={settings.momentum}; allowed: above 0, at most 1")
    behind = [name for name in split_chain(settings.payload) if name != "identity"]
    return CemModule(config, base, "+".join([f"gaussian:{settings.std:g}", *behind]))
