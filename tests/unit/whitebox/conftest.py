"""A tiny target, and a latent diffusion prior small and smooth enough for float64 finite differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
import torch
from diffusers.configuration_utils import FrozenDict
from torch import Tensor, nn
from torch.nn import functional as F

from inverter.priors.families.stable_diffusion import StableDiffusionPrior
from inverter.priors.prior import DiffusionPrior
from inverter.priors.training.denoiser import build_scheduler
from inverter.targets import load_targets
from inverter.targets.target import MultiTarget
from inverter.whitebox.goal import Goal
from inverter.whitebox.problem import Problem


class Smooth(nn.Module):
    """Denoiser without corners: the same prediction at every call, of latents, timestep and conditioning."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.config = FrozenDict(
            in_channels=channels,
            sample_size=4,
            cross_attention_dim=width,
            block_out_channels=(channels,),
            layers_per_block=1,
        )
        self.inner = nn.Conv2d(channels, channels, 3, padding=1)
        self.text = nn.Linear(width, channels)

    def forward(self, latents, t, encoder_hidden_states, return_dict=False):
        shift = self.text(encoder_hidden_states.mean(1)) + torch.as_tensor(t, dtype=latents.dtype) / 1000
        return (torch.tanh(self.inner(latents) + shift[:, :, None, None]),)


class Decoder(nn.Module):
    """Autoencoder of 2 x downsampling whose decoder stays inside [0, 1]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.config = FrozenDict(block_out_channels=(1, 1), scaling_factor=1.0)
        self.last = nn.Conv2d(channels, 3, 3, padding=1)

    def decode(self, latents: Tensor, return_dict: bool = False) -> tuple[Tensor]:
        return (torch.tanh(self.last(F.interpolate(latents, scale_factor=2.0, mode="bilinear"))),)


class Text(nn.Module):
    """Conditioning by the sum of the token numbers."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("table", torch.randn(7, width))

    def forward(self, tokens: Tensor) -> tuple[Tensor]:
        return (self.table[tokens % 7],)


@pytest.fixture
def smooth_prior(tiny_prior: DiffusionPrior) -> DiffusionPrior:
    """Latents (2, 4, 4), pictures of 8 px, float64."""
    torch.manual_seed(0)
    prior = StableDiffusionPrior(
        Decoder(2), Smooth(2, 5), build_scheduler("v_prediction"), Text(5), tiny_prior.tokenizer, name="smooth"
    )
    return prior.double()


@pytest.fixture(scope="session")
def target() -> MultiTarget:
    """Two layers, the first of as many numbers as a picture of 8 px has and a third more; smooth, float64."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"),
            nn.Softplus(),
            nn.Conv2d(4, 6, 3, stride=2, padding=1),
            nn.Tanh(),
        )
    return load_targets(network.double(), ["1", "3"], input_size=8)


@pytest.fixture
def pictures() -> Tensor:
    """Two pictures ``(2, 3, 8, 8)``, float64; tests alone know them."""
    coarse = torch.rand(2, 3, 3, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return F.interpolate(coarse, size=8, mode="bicubic").clamp(0.05, 0.95)


@pytest.fixture
def make_problem(smooth_prior: DiffusionPrior, target: MultiTarget, pictures: Tensor) -> Callable[..., Problem]:
    """Function that poses the pictures' features as a problem; keywords replace fields, ``rows`` picks pictures."""

    def make(
        rows: Sequence[int] = (0, 1), layers: Sequence[str] = ("1",), distance: str = "mse", **fields: object
    ) -> Problem:
        chosen = list(rows)
        with torch.no_grad():
            features = target(pictures[chosen])
            conditioning = smooth_prior.condition(["a dog", "two boats"])[torch.tensor(chosen)]
            free = smooth_prior.condition([""]).expand(len(chosen))
        goal = Goal(target, {layer: features[layer] for layer in layers}, distance)
        problem = Problem(tuple(f"picture-{i}" for i in chosen), goal, smooth_prior, conditioning, free)
        return replace(problem, **fields)  # type: ignore[arg-type]

    return make
