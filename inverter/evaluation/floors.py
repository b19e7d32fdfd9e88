"""References that frame every result: floors that invert nothing, and the ceiling that the prior itself allows.

Each is a callable of one tensor, as the methods under test are: floors get features, the ceiling gets the image.
"""

import hashlib
from collections.abc import Iterable
from typing import Protocol

import torch
from torch import Tensor

from inverter.evaluation.nearest import Batch, find_nearest
from inverter.targets.shape import FeatureShape, along_channels


class Prior(Protocol):
    """The part of a diffusion prior that the references use."""

    def encode(self, images: Tensor) -> Tensor: ...

    def decode(self, latents: Tensor) -> Tensor: ...

    def sample(self, *, batch_size: int, num_inference_steps: int, generator: torch.Generator | None) -> Tensor: ...


class MeanImage:
    """The mean training picture for every input: what can be guessed with no features at all.

    Args:
        mean: ``(3, S, S)`` in [0, 1].
    """

    def __init__(self, mean: Tensor) -> None:
        self.mean = mean

    @classmethod
    def of(cls, batches: Iterable[Batch]) -> "MeanImage":
        """Mean over the images of all batches.

        Raises:
            ValueError: There is no image.
        """
        total, count = torch.zeros(()), 0
        for batch in batches:
            total, count = total + batch["image"].double().sum(0), count + len(batch["image"])
        if count == 0:
            raise ValueError("mean image: the batches hold no image")
        return cls((total / count).float())

    def __call__(self, features: Tensor) -> Tensor:
        return self.mean.to(features.device).expand(len(features), -1, -1, -1).clone()


class NearestTrainingImage:
    """The training picture whose features are nearest: retrieval, which an inverter has to beat.

    Features are compared after standardising each channel. One call passes over all training pairs, so ``search`` the
    features of every evaluated image at once first; their matches are then remembered.

    Args:
        batches: Training pairs; can be iterated more than once.
        mean: Mean of each channel, as in the manifest; dimension 1 of a map, the last one of tokens and vectors.
        std: Standard deviation of each channel; values below 1e-6 count as 1e-6.
        feature_shape: Says which layers are joint in the features; None is that of their tensors.
    """

    def __init__(
        self, batches: Iterable[Batch], mean: Tensor, std: Tensor, feature_shape: FeatureShape | None = None
    ) -> None:
        self.batches, self.mean, self.std, self.feature_shape = batches, mean, std, feature_shape
        self._found: dict[str, Tensor] = {}

    def search(self, features: Tensor) -> None:
        """Remember the nearest picture of each row of ``features`` ``(n, *feature_shape)``, in one pass."""
        found = find_nearest(self._normalise(features), self.batches, lambda batch: self._normalise(batch["features"]))
        self._found.update(zip(map(_fingerprint, features), found.images, strict=True))

    def __call__(self, features: Tensor) -> Tensor:
        unknown = [row for row in features if _fingerprint(row) not in self._found]
        if unknown:
            self.search(torch.stack(unknown))
        return torch.stack([self._found[_fingerprint(row)] for row in features]).to(features.device)

    def _normalise(self, features: Tensor) -> Tensor:
        shape = self.feature_shape or tuple(features.shape[1:])
        mean, std = (along_channels(values.to(features), shape) for values in (self.mean, self.std.clamp(min=1e-6)))
        return ((features - mean) / std).flatten(1)


class UnconditionalSample:
    """A picture that the prior draws with nothing to go by, its noise from PyTorch's generator on the CPU.

    Args:
        prior: Diffusion prior.
        num_inference_steps: Denoising steps.
    """

    def __init__(self, prior: Prior, num_inference_steps: int = 8) -> None:
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

    def __init__(self, prior: Prior) -> None:
        self.prior = prior

    @torch.no_grad()
    def __call__(self, image: Tensor) -> Tensor:
        return self.prior.decode(self.prior.encode(image))


def _fingerprint(row: Tensor) -> str:
    return hashlib.sha256(row.detach().float().cpu().contiguous().numpy().tobytes()).hexdigest()
