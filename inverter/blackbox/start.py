"""Begin a training with a published inverter's weights: for pictures, pairs or a prior that differ a little."""

from __future__ import annotations

from typing import Any

from inverter.blackbox.module import InverterModule, PairModule
from inverter.checkpoints import check_weights
from inverter.hub import read_inverter
from inverter.published import check_target, read_published
from inverter.targets.spec import TargetSpec
from inverter.targets.target import weights_sha256


def start(module: PairModule, name: str, target: TargetSpec) -> dict[str, Any]:
    """Fill a fresh inverter with published weights, and return what a record should say of them.

    Features are standardised by the statistics of the new pairs, and the prior may be another one.

    Args:
        module: Of an inverter.
        name: Published name, folder or hub id.
        target: Network and layer that the new pairs are of.
    Raises:
        ValueError: A baseline, not found, damaged, of other features, or of other sizes than the module's.
    """
    if not isinstance(module, InverterModule):
        raise ValueError(f"start_from is {name!r}; allowed with model.kind=inverter only")
    published = read_published(name)
    check_target(published, target)
    weights = read_inverter(published).state_dict()
    try:
        check_weights(module.inverter, weights)
    except ValueError as error:
        raise ValueError(f"start_from={name} has other sizes than model and prior: {error}") from error
    module.inverter.load_state_dict(weights)
    return {
        "name": name,
        "weights_sha256": weights_sha256(module.inverter),
        "pairs_seen": published.training.get("pairs_seen"),
    }
