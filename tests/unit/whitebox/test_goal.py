import pytest
import torch

from inverter.targets import load_targets
from inverter.whitebox.goal import Goal, channel_scale, match


def known(**found: torch.Tensor):
    return lambda images: found


def test_the_loss_is_the_mean_over_layers_of_each_distance():
    features = {"a": torch.tensor([[1.0, 2.0]]), "b": torch.tensor([[3.0, 0.0]])}
    found = known(a=torch.tensor([[2.0, 2.0]]), b=torch.tensor([[0.0, 5.0]]))
    assert Goal(found, features, "sum").loss(torch.empty(0)).tolist() == [(1 + 34) / 2]
    std = {"a": torch.tensor([0.5, 1.0]), "b": torch.tensor([3.0, 5.0])}
    assert Goal(found, features, "mse", std).loss(torch.empty(0)).tolist() == [(2 + 1) / 2]
    cosine = Goal(found, features, "cosine").loss(torch.empty(0))
    torch.testing.assert_close(cosine, torch.tensor([1 - (6 / (5 * 8) ** 0.5 + 0) / 2]))


@pytest.mark.parametrize("distance", ["mse", "sum", "cosine"])
@pytest.mark.parametrize("measured", [True, False])
def test_joint_layers_are_matched_as_several_layers_are(target, pictures, distance, measured):
    joint = load_targets(target.network, ["1+3"], input_size=8)
    std = {"1": torch.linspace(1, 2, 4).double(), "3": torch.linspace(0.1, 3, 6).double()} if measured else {}
    features, flat = target(pictures), joint(pictures)
    goal = match(joint, flat, distance, {"1+3": torch.cat(list(std.values()))} if measured else {})
    grey = torch.full_like(pictures, 0.5)
    torch.testing.assert_close(goal.loss(grey), Goal(target, features, distance, std).loss(grey))
    one = torch.tensor([1])
    torch.testing.assert_close(goal.select(one).loss(grey[one]), goal.loss(grey)[one])


def test_the_cosine_is_taken_over_channels_and_never_along_the_width():
    features = torch.zeros(1, 2, 1, 3)
    features[:, 0] = 1
    found = torch.zeros(1, 2, 1, 3)
    found[:, 1] = 1
    assert Goal(known(a=found), {"a": features}, "cosine").loss(torch.empty(0)).tolist() == [1.0]
    assert Goal(known(a=3 * features), {"a": features}, "cosine").loss(torch.empty(0)).abs().max() < 1e-6


def test_own_statistics_are_each_images():
    maps = torch.randn(3, 4, 5, 6)
    scale = channel_scale(maps)
    assert scale.shape == (3, 4, 1, 1)
    torch.testing.assert_close(scale[:, :, 0, 0], maps.flatten(2).std(2, correction=0))
    torch.testing.assert_close(scale[[1]], channel_scale(maps[[1]]))
    assert channel_scale(torch.randn(3, 7, 2)).shape == (3, 1, 2)  # tokens: over tokens
    vector = torch.randn(3, 7)
    torch.testing.assert_close(channel_scale(vector), vector.std(1, correction=0, keepdim=True))
    assert channel_scale(torch.randn(3, 7, 1, 1)).shape == (3, 1, 1, 1)


def test_a_channel_that_never_varies_does_not_outweigh_the_others():
    std = torch.tensor([3.0, 0.0, 4.0, 0.0])
    scale = channel_scale(torch.zeros(2, 4, 3, 3), std)[0, :, 0, 0]
    torch.testing.assert_close(scale, torch.tensor([3.0, 0.025, 4.0, 0.025]))
    assert (channel_scale(torch.zeros(2, 4, 3, 3)) > 0).all()


def test_what_does_not_fit_joint_layers_is_refused(target, pictures):
    joint = load_targets(target.network, ["1+3"], input_size=8)
    with pytest.raises(ValueError, match=r"std of 1\+3 has shape \(9,\); features need \(10,\)"):
        match(joint, joint(pictures), std={"1+3": torch.ones(9)})
    flat = joint(pictures)
    flat["1+3"][:, -1] = torch.nan
    with pytest.raises(ValueError, match=r"features of 3 of 1\+3 hold NaN or infinity"):
        match(joint, flat)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"std has shape \(3,\); features need \(4,\)"):
        channel_scale(torch.zeros(2, 4, 3, 3), torch.ones(3))
    with pytest.raises(ValueError, match=r"distance is 'l1'; allowed: mse, sum, cosine"):
        Goal(known(), {"a": torch.zeros(1, 2)}, "l1")
    with pytest.raises(ValueError, match="features of a hold NaN or infinity"):
        Goal(known(), {"a": torch.full((1, 2), torch.nan)})
