import pytest

from inverter.config import ArchitectureConfig, LayersConfig, load_config
from inverter.config.errors import ConfigError
from inverter.stages.layers import run


def test_table_lists_layers_down_to_a_depth(capsys):
    run(LayersConfig(depth=2))
    rows = [
        [cell.strip() for cell in line.split("│")[1:-1]] for line in capsys.readouterr().out.splitlines() if "│" in line
    ]
    table = {row[0]: row[1:] for row in rows}
    assert table["blocks.2"][:4] == ["40 x 28 x 28", "31,360", "122.5", "2.55"]
    assert table["classifier"] == ["1000", "1,000", "3.9", "0.08", "100.0"]
    assert "blocks.2.0" not in table


def test_unknown_target():
    with pytest.raises(ValueError, match="is unknown"):
        run(LayersConfig(target=ArchitectureConfig(name="timm:no_such_network")))


@pytest.mark.parametrize("word", ["target.layer=blocks.2", "target.payload=int8", "target.pretrained=false"])
def test_keys_that_change_no_row_are_unknown(word):
    with pytest.raises(ConfigError, match="unknown key"):
        load_config(LayersConfig, [], [word])
