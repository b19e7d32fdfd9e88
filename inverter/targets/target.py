"""A frozen network tapped at one layer: images in, the features that would travel out."""

import difflib
import hashlib
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from inverter.targets.payload import make_payload
from inverter.targets.preprocess import Preprocess, trying
from inverter.targets.spec import TargetSpec


class Target(nn.Module):
    """Frozen network that stops at a layer and returns its features.

    The network is taken over: its parameters are frozen and it stays in eval mode. ``load_target`` copies a given one.

    Args:
        network: Takes normalised images ``(B, 3, S, S)``.
        layer: Dotted name as in ``named_modules()``.
        name: Where the network comes from, kept in ``spec``.
        input_size: Side in pixels of the square that the network sees.
        mean: One number a colour channel, for images in [0, 1].
        std: Likewise.
        payload: ``identity``, ``int8`` or ``gaussian:STD``, applied to the features.
        payload_seed: Seeds the noise of ``gaussian``.
    Raises:
        ValueError: There is no such layer (the message lists the nearest), the network does not run it or cannot take
            the input size, or its output is no single tensor of 2 to 4 dimensions with the batch first.
    """

    spec: TargetSpec

    def __init__(
        self,
        network: nn.Module,
        layer: str,
        *,
        name: str,
        input_size: int,
        mean: Sequence[float],
        std: Sequence[float],
        payload: str = "identity",
        payload_seed: int = 0,
    ) -> None:
        super().__init__()
        names = [known for known, _ in network.named_modules() if known]
        if layer not in names:
            nearest = difflib.get_close_matches(layer, names, n=6, cutoff=0.0)
            raise ValueError(f"layer={layer!r} is not in {name}; the nearest of its layers are {', '.join(nearest)}")
        self.layer = layer
        self.preprocess = Preprocess(input_size, mean, std)
        self.network = network
        self.payload = make_payload(payload, payload_seed)
        self.requires_grad_(False).eval()
        self.spec = TargetSpec(
            name=name,
            layer=layer,
            input_size=input_size,
            feature_shape=self._probe(name),
            payload=self.payload.name,
            preprocessing=self.preprocess.description,
            weights_sha256=weights_sha256(network),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Features of images ``(B, 3, H, W)`` in [0, 1], any height and width: ``(B, *spec.feature_shape)``.

        Raises:
            ValueError: ``images`` has another shape or holds integers.
        """
        return self.payload(self._tap(self.preprocess(images)))  # (B, C, h, w), (B, N, D) or (B, D)

    def train(self, mode: bool = True) -> "Target":
        """Stay in eval mode: a target is frozen."""
        return super().train(False)

    def _tap(self, inputs: Tensor) -> Tensor:
        token = object()

        def stop(module: nn.Module, args: Any, output: Any) -> None:
            raise _Reached(token, output)

        handle = self.network.get_submodule(self.layer).register_forward_hook(stop)
        try:
            self.network(inputs)
        except _Reached as reached:
            if reached.token is not token:  # a target around this one waits for it
                raise
            output = reached.output
        else:
            raise ValueError(f"layer={self.layer!r} exists, but the network's forward pass does not call it")
        finally:
            handle.remove()
        features = single_tensor(output)
        if isinstance(features, str) or len(features) != len(inputs):
            problem = features if isinstance(features, str) else f"a tensor of shape {tuple(features.shape)}"
            raise ValueError(
                f"layer={self.layer!r} returns {problem} for a batch of {len(inputs)}; it must be one floating-point "
                "tensor (B, C, h, w), (B, N, D) or (B, D)"
            )
        return features

    def _probe(self, name: str) -> tuple[int, ...]:
        images = self.preprocess.blank(self.network, batch_size=2)
        with trying(name, self.preprocess.input_size):
            features = self._tap(self.preprocess(images))
        return tuple(features.shape[1:])


class _Reached(BaseException):
    """Carries a layer's output out of the forward pass; no ``Exception``, so that no network can swallow it."""

    def __init__(self, token: object, output: Any) -> None:
        super().__init__()
        self.token = token
        self.output = output


def single_tensor(output: Any) -> Tensor | str:
    """The one tensor that a layer returned, or what it returned instead, in words.

    Tuples and lists are looked into: ``(tensor, None)`` counts as one tensor.
    """
    if isinstance(output, list | tuple):
        tensors = [item for item in output if isinstance(item, Tensor)]
        if len(tensors) != 1:
            return f"a {type(output).__name__} of {len(output)} values, {len(tensors)} of them tensors,"
        output = tensors[0]
    if not isinstance(output, Tensor):
        return f"a {type(output).__name__}"
    if not output.is_floating_point() or not 2 <= output.ndim <= 4:
        return f"a {output.dtype} tensor of shape {tuple(output.shape)}"
    return output


def weights_sha256(network: nn.Module) -> str:
    """SHA-256 in hexadecimal over the state dict: each entry's name, dtype, shape and bytes, sorted by name."""
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()
