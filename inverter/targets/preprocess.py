"""From images in [0, 1] to what a network was trained on, differentiably."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inverter.targets.spec import RESIZE

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class Preprocess(nn.Module):
    """Resize to a square (bilinear, antialiased) and normalise each colour channel.

    Args:
        input_size: Side of the square in pixels.
        mean: One number a channel, subtracted from images in [0, 1].
        std: One positive number a channel, divided by.
    Raises:
        ValueError: ``input_size`` is not positive, or ``mean`` or ``std`` has another length than 3.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, input_size: int, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        if input_size < 1:
            raise ValueError(f"input_size={input_size} must be a positive number of pixels")
        if len(mean) != 3 or len(std) != 3 or min(std) <= 0:
            raise ValueError(f"mean={mean!r} and std={std!r} must hold 3 numbers each, std positive ones")
        self.input_size = input_size
        self.description = {"resize": RESIZE, "mean": [float(x) for x in mean], "std": [float(x) for x in std]}
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Images ``(B, 3, H, W)``, floating point in [0, 1], to network input ``(B, 3, S, S)``.

        Raises:
            ValueError: ``images`` has another shape, is empty, or holds integers.
        """
        if images.ndim != 4 or images.shape[1] != 3 or images.numel() == 0:
            raise ValueError(f"images of shape {tuple(images.shape)} must be (B, 3, H, W), none of them 0")
        if not images.is_floating_point():
            raise ValueError(f"images of dtype {images.dtype} must be floating point, in [0, 1]")
        size = (self.input_size, self.input_size)
        images = images.to(self.mean.dtype)
        if images.shape[2:] != size:
            images = F.interpolate(images, size, mode="bilinear", align_corners=False, antialias=True)  # (B, 3, S, S)
        return (images - self.mean) / self.std  # (B, 3, S, S)

    def blank(self, network: nn.Module, batch_size: int) -> Tensor:
        """Grey images of the input size to try a network with; from here on this module is where the network is."""
        parameter = next(network.parameters(), self.mean)
        self.to(parameter.device, parameter.dtype)
        shape = (batch_size, 3, self.input_size, self.input_size)
        return torch.full(shape, 0.5, device=parameter.device, dtype=parameter.dtype)


@contextmanager
def trying(name: str, input_size: int) -> Iterator[None]:
    """Run a network for the first time, without gradients.

    Raises:
        ValueError: The network failed, which at this point means that it cannot take images of that size.
    """
    try:
        with torch.no_grad():
            yield
    except (RuntimeError, AssertionError, TypeError, IndexError) as error:
        raise ValueError(f"{name} cannot take input_size={input_size}: {error}") from error
