"""What stands in a target's place where features are given: their payload."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from inverter.payloads import make_payload
from inverter.targets.shape import is_joint
from inverter.targets.spec import TargetSpec


class CapturedTarget:
    """Sends features that were captured before any payload had been at them.

    Args:
        spec: Of the features.
        layer: Name that what arrives goes by.
        payload: What they are sent by here.
    Raises:
        ValueError: They were sent by a payload already, are of several layers, or the payload is not for them.
    """

    def __init__(self, spec: TargetSpec, layer: str, payload: str) -> None:
        if spec.payload != "identity" or is_joint(spec.feature_shape):
            raise ValueError(
                f"target.payload={payload}, but the features of {spec.layer} arrived by {spec.payload}; allowed: "
                "identity, or features of one layer as the network gave them"
            )
        self.layer = layer
        make_payload(payload).check(spec.tensor_shape)
        self.specs = {layer: spec}
        self.use_payloads({layer: payload})

    @property
    def fits(self) -> bool:
        """As that of a target."""
        return self.payload.fits

    @property
    def num_fit(self) -> int:
        """As that of a target."""
        return self.payload.num_fit

    def fit(self, batches: Iterable[Tensor]) -> dict[str, str]:
        """Name of the payload with what was measured on features ``(B, ...)``, by layer."""
        return {self.layer: self.payload.fitted(torch.cat(list(batches)))}

    def use_payloads(self, names: Mapping[str, str]) -> None:
        """Send by the payload that is named for the layer."""
        self.payload = make_payload(names[self.layer])
        self.specs = {self.layer: replace(self.specs[self.layer], payload=self.payload.name)}

    def seed_payload(self, seed: int) -> None:
        """Begin its noise anew."""
        self.payload.restart(seed)

    def transmit(self, features: Tensor) -> tuple[dict[str, Tensor], dict[str, list[int]]]:
        """What arrives of features ``(B, ...)``, and the bytes that travel for each, by layer.

        Raises:
            ValueError: They cannot be sent.
        """
        sent = self.payload.send(features)
        return {self.layer: sent.features}, {self.layer: sent.num_bytes()}
