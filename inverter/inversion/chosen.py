"""Which trained inverter a configuration means, and whether what it says of the target is true of that one."""

from __future__ import annotations

from inverter.blackbox.published import list_inverters, names_of
from inverter.config import SenderConfig, TargetConfig
from inverter.payloads import same_payload
from inverter.targets.defence import check_same_defence
from inverter.targets.spec import TargetSpec


def published_name(given: TargetConfig) -> str:
    """The published inverter of a layer and size that was chosen without naming an inverter.

    Raises:
        ValueError: Others are published, but none of these features.
    """
    if names := names_of(given.layer, given.input_size):
        return names[0]
    known = [published.folder.name for published in list_inverters()]
    if not known:
        return given.layer  # outside of a checkout: looking for it says what there is not
    raise ValueError(
        f"target.layer is {given.layer!r}, of which no inverter is published; allowed: inverter=, a folder, a hub id "
        f"or a name among {known}, or method=direct, which needs none"
    )


def check_given(given: SenderConfig, target: TargetSpec, inverter: str) -> None:
    """Raise ValueError where a key that was given contradicts the target that the inverter is of."""
    for key in ("name", "layer", "input_size", "payload"):
        value, own = getattr(given, key), getattr(target, key)
        if value not in (None, own) and not (key == "payload" and same_payload(value, own)):
            raise ValueError(
                f"target.{key} is {value!r}, but inverter {inverter!r} takes features with target.{key}={own}; "
                "leave it out, or name another inverter"
            )
    if given.defence is not None:
        check_same_defence(f"inverter {inverter!r} takes features of", given.defence, target.defence)
