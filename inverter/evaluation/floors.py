"""References that frame every result: floors that invert nothing, and the ceiling that the prior itself allows.

Each is a callable of one tensor, as the methods under test are: floors get features, the ceiling gets the image.
"""

import hashlib
import time

import torch
from einops import rearrange, repeat
from torch import Tensor

from inverter.evaluation.nearest import Batch, Search
from inverter.losses.deviation import floor_deviation
from inverter.priors.prior import DiffusionPrior
from inverter.targets.shape import FeatureShape, along_channels, split_channels


class MeanImage:
    """The mean training picture for every input: what can be guessed with no features at all."""

    def __init__(self) -> None:
        self._total, self._count = torch.zeros(()), 0

    def see(self, batch: Batch) -> None:
        """Take in the training pictures of a batch, ``image`` ``(B, 3, S, S)`` in [0, 1]."""
        self._total = self._total + batch["image"].double().sum(0)
        self._count += len(batch["image"])

    def __call__(self, features: Tensor) -> Tensor:
        if not self._count:
            raise ValueError("mean image: the training pairs hold no image")
        mean = (self._total / self._count).float().to(features.device)
        return repeat(mean, "c h w -> b c h w", b=len(features)).clone()


class NearestTrainingImage:
    """The training picture whose features are nearest: retrieval, which an inverter has to beat.

    Features are compared after standardising each channel, with the floor of :func:`floor_deviation`.

    Args:
        features: Of every image that will be asked for, ``(n, *feature_shape)``.
        mean: Mean of each channel, as in the manifest; dimension 1 of a map, the last one of tokens and vectors.
        std: Standard deviation of each channel.
        feature_shape: Says which layers are joint in the features; None is that of their tensors.
    """

    def __init__(self, features: Tensor, mean: Tensor, std: Tensor, feature_shape: FeatureShape | None = None) -> None:
        shape = feature_shape or tuple(features.shape[1:])
        floored = torch.cat([floor_deviation(part) for part in split_channels(std, shape)])
        self.mean, self.std = along_channels(mean, shape), along_channels(floored, shape)
        self._rows = {_fingerprint(row): number for number, row in enumerate(features)}
        self._search = Search(self._normalise(features), lambda batch: self._normalise(batch["features"]))
        self.cost = {"seconds_per_image": 0.0}

    def see(self, batch: Batch) -> None:
        """Compare with the training pairs of a batch."""
        start = time.perf_counter()
        self._search.see(batch)
        self.cost["seconds_per_image"] += (time.perf_counter() - start) / len(self._search.queries)

    def __call__(self, features: Tensor) -> Tensor:
        pictures = self._search.matches.pictures
        numbers = [self._rows.get(_fingerprint(row)) for row in features]
        if None in numbers:
            raise ValueError("nearest training image: features that were not among those to be searched for")
        return (pictures[numbers].float() / 255).to(features.device)

    def _normalise(self, features: Tensor) -> Tensor:
        standardised = (features - self.mean.to(features)) / self.std.to(features)
        return rearrange(standardised, "b ... -> b (...)")


class UnconditionalSample:
    """A picture that the prior draws with nothing to go by, its noise from PyTorch's generator on the CPU.

    Args:
        prior: Diffusion prior.
        num_inference_steps: Denoising steps.
    """

    def __init__(self, prior: DiffusionPrior, num_inference_steps: int = 8) -> None:
        self.prior, self.num_inference_steps = prior, num_inference_steps

    @torch.no_grad()
    def __call__(self, features: Tensor) -> Tensor:
        latents = self.prior.sample(
            batch_size=len(features), num_inference_steps=self.num_inference_steps, generator=None
        )
        return self.prior.decode(latents)


class RoundTrip:
    """The image through the prior's autoencoder and back: what its encoder keeps, with the picture itself at hand.

    A reference rather than a bound: the encoder's latents are not the best ones, and an image head adds to the picture.

    Args:
        prior: Diffusion prior.
    """

    def __init__(self, prior: DiffusionPrior) -> None:
        self.prior = prior

    @torch.no_grad()
    def __call__(self, image: Tensor) -> Tensor:
        return self.prior.decode(self.prior.encode(image))


def _fingerprint(row: Tensor) -> str:
    return hashlib.sha256(row.detach().float().cpu().contiguous().numpy().tobytes()).hexdigest()
