"""Features as pictures."""

import torch

from inverter.demo.channels import channel_pictures

DARK, LIGHT = torch.tensor([0.267004, 0.004874, 0.329415]), torch.tensor([0.993248, 0.906157, 0.143936])


def test_channels_of_a_map_that_vary_most_are_shown_from_dark_to_light():
    features = torch.zeros(5, 2, 2)
    features[1] = torch.tensor([[0.0, 1.0], [2.0, 4.0]])
    features[3] = -7 * features[1]
    shown = channel_pictures(features, 2)
    assert [name for name, _ in shown] == ["channel 1", "channel 3"]
    for (_, picture), dark, light in zip(shown, [(0, 0), (1, 1)], [(1, 1), (0, 0)], strict=True):
        torch.testing.assert_close(picture[:, *dark], DARK, atol=1e-5, rtol=0)
        torch.testing.assert_close(picture[:, *light], LIGHT, atol=1e-5, rtol=0)


def test_a_constant_channel_is_dark():
    (_, picture), *_ = channel_pictures(torch.full((1, 3, 3), 5.0))
    torch.testing.assert_close(picture, DARK[:, None, None].expand(3, 3, 3), atol=1e-5, rtol=0)


def test_tokens_are_laid_out_without_those_in_front():
    tokens = torch.zeros(6, 3)
    tokens[3, 2] = 1  # behind two that fill no square: row 0, column 1
    name, picture = channel_pictures(tokens, 1)[0]
    assert name == "channel 2" and picture.shape == (3, 2, 2)
    torch.testing.assert_close(picture[:, 0, 1], LIGHT, atol=1e-5, rtol=0)


def test_vectors_are_one_picture():
    for features in (torch.arange(10.0), torch.arange(10.0).view(10, 1, 1)):
        ((_, picture),) = channel_pictures(features)
        assert picture.shape == (3, 1, 10)
        torch.testing.assert_close(picture[:, 0, 9], LIGHT, atol=1e-5, rtol=0)
    assert channel_pictures(torch.arange(1280.0))[0][1].shape == (3, 17, 76)
