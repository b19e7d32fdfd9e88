import pytest
from torch import nn

from inverter.priors.training.cost import check_macs, count_macs


class Toy(nn.Module):
    """A convolution with 3 x 3 taps from 2 to 5 channels, and a product with the text."""

    def __init__(self):
        super().__init__()
        self.convolution, self.text = nn.Conv2d(2, 5, 3, padding=1), nn.Linear(7, 11)

    def forward(self, latents, t, encoder_hidden_states):
        return self.convolution(latents), self.text(encoder_hidden_states)


def test_by_hand():
    assert count_macs(Toy(), (2, 4, 6), (3, 7)) == 4 * 6 * 9 * 2 * 5 + 3 * 7 * 11


def test_a_limit():
    check_macs(1_200_000_000, 1.2)
    check_macs(10**12, None)
    with pytest.raises(ValueError, match=r"takes 1.300 GMAC a forward pass; max_gmac allows 1.2"):
        check_macs(1_300_000_000, 1.2)
