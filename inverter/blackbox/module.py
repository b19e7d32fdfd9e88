"""Black-box training: a LightningModule for the inverter and one for the baseline, in the same harness."""

from __future__ import annotations

import lightning as L
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchmetrics import MeanMetric

from inverter.blackbox.inverter import Inverter
from inverter.blackbox.spec import InverterSpec
from inverter.blackbox.upconv import UpconvDecoder
from inverter.config import ModelConfig, OptimConfig
from inverter.data.pictures import derive_seed
from inverter.evaluation.metrics import psnr
from inverter.losses.image import image_distance
from inverter.priors.prior import DiffusionPrior
from inverter.priors.sampling import denoising_loss
from inverter.priors.training import unfuse_attention_on_cpu
from inverter.training import build_optimizer


class PairModule(L.LightningModule):
    """What the inverter and the baseline share: validation by PSNR and the optimiser."""

    def __init__(self, optim: OptimConfig, seed: int = 0) -> None:
        super().__init__()
        self.optim, self.seed = optim, seed
        self.dev_psnr = MeanMetric()  # over images, whichever process has them

    def network(self) -> nn.Module:
        """The part that is trained and saved."""
        raise NotImplementedError

    def reconstruct(self, features: Tensor) -> Tensor:
        """Images ``(B, 3, S, S)`` in [0, 1]."""
        raise NotImplementedError

    def compile_parts(self) -> None:
        """Compile what is run in each step, in place: names of parameters stay the same."""
        for part in self.network().children():
            part.compile()

    def on_train_batch_start(self, batch: dict, batch_idx: int) -> None:
        """Draw each step's noise from (seed, step, rank) alone, so that a resumed run repeats it exactly."""
        torch.manual_seed(derive_seed(self.seed, self.global_step, self.global_rank))

    def validation_step(self, batch: dict, batch_idx: int) -> None:
        self.dev_psnr(psnr(self.reconstruct(batch["features"]), batch["image"]))
        self.log("dev/psnr", self.dev_psnr, prog_bar=True)

    def configure_optimizers(self) -> dict:
        return build_optimizer(self, self.network().parameters(), self.optim)


class InverterModule(PairModule):
    """Train an inverter from stored features to the prior's latents and conditioning (no target in sight).

    Loss: latents (squared error) and, every few steps, decoded image and image with the head's residual (squared plus
    absolute error, through the frozen decoder), and the frozen denoiser's own loss on the true latents under the
    predicted conditioning, which is what teaches the conditioning tokens what the features know. Where the attacker's
    pictures come with texts, the conditioning is also drawn to theirs, which is a far cheaper lesson.
    """

    def __init__(
        self, spec: InverterSpec, model: ModelConfig, optim: OptimConfig, prior: DiffusionPrior, seed: int = 0
    ) -> None:
        super().__init__(optim, seed)
        self.model = model
        self.inverter = Inverter(spec, prior)
        self.inverter.aligner.base.data.copy_(prior.embed([""])[0])

    def network(self) -> nn.Module:
        return self.inverter

    def on_fit_start(self) -> None:
        unfuse_attention_on_cpu(self.inverter.prior.unet)

    def training_step(self, batch: dict, batch_idx: int) -> Tensor:
        model, step = self.model, self.global_step
        losses = self.losses(
            batch,
            decode=step % model.image_every_n_steps == 0,
            condition=step % model.conditioning_every_n_steps == 0,
        )
        loss = torch.stack(list(losses.values())).sum()
        self.log_dict({f"train/{name}": value.detach() for name, value in losses.items()})
        self.log("train/loss", loss.detach(), prog_bar=True)
        return loss

    def losses(self, batch: dict, *, decode: bool, condition: bool) -> dict[str, Tensor]:
        """Weighted losses by name, as far as they have a weight; with ``decode`` those of image and head too, with
        ``condition`` that of the conditioning."""
        model, image = self.model, batch["image"]
        truth = batch["latents"] if "latents" in batch else self._encode(image)
        losses = {}
        if decode and (model.image_weight or self.inverter.head is not None):
            latents, conditioning, decoded, lifted = self.inverter.reconstruct(batch["features"])
            losses["image"] = model.image_weight * image_loss(decoded, image)
            if self.inverter.head is not None:
                losses["head"] = model.head_weight * image_loss(lifted, image)
        else:
            latents, conditioning = self.inverter.align(batch["features"])
        if truth.shape != latents.shape:
            raise ValueError(f"latents of the pairs are {tuple(truth.shape)}; the prior's are {tuple(latents.shape)}")
        losses["latents"] = model.latent_weight * F.mse_loss(latents, truth)
        texts = batch.get("text", [])
        if model.text_weight and any(texts):
            losses["text"] = model.text_weight * self._text_distance(conditioning, texts)
        if condition and model.conditioning_weight:
            prior = self.inverter.prior
            loss = denoising_loss(prior.unet, prior.scheduler, truth, conditioning)
            losses["conditioning"] = model.conditioning_weight * loss
        return losses

    def reconstruct(self, features: Tensor) -> Tensor:
        return self.inverter.mean(features)

    def _text_distance(self, conditioning: Tensor, texts: list[str]) -> Tensor:
        """Squared error of conditioning ``(B, K, D)`` from that of the pictures' texts, where they have one."""
        told = [number for number, text in enumerate(texts) if text]
        with torch.no_grad():
            goal = self.inverter.prior.embed([texts[number] for number in told])
        return F.mse_loss(conditioning[told], goal)

    @torch.no_grad()
    def _encode(self, image: Tensor) -> Tensor:
        return self.inverter.prior.encode(image).float()


class UpconvModule(PairModule):
    """Train the up-convolutional pixel decoder with the squared error of its paper."""

    def __init__(self, decoder: UpconvDecoder, optim: OptimConfig, seed: int = 0) -> None:
        super().__init__(optim, seed)
        self.decoder = decoder

    def network(self) -> nn.Module:
        return self.decoder

    def training_step(self, batch: dict, batch_idx: int) -> Tensor:
        loss = F.mse_loss(self.decoder(batch["features"]), batch["image"])
        self.log("train/loss", loss.detach(), prog_bar=True)
        return loss

    def reconstruct(self, features: Tensor) -> Tensor:
        return self.decoder(features).clamp(0, 1)


def image_loss(recon: Tensor, image: Tensor) -> Tensor:
    """Squared plus a little absolute error of images in [0, 1], scaled to the size of a unit-variance latent loss."""
    return (10 * image_distance(recon, image, "mse") + 0.5 * image_distance(recon, image, "l1")).mean()
