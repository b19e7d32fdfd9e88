"""Where a network can be split: every layer, what it would send, and the work the device does up to it."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from inverter.targets.load import load_network
from inverter.targets.output import single_tensor
from inverter.targets.preprocess import Preprocess, trying


@dataclass(frozen=True)
class LayerInfo:
    """One possible split point.

    Args:
        name: Dotted name as in ``named_modules()``.
        feature_shape: Shape of one image's features, without the batch.
        numbers: Numbers per image that travel.
        bytes: Their size as float32.
        ratio: ``numbers`` over the numbers of the picture, ``3 * S * S``.
        device_share: Share in [0, 1] of the network's multiply-accumulates done up to and including the layer.
    """

    name: str
    feature_shape: tuple[int, ...]
    numbers: int
    bytes: int
    ratio: float
    device_share: float


def list_layers(target: str | nn.Module, input_size: int = 224, *, picture_size: int = 64) -> list[LayerInfo]:
    """List the layers that a target can be tapped at, in the order in which the forward pass completes them.

    A layer that runs several times is listed where it first ends, which is where a target stops. Multiply-accumulates
    are counted in convolutions and linear layers, on one forward pass; attention's products of activations, and
    projections that a module computes without calling a linear layer (``nn.MultiheadAttention``), are not counted.

    Args:
        target: As for ``load_target``; named networks are built with random weights, so nothing is downloaded.
        input_size: Side in pixels of the square that the network sees.
        picture_size: Side ``S`` in pixels of the picture that ``ratio`` compares with.
    Returns:
        Layers whose output is one floating-point tensor of 2 to 4 dimensions with the batch first.
    Raises:
        ValueError: Unknown network, an input size that it cannot take, or ``picture_size`` below 1.
    """
    if picture_size < 1:
        raise ValueError(f"picture_size={picture_size} must be a positive number of pixels")
    loaded = load_network(target, input_size=input_size, pretrained=False)
    images = Preprocess(input_size, loaded.mean, loaded.std).blank(loaded.network, batch_size=2)
    done: dict[str, tuple[tuple[int, ...], int]] = {}  # name: feature shape, work so far
    work = 0

    def watch(name: str) -> Callable[[nn.Module, Any, Any, Any], None]:
        def record(module: nn.Module, args: Any, named: Any, output: Any) -> None:
            nonlocal work
            features = single_tensor(output)
            if isinstance(module, nn.Linear | _ConvNd):
                outputs = output if isinstance(output, list | tuple) else (output,)
                work += _multiply_accumulates(module, (*args, *named.values()), outputs)
            if not (name and name not in done and isinstance(features, Tensor)):
                return
            if len(features) == len(images) and features.numel():
                done[name] = (tuple(features.shape[1:]), work)

        return record

    handles = [
        module.register_forward_hook(watch(name), with_kwargs=True) for name, module in loaded.network.named_modules()
    ]
    try:
        with trying(loaded.name, input_size):
            loaded.network(images)
    finally:
        for handle in handles:
            handle.remove()
    return [
        LayerInfo(
            name=name,
            feature_shape=shape,
            numbers=math.prod(shape),
            bytes=4 * math.prod(shape),
            ratio=math.prod(shape) / (3 * picture_size**2),
            device_share=so_far / max(work, 1),
        )
        for name, (shape, so_far) in done.items()
    ]


def _multiply_accumulates(module: nn.Linear | _ConvNd, inputs: Sequence[Any], outputs: Sequence[Any]) -> int:
    """Every weight is used once per position: of the output, or of the input where a convolution is transposed."""
    positions = inputs if isinstance(module, _ConvTransposeNd) else outputs
    values = next((value for value in positions if isinstance(value, Tensor)), None)
    return 0 if values is None else values.numel() // module.weight.shape[0] * module.weight.numel()
