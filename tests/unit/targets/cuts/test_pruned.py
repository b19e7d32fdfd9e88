import pytest
import torch

from inverter.targets.cuts import make_cut


@pytest.mark.parametrize("shape", [(6, 3, 5), (7, 6), (6,)])
@pytest.mark.parametrize(("ratio", "kept"), [(0.5, 3), (0.99, 1), (0.01, 5)])
def test_so_many_channels_are_sent_and_the_others_are_zero(shape, ratio, kept):
    cut = make_cut({"kind": "pruned", "ratio": ratio, "temperature": 0.03}, shape)
    axis = 0 if len(shape) == 3 else len(shape) - 1
    features = torch.rand(4, *shape) + 1
    sent = cut.send(features).movedim(axis + 1, 1).flatten(2) if len(shape) > 1 else cut.send(features)[..., None]
    whole = features.movedim(axis + 1, 1).flatten(2) if len(shape) > 1 else features[..., None]
    zero = (sent == 0).all(2)
    assert (~zero).sum(1).tolist() == [kept] * 4
    assert torch.equal(sent[~zero], whole[~zero])
    sent.sum().backward()
    assert cut.scores[-1].weight.grad.abs().sum() > 0  # the choice learns


@pytest.mark.parametrize(("name", "value"), [("ratio", 1.0), ("ratio", 0.0), ("temperature", 0.0)])
def test_values_out_of_range(name, value):
    with pytest.raises(ValueError, match=f"{name}={value}; allowed"):
        make_cut({"kind": "pruned", "ratio": 0.5, "temperature": 0.1, name: value}, (6, 3, 5))
