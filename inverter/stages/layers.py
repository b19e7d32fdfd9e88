"""``inverter layers``: where a target can be split, what each layer sends and what the device has to compute."""

from rich.console import Console
from rich.table import Table

from inverter.config import LayersConfig
from inverter.targets.layers import list_layers


def run(config: LayersConfig) -> None:
    """Print a table of the target's layers.

    Raises:
        ValueError: Unknown target, or sizes that it cannot take.
    """
    target, size = config.target, config.picture_size
    table = Table(title=f"{target.name} at {target.input_size} px; ratio to a picture of {size} px")
    table.add_column("layer", overflow="fold")
    for column in ("shape", "numbers", "KiB", "ratio", "device\nshare %"):
        table.add_column(column, justify="right", no_wrap=True)
    for layer in list_layers(target.name, target.input_size, picture_size=size):
        if config.depth is not None and layer.name.count(".") >= config.depth:
            continue
        table.add_row(
            layer.name,
            " x ".join(map(str, layer.feature_shape)),
            f"{layer.numbers:,}",
            f"{layer.bytes / 1024:,.1f}",
            f"{layer.ratio:.2f}",
            f"{100 * layer.device_share:.1f}",
        )
    Console().print(table)
