"""Distillation of an inverter's guided denoiser under control into a LoRA that draws in few steps."""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor
from torchvision.utils import make_grid

from inverter.blackbox.inverter import Inverter
from inverter.config import InverterDistillConfig
from inverter.priors.few_step import fuse_adapter
from inverter.priors.sampling import Generators
from inverter.priors.training.distillation import Distillation, phased_loss


class InverterDistillModule(Distillation):
    """Train a LoRA that goes in one step, without guidance, where the guided denoiser goes in several under control.

    Each of the ``num_inference_steps`` steps of the variant is one phase of the guided path, see
    :func:`inverter.priors.training.distillation.phased_loss`. Conditioner and image head stay as they are.

    Args:
        config: Of the distillation.
        inverter: With its prior, whose denoiser gets the LoRA.
    Raises:
        ValueError: ``num_ddim_steps`` is no multiple of ``num_inference_steps``, the inverter's strength leaves none of
            these to run, or the prior draws in few steps already.
    """

    def __init__(self, config: InverterDistillConfig, inverter: Inverter) -> None:
        steps, longer = config.num_inference_steps, config.num_ddim_steps
        if steps < 1 or longer % steps:
            raise ValueError(f"num_inference_steps is {steps}; allowed: what divides num_ddim_steps={longer}")
        inverter.prior.schedule(steps, inverter.spec.strength)  # an error here and not at the first picture
        if inverter.prior.few_step:
            raise ValueError(
                f"inverter {config.inverter!r} has the prior {inverter.prior.name!r}, which draws in few steps already"
            )
        fuse_adapter(inverter.prior.denoiser)
        super().__init__(inverter.prior, config.rank, config.max_megabytes, longer, config.optim, num_phases=steps)
        self.config, self.inverter = config, inverter.eval().requires_grad_(False)
        self.guidance_scale = inverter.spec.guidance_scale if config.guidance_scale is None else config.guidance_scale

    def loss(self, batch: dict, generator: Generators) -> Tensor:
        prior, inverter, size = self.prior, self.inverter, len(batch["features"])
        texts = batch.get("text") or [""] * size
        with torch.no_grad():
            latents = batch["latents"] if "latents" in batch else prior.encode(batch["image"]).float()
            control, null_control = inverter.encode(batch["features"]).control, inverter.null_control(size)
            empty = prior.condition([""]).expand(size)
            beside = generator is None and any(texts) and float(torch.rand(())) < self.config.text_share
            text = prior.condition(texts) if beside else empty

        def guided(noisy: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
            inside = [prior.process.is_within(each, inverter.spec.guidance_interval) for each in t]
            scale = torch.where(torch.tensor(inside, device=noisy.device), self.guidance_scale, 1.0)
            return prior.guide(
                noisy,
                t,
                text,
                control=control,
                unconditional=empty if self.guidance_scale != 1 else None,
                null_control=null_control,
                guidance_scale=rearrange(scale, "b -> b 1 1 1"),
            )

        phase = self.config.num_ddim_steps // self.config.num_inference_steps
        return phased_loss(
            prior.process,
            lambda noisy, t: prior.predict(noisy, t, text, control),
            self.without_lora(guided),
            latents,
            self.timesteps,
            phase=phase,
            hop=phase,
            huber=self.config.huber,
            generator=generator,
        )

    @torch.no_grad()
    def samples(self, batch: dict) -> Tensor:
        """Grid ``(3, H, W)``: pictures, what the guided denoiser makes of them, and the student in fewer steps."""
        features = batch["features"][: self.config.grid_pictures]
        self.prior.denoiser.disable_adapters()
        guided = self._draw(features, guidance_scale=self.guidance_scale)
        self.prior.denoiser.enable_adapters()
        student = self._draw(features, guidance_scale=1.0, num_inference_steps=self.config.num_inference_steps)
        rows = [batch["image"][: len(features)].float().cpu(), guided, student]
        return make_grid(torch.cat(rows), nrow=len(features))

    def _draw(self, features: Tensor, **how: float) -> Tensor:
        fixed = torch.Generator().manual_seed(0)
        return self.inverter.sample(features, generator=fixed, **how).float().cpu()  # type: ignore[arg-type]
