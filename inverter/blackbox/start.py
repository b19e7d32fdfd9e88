"""Begin a training with another one's weights: for pictures, pairs, a payload or a prior that differ a little."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from inverter.blackbox.ancestors import ancestors, run_ancestors
from inverter.blackbox.build import load_run, run_inverter
from inverter.blackbox.inverter import Inverter
from inverter.blackbox.load import read_inverter
from inverter.blackbox.modules.inverter import InverterModule
from inverter.blackbox.pair_module import PairModule
from inverter.blackbox.published import is_run, read_published
from inverter.blackbox.spec import InverterSpec
from inverter.config.errors import one_line
from inverter.run.checkpoints import check_weights
from inverter.targets.spec import SAME_PLACE, TargetSpec, check_same_features

SIZES = (
    *("feature_shape", "latent_shape", "conditioning_shape", "resolution"),
    *("conditioning", "width", "depth", "head_width"),
)
OWN_SIZES = {"control": "coarse_width", "tokens": "num_tokens"}  # of a conditioning


def start(module: PairModule, name: str, target: TargetSpec) -> list[dict[str, Any]]:
    """Fill a fresh inverter with the weights of a published one, or of a finished run.

    Features are standardised by the statistics of the new pairs. Payload, weights of the network and prior may be other
    ones: an attack that adapts to a defence begins with one on the undefended network.

    Args:
        module: Of an inverter.
        name: Published name, folder or hub id, or the folder of a run.
        target: Network and layer that the new pairs are of.
    Returns:
        What is recorded of that inverter and those before it, see :func:`inverter.blackbox.ancestors.ancestors`.
    Raises:
        ValueError: A baseline, not found, damaged, of another layer, or of other sizes than the module's.
    """
    if not isinstance(module, InverterModule):
        raise ValueError(f"start_from is {name!r}; allowed with model.kind=inverter only")
    try:
        spec, place, read, began_with = _find(name, module)
        check_same_features(f"inverter {Path(name).name!r}", place, target, SAME_PLACE)
        for key in (*SIZES, OWN_SIZES[module.inverter.spec.conditioning]):
            its, ours = getattr(spec, key), getattr(module.inverter.spec, key)
            if its != ours:
                raise ValueError(f"its {key} is {its}; allowed: {ours}, that of model, pairs and prior")
        state = read().state_dict()
        check_weights(module.inverter, state)  # features may have been laid out without a budget
        module.inverter.load_state_dict(state)
        return began_with
    except ValueError as error:
        raise ValueError(f"start_from={name}: {one_line(error)}") from error


def _find(
    name: str, module: InverterModule
) -> tuple[InverterSpec, TargetSpec, Callable[[], Inverter], list[dict[str, Any]]]:
    """Sizes, target, weights and history of what to begin with."""
    if is_run(name):
        history = run_ancestors(Path(name))
        trained, _, manifest = load_run(Path(name))
        inverter = run_inverter(trained)
        return inverter.spec, manifest.target, lambda: inverter, history
    published = read_published(name)
    control_shape = module.inverter.prior.control_shape
    return published.spec, published.target, lambda: read_inverter(published, control_shape), ancestors(published)
