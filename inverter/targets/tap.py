"""Reading layers out of a forward pass that goes no further than the last of them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from inverter.targets.output import single_tensor


def tap(network: nn.Module, layers: Sequence[str], inputs: Tensor) -> dict[str, Tensor]:
    """Run a network until each of ``layers`` has ended once.

    Args:
        network: Network to run.
        layers: Dotted names as in ``named_modules()``, one or more.
        inputs: ``(B, 3, S, S)``, as the network wants them.
    Returns:
        Layer to its first output, ``(B, C, h, w)``, ``(B, N, D)`` or ``(B, D)``, in the order of ``layers``.
    Raises:
        LayerError: The forward pass does not call a layer, or its output is no single tensor with the batch first.
    """
    token, outputs = object(), dict[str, Tensor | str]()

    def keep(layer: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            if layer in outputs:
                return
            features = single_tensor(output)
            # what runs on, or the next pass, may write into the output in place
            outputs[layer] = features.clone() if isinstance(features, Tensor) else features
            if len(outputs) == len(layers):
                raise _Reached(token)

        return hook

    handles = [network.get_submodule(layer).register_forward_hook(keep(layer)) for layer in layers]
    try:
        network(inputs)
    except _Reached as reached:
        if reached.token is not token:  # a target around this one waits for it
            raise
    else:
        missed = ", ".join(repr(layer) for layer in layers if layer not in outputs)
        raise LayerError(
            f"layer={missed} exists, but the network's forward pass does not call it as a module; "
            "`inverter layers` lists the layers that it calls"
        )
    finally:
        for handle in handles:
            handle.remove()
    return {layer: _checked(layer, outputs[layer], len(inputs)) for layer in layers}


@contextmanager
def needing_weights(network: nn.Module) -> Iterator[None]:
    """Raise LayerError where a module runs whose weights are on the device meta, unless accelerate brings them."""

    def refuse(module: nn.Module, args: Any) -> None:
        raise LayerError(f"a {type(module).__name__} has weights on the device meta, without values; load them first")

    handles = [
        module.register_forward_pre_hook(refuse)
        for name, module in network.named_modules()
        if name and not hasattr(module, "_hf_hook") and any(each.is_meta for each in module.parameters(recurse=False))
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class LayerError(ValueError):
    """A layer that cannot be tapped in a network that runs."""


class _Reached(BaseException):
    """Ends the forward pass; no ``Exception``, so that no network can swallow it."""

    def __init__(self, token: object) -> None:
        super().__init__()
        self.token = token


def _checked(layer: str, features: Tensor | str, batch_size: int) -> Tensor:
    if isinstance(features, Tensor) and features.is_meta:
        raise LayerError(f"layer={layer!r} gives a tensor on the device meta, without values; load the weights first")
    if isinstance(features, str) or len(features) != batch_size or features.numel() == 0:
        problem = features if isinstance(features, str) else f"a tensor of shape {tuple(features.shape)}"
        raise LayerError(
            f"layer={layer!r} returns {problem} for a batch of {batch_size}; it must be one floating-point "
            "tensor (B, C, h, w), (B, N, D) or (B, D); `inverter layers` lists the layers that return one"
        )
    return features.clone() if features.is_inference() else features  # or no gradient could pass what is made of them
