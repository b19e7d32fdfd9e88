"""From images in [0, 1] to what a network was trained on, differentiably."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from inverter.config.arguments import colours, whole_number
from inverter.config.errors import one_line, raise_if_out_of_memory
from inverter.targets.images import ImageCheck
from inverter.targets.spec import RESIZE, Preprocessing
from inverter.targets.tap import LayerError

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
_CHANNELS = re.compile(r"to have (\d+) channels, but got 3 channels")


class Preprocess(nn.Module):
    """Resize to a square (bilinear, antialiased) and normalise each colour channel.

    Args:
        input_size: Side of the square in pixels.
        mean: One number a channel, subtracted from images in [0, 1].
        std: One positive number a channel, divided by.
    Raises:
        ValueError: ``input_size`` is no positive whole number, ``mean`` or ``std`` are not three numbers, or of images
            in another range.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, input_size: int, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.input_size = whole_number("input_size", input_size)
        if self.input_size < 1:
            raise ValueError(f"input_size={input_size} must be a positive number of pixels")
        mean, std = colours("mean", mean), colours("std", std)
        if min(std) <= 0:
            raise ValueError(f"std={std!r} must be positive numbers")
        if max(map(abs, mean)) > 1:
            raise ValueError(
                f"mean={mean!r} is of images in another range; allowed: of images in [0, 1], so divide mean and std by "
                "255 where it is of 8 bits"
            )
        self.check = ImageCheck("a target")
        self.description: Preprocessing = {"resize": RESIZE, "mean": mean, "std": std}
        for name, values in (("mean", mean), ("std", std)):
            self.register_buffer(name, rearrange(torch.tensor(values, dtype=torch.float32), "c -> 1 c 1 1"), False)

    def forward(self, images: Tensor) -> Tensor:
        """Images ``(B, 3, H, W)``, floating point in [0, 1], to network input ``(B, 3, S, S)``.

        Raises:
            ValueError: ``images`` is no tensor, has another shape, is empty, or holds integers.
        """
        self.check(images)
        size = (self.input_size, self.input_size)
        images = images.to(self.mean.dtype)
        if images.shape[2:] != size:
            images = F.interpolate(images, size, mode="bilinear", align_corners=False, antialias=True)  # (B, 3, S, S)
        return (images - self.mean) / self.std  # (B, 3, S, S)

    def blank(self, network: nn.Module, batch_size: int) -> Tensor:
        """Grey images of the input size to try a network with; from here on this module is where the network is."""
        weights = (value for value in (*network.parameters(), *network.buffers()) if not value.is_meta)  # offloaded
        parameter = next((value for value in weights if value.is_floating_point()), self.mean)
        self.to(parameter.device, parameter.dtype)
        shape = (batch_size, 3, self.input_size, self.input_size)
        return torch.full(shape, 0.5, device=parameter.device, dtype=parameter.dtype)


@contextmanager
def trying(name: str, input_size: int) -> Iterator[None]:
    """Run a network for the first time, without gradients; what it draws at random is the same each time.

    Raises:
        ValueError: The network failed: it cannot take images of that size, or wants something else than images.
        MemoryError: It did not fit.
    """
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)
            yield
    except LayerError:
        raise
    except Exception as error:  # code of the user's own can fail with anything
        raise_if_out_of_memory(error, f"a pass of {name} at input_size={input_size}")
        shape = f"(B, 3, {input_size}, {input_size})"
        if wanted := _CHANNELS.search(str(error)):
            what = f"takes images of {wanted[1]} channel(s), not of 3"
        elif isinstance(error, RuntimeError | AssertionError | ValueError | IndexError):
            what = f"cannot take input_size={input_size}"
        else:
            what = "cannot take images as a tensor"
        raise ValueError(
            f"{name} {what}: its forward pass fails on one tensor {shape} with {type(error).__name__}: "
            f"{one_line(error)}; a network that takes anything else needs a wrapper that makes it of such a tensor, "
            "given as target=module:package.module:factory"
        ) from error
