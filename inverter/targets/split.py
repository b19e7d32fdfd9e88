"""The server's half of a split network: its answer to the features that arrive, without the pictures."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from inverter.targets.output import single_tensor, with_tensor
from inverter.targets.preprocess import trying
from inverter.targets.shape import JOINT
from inverter.targets.tap import LayerError, tap
from inverter.targets.target import Target


class SplitError(LayerError):
    """A layer behind which a network cannot run on the features alone."""


class Split(nn.Module):
    """A target, and what the server makes of what arrives.

    The server's half is the network itself, run on a blank picture with the tapped layer's output replaced. That it
    needs the features and nothing else of the picture is tried once.

    Args:
        target: Tapped at one layer; shared, not copied.
    Raises:
        ValueError: Several layers, one that is not reached exactly once or that the network passes by, or a network
            whose answer is not one vector a picture.
    """

    def __init__(self, target: Target) -> None:
        super().__init__()
        if JOINT in target.layer:
            raise SplitError(f"target.layer={target.layer!r} are several layers; allowed: one to split at")
        self.target = target
        self._blank: Tensor
        with trying(target.spec.name, target.spec.input_size):
            self._try()

    @property
    def network(self) -> nn.Module:
        """Both halves."""
        return self.target.network

    def forward(self, images: Tensor) -> Tensor:
        """The whole network's answer ``(B, K)`` to images ``(B, 3, H, W)`` in [0, 1], nothing sent in between."""
        return self._answer(self.network(self.target.preprocess(images)))

    def server_output(self, features: Tensor) -> Tensor:
        """The answer ``(B, K)``, logits of a classifier, to what arrives of the features ``(B, *spec.tensor_shape)``.

        The server holds the key of a payload that has one, as of the last restart; noise and losses it does not know.

        Raises:
            ValueError: They have another shape.
        """
        if tuple(features.shape[1:]) != self.target.spec.tensor_shape or features.ndim < 2:
            raise ValueError(
                f"features of shape {tuple(features.shape)}; allowed: (B, *{self.target.spec.tensor_shape})"
            )
        features = self.target.unlock(features)
        return self.answer_to(features if self.target.cut is None else self.target.cut.receive(features))

    def layer_features(self, images: Tensor) -> Tensor:
        """What the layer gives of images ``(B, 3, H, W)`` in [0, 1], before a defence's cut and any payload."""
        return tap(self.network, [self.target.layer], self.target.preprocess(images))[self.target.layer]

    def answer_to(self, features: Tensor) -> Tensor:
        """The answer ``(B, K)`` to the layer's features ``(B, ...)``, which no cut has to restore."""
        inputs = self._blank if self._one_is_enough else self._blank.expand(len(features), -1, -1, -1)
        return self._run(inputs, features)

    def _run(self, inputs: Tensor, features: Tensor) -> Tensor:
        """The answer to network inputs ``(B, 3, S, S)``, or one for all, with the layer's features replaced."""
        count = 0

        def replace(module: nn.Module, args: Any, output: Any) -> Any:
            nonlocal count
            count += 1
            return with_tensor(output, features)

        handle = self.network.get_submodule(self.target.layer).register_forward_hook(replace)
        try:
            output = self.network(inputs)
        finally:
            handle.remove()
        if count != 1:
            raise SplitError(f"layer={self.target.layer!r} is reached {count} times in a pass; allowed: once")
        return self._answer(output)

    def _answer(self, output: Any) -> Tensor:
        answer = single_tensor(getattr(output, "logits", output))
        if isinstance(answer, str) or answer.ndim != 2:
            arrived = answer if isinstance(answer, str) else f"a tensor of shape {tuple(answer.shape)}"
            raise SplitError(f"{self.target.spec.name} answers with {arrived}; allowed: (B, K), such as logits")
        return answer

    @torch.no_grad()
    def _try(self) -> None:
        """Whether the server's half needs the features alone, and whether one blank picture does for a batch."""
        layer, preprocess = self.target.layer, self.target.preprocess
        grey = preprocess.blank(self.network, batch_size=2)
        images = torch.stack([grey[0], torch.linspace(0, 1, grey[0].numel()).to(grey).view_as(grey[0])])
        self.register_buffer("_blank", 1 - images[1:], persistent=False)
        features = tap(self.network, [layer], images)[layer]
        whole = self._answer(self.network(images))
        if not (_same(self._run(images, features), whole) and _same(self._run(1 - images.flip(-1), features), whole)):
            raise SplitError(
                f"layer={layer!r} is no place to split {self.target.spec.name} at: what lies behind it reads more of "
                "the picture than these features; `inverter layers` lists others"
            )
        try:
            self._one_is_enough = _same(self._run(self._blank, features), whole)
        except Exception:  # a network's own code: it counts its inputs
            self._one_is_enough = False
        if (cut := self.target.cut) is not None and cut.receive(cut.send(features)).shape != features.shape:
            raise SplitError(f"the cut gives no features of the shape {tuple(features.shape[1:])} of layer={layer!r}")


def _same(one: Tensor, other: Tensor) -> bool:
    """Up to rounding."""
    return one.shape == other.shape and bool((one - other).norm() <= 1e-3 * other.norm())
