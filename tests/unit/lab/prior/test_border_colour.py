import pytest
import torch

from inverter.lab.prior.border_colour import ColourWords, border_colour


def picture(border: float, inside: float) -> torch.Tensor:
    image = torch.full((3, 16, 16), border)
    image[:, 2:14, 2:14] = inside
    return image


def test_the_border_is_an_eighth_wide():
    images = torch.stack([picture(0.2, 0.9), picture(0.7, 0.1)])
    torch.testing.assert_close(border_colour(images), torch.tensor([[0.2] * 3, [0.7] * 3]))


def test_words_are_learned_and_matched():
    images = torch.stack([picture(0.1, 1.0)] * 5 + [picture(0.9, 0.0)] * 5 + [picture(0.5, 0.5)])
    words = ColourWords.learn(images, ["black"] * 5 + ["white"] * 5 + ["grey"])
    assert words.words == ("black", "white")  # grey is said of one picture only
    drawn = torch.stack([picture(0.2, 0.9), picture(0.2, 0.9), picture(0.8, 0.1)])
    assert words.match(drawn, ["black", "white", "grey"]).tolist() == [True, False]
    assert words.chance(["black", "black", "white", "grey"]) == pytest.approx(2 / 3)


def test_no_word_at_all():
    assert ColourWords.learn(torch.rand(6, 3, 8, 8), [""] * 6) is None
    assert ColourWords.learn(torch.rand(6, 3, 8, 8), ["white", *["red"] * 4, ""]) is None
