"""Begin a training with a published inverter's weights: for pictures, pairs or a prior that differ a little."""

from __future__ import annotations

from typing import Any

from inverter.blackbox.ancestors import ancestors
from inverter.blackbox.load import read_inverter
from inverter.blackbox.modules.inverter import InverterModule
from inverter.blackbox.pair_module import PairModule
from inverter.blackbox.published import check_target, read_published
from inverter.config.errors import one_line
from inverter.run.checkpoints import check_weights
from inverter.targets.spec import TargetSpec

SIZES = (
    *("feature_shape", "latent_shape", "conditioning_shape", "resolution"),
    *("conditioning", "width", "depth", "head_width"),
)
OWN_SIZES = {"control": "coarse_width", "tokens": "num_tokens"}  # of a conditioning


def start(module: PairModule, name: str, target: TargetSpec) -> list[dict[str, Any]]:
    """Fill a fresh inverter with published weights.

    Features are standardised by the statistics of the new pairs, and the prior may be another one.

    Args:
        module: Of an inverter.
        name: Published name, folder or hub id.
        target: Network and layer that the new pairs are of.
    Returns:
        What is recorded of that inverter and those before it, see :func:`inverter.blackbox.ancestors.ancestors`.
    Raises:
        ValueError: A baseline, not found, damaged, of other features, or of other sizes than the module's.
    """
    if not isinstance(module, InverterModule):
        raise ValueError(f"start_from is {name!r}; allowed with model.kind=inverter only")
    try:
        published = read_published(name)
        check_target(published, target)
        for key in (*SIZES, OWN_SIZES[module.inverter.spec.conditioning]):
            its, ours = getattr(published.spec, key), getattr(module.inverter.spec, key)
            if its != ours:
                raise ValueError(f"its {key} is {its}; allowed: {ours}, that of model, pairs and prior")
        state = read_inverter(published, module.inverter.prior.control_shape).state_dict()
        check_weights(module.inverter, state)  # features may have been laid out without a budget
        module.inverter.load_state_dict(state)
        return ancestors(published)
    except ValueError as error:
        raise ValueError(f"start_from={name}: {one_line(error)}") from error
