import lightning
import pytest
import torch
from torch import nn

from inverter.run.checkpoints import check_resumable, check_weights, load_weights, read_checkpoint


@pytest.fixture
def network() -> nn.Module:
    return nn.Linear(3, 2)


def test_weights_come_back(network, tmp_path):
    torch.save({"state_dict": network.state_dict(), "pytorch-lightning_version": lightning.__version__}, tmp_path / "x")
    other = nn.Linear(3, 2)
    load_weights(other, tmp_path / "x")
    assert torch.equal(other.weight, network.weight)
    check_resumable(other, tmp_path / "x")
    assert read_checkpoint(tmp_path / "x")["state_dict"].keys() == {"weight", "bias"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bias": None}, "weight bias is NoneType; needed: (2,)"),
        ({"weight": torch.zeros(2, 4)}, "weight weight is (2, 4); needed: (2, 3)"),
        ({"surplus": torch.zeros(1)}, "weight surplus is (1,); needed: absent"),
    ],
)
def test_the_first_weight_that_differs_is_named(network, change, message):
    with pytest.raises(ValueError) as caught:
        check_weights(network, network.state_dict() | change)
    assert str(caught.value) == message


@pytest.mark.parametrize("version", [None, "words"])
def test_a_state_of_something_else_than_lightning_is_not_resumed(network, tmp_path, version):
    torch.save({"state_dict": network.state_dict(), "pytorch-lightning_version": version}, tmp_path / "x")
    with pytest.raises(ValueError, match="is not of Lightning; train in a new output, or set resume=false"):
        check_resumable(network, tmp_path / "x")
