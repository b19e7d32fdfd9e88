"""``noise``: the device's weights are fine-tuned to noise on the features, which is drawn anew for each picture."""

from __future__ import annotations

from inverter.defences.config import DefendConfig
from inverter.defences.module import DefenceModule
from inverter.payloads import make_payload
from inverter.targets.split import Split


class NoiseModule(DefenceModule):
    """Keep the answer under noise, so that stronger noise costs less than it does untrained.

    Source:
        Titcombe et al., arXiv:2104.05743, Laplace noise of scale 0.1 to 1 on the features; GLASS (Laplace, scale 1)
        fine-tunes on it too. Differs: the default is normal noise of half the deviation of each picture's features, so
        that a device cannot outgrow it by scaling; the server's half stays; batch statistics stay.
    """

    knows = "that noise of this kind and size is added, not the noise"


def build(config: DefendConfig, base: Split) -> NoiseModule:
    """A fresh one.

    Raises:
        ValueError: The payload draws no noise.
    """
    if not make_payload(config.defence.payload).draws:
        raise ValueError(
            f"defence.payload={config.defence.payload} draws no noise; allowed: one that does, such as gaussian:0.5"
        )
    return NoiseModule(config, base)
