import pytest
import torch

from inverter.targets.cuts import make_cut


@pytest.mark.parametrize("shape", [(6, 3, 5), (7, 6), (6,)])
def test_it_begins_with_the_principal_components(shape):
    axis = 0 if len(shape) == 3 else len(shape) - 1
    basis = torch.randn(2, 6)
    rows = torch.rand(50, *[size for place, size in enumerate(shape) if place != axis], 2) @ basis + 5
    features = rows.movedim(-1, axis + 1)
    cut = make_cut({"kind": "channels", "channels": 2}, shape)
    with torch.no_grad():
        cut.start(features)
        sent = cut.send(features)
        restored = cut.receive(sent)
    assert sent.shape == (50, *[2 if place == axis else size for place, size in enumerate(shape)])
    assert sent.abs().max() < 1
    around = features - features.mean(0)
    assert (restored - features).norm() < 0.25 * around.norm()  # two components are all there is; the rest is tanh


@pytest.mark.parametrize("channels", [0, 7, 2.5])
def test_too_many_channels(channels):
    with pytest.raises(ValueError, match=f"channels={channels}; allowed: 1 to 6"):
        make_cut({"kind": "channels", "channels": channels}, (6, 3, 5))


def test_unknown_cuts():
    with pytest.raises(ValueError, match="cut is 'other'; allowed: channels, pruned"):
        make_cut({"kind": "other"}, (6,))
    with pytest.raises(ValueError, match="unexpected keyword argument 'colour'"):
        make_cut({"kind": "channels", "channels": 1, "colour": 1}, (6,))
