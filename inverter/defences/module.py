"""What every defence's training shares: the server's answer is kept, numbers stay finite, the state is saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inverter.defences.config import DefendConfig
from inverter.defences.halves import device_weights, server_weights
from inverter.payloads import make_payload
from inverter.run.optimizer import build_optimizer
from inverter.run.seeds import derive_seed
from inverter.targets.cuts import make_cut
from inverter.targets.defended import Defended
from inverter.targets.load import load_network
from inverter.targets.shape import Shape, layer_shapes
from inverter.targets.split import Split
from inverter.targets.target import Target


class DefenceModule(L.LightningModule):
    """Train the device's half so that it gives less away and the server's half still answers as it did.

    The loss is the Kullback-Leibler divergence of the server's classes from those of the undefended network, which no
    label is needed for, the cross-entropy of labels where there are some, and a defence's own ``penalty``. The server's
    half stays as it is unless ``tune_server`` says otherwise. Batch statistics stay those of the undefended network.

    Args:
        config: Of the training.
        base: The undefended target; neither trained nor saved.
        cut: ``kind`` and settings of what is added where the network is cut; None: nothing.
        payload: What belongs to the defence of how features travel; None: ``defence.payload``.
    Raises:
        ValueError: A setting out of range, or nothing to train.
    """

    monitor, mode = "dev/loss", "min"
    knows = "how it was trained, and its weights where it is white-box"
    """What an attacker knows of the defence, half a sentence."""

    def __init__(
        self, config: DefendConfig, base: Split, cut: dict[str, Any] | None = None, payload: str | None = None
    ) -> None:
        super().__init__()
        check_settings(config)
        self.config, self.settings, self.cut_values = config, config.defence, cut
        own = make_payload(self.settings.payload if payload is None else payload)
        if own.fits:
            raise ValueError(f"defence.payload={own.name}; a defence needs a fixed range, such as minmax:8:-1:1")
        self.payload = own.name
        self._base = [base]
        (shape,) = layer_shapes(base.target.spec.feature_shape)
        made = Defended(None, None if cut is None else make_cut(cut, shape), self.payload)
        self.split = copy_split(config, base, made)
        self.device_names = device_weights(self.split)
        trained = {*self.device_names, *(server_weights(self.split) if self.settings.tune_server else ())}
        for name, value in self.split.network.named_parameters():
            value.requires_grad_(name in trained)
        if self.split.target.cut is not None:
            self.split.target.cut.requires_grad_(True)
        self.saved_step: int | None = None

    @property
    def base(self) -> Split:
        """The undefended target, where this module is."""
        return self._base[0].to(self.device)

    @property
    def layer_shape(self) -> Shape:
        """Shape of the layer's features of one image, before the cut."""
        return layer_shapes(self._base[0].target.spec.feature_shape)[0]

    def adversary(self) -> nn.Module | None:
        """What is trained along, against the defence, and thrown away; None: nothing."""
        return None

    def penalty(self, features: Tensor, batch: dict, answer: Tensor) -> Tensor | None:
        """What the defence adds to the loss, weighted; None: nothing.

        Args:
            features: What arrives, ``(B, ...)``.
            batch: ``image`` ``(B, 3, S, S)`` in [0, 1] and ``label`` ``(B,)``.
            answer: The undefended network's, ``(B, K)``.
        """
        return None

    @torch.no_grad()
    def start(self, images: Tensor) -> None:
        """Begin a training that is not resumed, from some of its pictures ``(N, 3, S, S)``."""
        if self.split.target.cut is not None:
            self.split.target.cut.start(self.base.layer_features(images.to(self.device)))

    def loss(self, batch: dict, seed: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss of a batch, and its parts by name.

        Args:
            batch: As ``penalty`` gets it.
            seed: Of the payload's noise.
        """
        with torch.no_grad():
            wanted = self.base(batch["image"]).float()
        self.split.target.seed_payload(seed)
        features = self.split.target(batch["image"])
        answer = self.split.server_output(features).float()
        loss = divergence(answer, wanted).mean()
        parts = {"divergence": loss, "agreement": (answer.argmax(1) == wanted.argmax(1)).float().mean()}
        if self.settings.label_weight:
            parts["labels"] = F.cross_entropy(answer, check_labels(batch["label"], answer.shape[1]))
            loss = loss + self.settings.label_weight * parts["labels"]
        if (penalty := self.penalty(features, batch, wanted)) is not None:
            parts["penalty"] = penalty
            loss = loss + penalty
        return loss, {name: value.detach() for name, value in parts.items()}

    def training_step(self, batch: dict, batch_idx: int) -> Tensor:
        loss, parts = self.loss(batch, derive_seed(self.config.seed, self.global_step, self.global_rank, "payload"))
        if not loss.isfinite():
            self._refuse("the loss")
        self.log_dict({f"train/{name}": value for name, value in parts.items()})
        self.log("train/loss", loss.detach(), prog_bar=True)
        return loss

    def validation_step(self, batch: dict, batch_idx: int) -> None:
        loss, parts = self.loss(batch, derive_seed(self.config.seed, batch_idx, "dev"))
        metrics = {f"dev/{name}": value for name, value in {**parts, "loss": loss}.items()}
        self.log_dict(metrics, batch_size=len(batch["image"]), prog_bar=True, sync_dist=True)

    def configure_optimizers(self) -> dict:
        own = [value for value in self.split.parameters() if value.requires_grad]
        groups: list[dict] = [{"params": own}]
        if (adversary := self.adversary()) is not None:
            groups.append({"params": list(adversary.parameters()), "lr": self.settings.decoder_lr})
        return build_optimizer(self, groups, self.config.optim)

    def configure_gradient_clipping(
        self, optimizer: torch.optim.Optimizer, gradient_clip_val: float | None = None, *_: object, **__: object
    ) -> None:
        """Clip the defence and what is trained against it apart; a gradient that is not finite changes nothing."""
        for group in optimizer.param_groups:
            norm = nn.utils.clip_grad_norm_(group["params"], gradient_clip_val or float("inf"))
            if not norm.isfinite():
                self._refuse("the gradient")

    def on_save_checkpoint(self, checkpoint: dict) -> None:
        self.saved_step = checkpoint["global_step"]

    def on_load_checkpoint(self, checkpoint: dict) -> None:
        self.saved_step = checkpoint["global_step"]

    def _refuse(self, what: str) -> None:
        """Raise ValueError: training cannot go on, and what is kept."""
        kept = "no state was kept, since none was validated before"
        if self.saved_step is not None:
            last = Path(self.config.output) / "checkpoints" / "last.ckpt"
            kept = f"{last} keeps the last good state, of step {self.saved_step}: optim.max_steps={self.saved_step} "
            kept += "writes the defence from it"
        raise ValueError(
            f"defence.kind={self.settings.kind}: {what} is NaN or infinite at step {self.global_step}; {kept}; "
            "a lower optim.lr in another output may go further"
        )


def check_settings(config: DefendConfig) -> None:
    """Refuse values that no later step would name.

    Raises:
        ValueError: A target that is defended or has a payload already, or labels that are wanted and not there.
    """
    for key, free in (("defence", None), ("payload", "identity")):
        if (value := getattr(config.target, key)) != free:
            raise ValueError(
                f"target.{key}={value!r}; a defence is trained on the undefended features, allowed: "
                + ("leave it out" if free is None else "identity, or defence.payload")
            )
    weight = config.defence.label_weight
    if not 0 <= weight < float("inf") or (weight and not config.data.labels):
        raise ValueError(f"defence.label_weight={weight}; allowed: 0, or above 0 with data.labels=true")


def copy_split(config: DefendConfig, base: Split, defended: Defended) -> Split:
    """The same network loaded once more, with what a defence does beside changing weights.

    Raises:
        ValueError: It is another one each time that it is loaded, or the payload is not for such features.
    """
    t = config.target
    loaded = load_network(t.name, input_size=t.input_size, pretrained=t.pretrained)
    options = loaded.image_options(t.input_size, None, None)
    target = Target(loaded.network, t.layer, payload_seed=config.seed, defended=defended, **options)
    if target.spec.weights_sha256 != base.target.spec.weights_sha256:
        raise ValueError(f"target.name={t.name!r} has other weights each time that it is built; allowed: the same")
    return Split(target)


def divergence(answer: Tensor, wanted: Tensor) -> Tensor:
    """Kullback-Leibler divergence ``(B,)``, in nats, of logits ``(B, K)`` from those that are wanted."""
    each = F.kl_div(answer.log_softmax(1), wanted.log_softmax(1), reduction="none", log_target=True)
    return each.sum(1)


def check_labels(labels: Tensor, num_classes: int) -> Tensor:
    """The labels ``(B,)``; ValueError unless all are classes."""
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= num_classes:
        raise ValueError(f"pictures have labels from {low} to {high}; allowed: 0 to {num_classes - 1}")
    return labels
