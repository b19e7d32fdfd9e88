"""Begin a training with another one's weights: for pictures, pairs, a payload or a prior that differ a little."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from peft import set_peft_model_state_dict
from torch import Tensor

from inverter.blackbox.ancestors import ancestors, run_ancestors
from inverter.blackbox.build import load_run, run_inverter
from inverter.blackbox.inverter import Inverter
from inverter.blackbox.load import read_inverter, read_lora
from inverter.blackbox.modules.inverter import InverterModule
from inverter.blackbox.pair_module import PairModule
from inverter.blackbox.published import is_run, read_published
from inverter.blackbox.spec import InverterSpec
from inverter.config.errors import one_line
from inverter.priors.few_step import lora_state
from inverter.run.checkpoints import check_weights
from inverter.targets.spec import SAME_PLACE, TargetSpec, check_same_features

SIZES = (
    *("feature_shape", "latent_shape", "conditioning_shape", "resolution"),
    *("conditioning", "width", "depth", "head_width"),
)
State = dict[str, Tensor]
OWN_SIZES = {"control": "coarse_width", "tokens": "num_tokens"}  # of a conditioning


def start(module: PairModule, name: str, target: TargetSpec) -> list[dict[str, Any]]:
    """Fill a fresh inverter with the weights of a published one, or of a finished run.

    A LoRA of its denoiser, or a wholly tuned one, comes along. Features are standardised by the statistics of the new
    pairs. Payload, weights of the network and prior may be other
    ones: an attack that adapts to a defence begins with one on the undefended network.

    Args:
        module: Of an inverter.
        name: Published name, folder or hub id, or the folder of a run.
        target: Network and layer that the new pairs are of.
    Returns:
        What is recorded of that inverter and those before it, see :func:`inverter.blackbox.ancestors.ancestors`.
    Raises:
        ValueError: A baseline, not found, damaged, of another layer, of other sizes than the module's, or with a tuned
            denoiser that the module cannot go on with.
    """
    if not isinstance(module, InverterModule):
        raise ValueError(f"start_from is {name!r}; allowed with model.kind=inverter only")
    try:
        spec, place, read, denoiser, began_with = _find(name, module)
        check_same_features(f"inverter {Path(name).name!r}", place, target, SAME_PLACE)
        for key in (*SIZES, OWN_SIZES[module.inverter.spec.conditioning]):
            its, ours = getattr(spec, key), getattr(module.inverter.spec, key)
            if its != ours:
                raise ValueError(f"its {key} is {its}; allowed: {ours}, that of model, pairs and prior")
        start_denoiser(module, spec, denoiser())
        state = read().state_dict()
        check_weights(module.inverter, state)  # features may have been laid out without a budget
        module.inverter.load_state_dict(state)
        return began_with
    except ValueError as error:
        raise ValueError(f"start_from={name}: {one_line(error)}") from error


def _find(
    name: str, module: InverterModule
) -> tuple[InverterSpec, TargetSpec, Callable[[], Inverter], Callable[[], State | None], list[dict[str, Any]]]:
    """Sizes, target, weights, those of a tuned denoiser that is not its prior's, and history of what to begin with."""
    if is_run(name):
        history = run_ancestors(Path(name))
        trained, _, manifest = load_run(Path(name))
        inverter = run_inverter(trained)
        return inverter.spec, manifest.target, lambda: inverter, lambda: tuned_state(inverter), history
    published = read_published(name)
    control_shape = module.inverter.prior.control_shape
    if published.spec.tune == "full" and published.prior_sha256 != module.inverter.prior.weights_sha256:
        its, ours = published.prior_sha256[:12], module.inverter.prior.weights_sha256[:12]
        raise ValueError(
            f"its denoiser is that of prior {published.prior!r} with weights {its}, and prior has {ours}; allowed: "
            f"prior={published.prior}"
        )

    def lora() -> State | None:
        return read_lora(published) if published.spec.tune == "lora" else None

    history = ancestors(published)
    return published.spec, published.target, lambda: read_inverter(published, control_shape), lora, history


def tuned_state(inverter: Inverter) -> State | None:
    """What the training of an inverter made of its prior's denoiser: a LoRA, or all its weights; None: nothing."""
    if inverter.spec.tune == "full":
        return inverter.prior.denoiser.state_dict()
    return lora_state(inverter.prior.denoiser) if inverter.spec.tune == "lora" else None


def start_denoiser(module: InverterModule, spec: InverterSpec, state: State | None) -> None:
    """Fill the denoiser that a module tunes with a tuned one's weights; None leaves it as its prior has it.

    Raises:
        ValueError: The module tunes its denoiser otherwise than ``spec`` says of those, or they do not fit.
    """
    if state is None:
        return
    needed = {"tune": spec.tune, **({"rank": spec.rank} if spec.tune == "lora" else {})}
    if any(getattr(module.inverter.spec, key) != value for key, value in needed.items()):
        words = " ".join(f"model.{key}={value}" for key, value in needed.items())
        raise ValueError(f"its denoiser was tuned, which would be lost; allowed: {words}")
    denoiser = module.inverter.prior.denoiser
    own = lora_state(denoiser) if spec.tune == "lora" else denoiser.state_dict()
    for key in sorted(own.keys() | state.keys()):
        if key not in own or key not in state or own[key].shape != state[key].shape or not state[key].isfinite().all():
            raise ValueError(f"weight {key} of its tuned denoiser does not fit prior {module.inverter.prior.name!r}")
    if spec.tune == "lora":
        set_peft_model_state_dict(denoiser, {key.removeprefix("unet."): value for key, value in state.items()})
    else:
        denoiser.load_state_dict(state)
