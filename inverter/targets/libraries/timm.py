"""``timm:NAME``."""

from __future__ import annotations

from typing import Any

from inverter.targets.efficientnet_lite import PACKAGES, load_lite_weights
from inverter.targets.libraries import LIBRARIES, LoadedNetwork, loading, seeded, unknown


def load_timm(name: str, input_size: int | None, pretrained: bool) -> LoadedNetwork:
    """A model of timm; of the EfficientNet-Lites the weights that come with packages.

    Raises:
        ValueError: There is none of that name, or its weights are out of reach.
    """
    import timm
    from timm.data import resolve_model_data_config

    if not timm.is_model(name):
        raise unknown("timm", name, timm.list_models())
    packaged = pretrained and name in PACKAGES
    with loading(f"timm:{name}"):
        config = timm.get_pretrained_cfg(name, allow_unregistered=False)
    native = config.input_size[-1] if config is not None else 224
    fixed = config is not None and config.fixed_input_size and input_size not in (None, native)
    options: dict[str, Any] = {"img_size": input_size} if fixed else {}
    with seeded(), loading(f"timm:{name}"):
        network = timm.create_model(name, pretrained=pretrained and not packaged, **options)
    if packaged:
        load_lite_weights(network, name)
    data = resolve_model_data_config(network)
    return LoadedNetwork(f"timm:{name}", network.eval(), input_size or native, tuple(data["mean"]), tuple(data["std"]))


LIBRARIES.register("timm", load_timm)
