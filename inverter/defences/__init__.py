"""The device's half changed by training: one defence a file, which imports its module when it is built."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inverter.config import TargetConfig
    from inverter.targets.split import Split


def load_defended(target: TargetConfig) -> Split:
    """The target of a configuration, defended or not, with its server's half.

    ``.target`` gives what arrives of pictures, ``.server_output(features)`` the answer to it, and the Split itself,
    called with pictures, the whole network's answer with nothing sent in between.

    Raises:
        ValueError: As :func:`inverter.targets.load_target` and :class:`inverter.targets.split.Split`.
    """
    from inverter.targets.load import load_options, load_target
    from inverter.targets.split import Split

    return Split(load_target(target.name, target.layer, **load_options(target)))
