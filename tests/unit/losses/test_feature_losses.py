import pytest
import torch

from inverter.losses import feature_cosine


def test_cosine_is_taken_over_channels_not_along_width() -> None:
    features = torch.zeros(1, 2, 1, 2)
    features[0, 0] = 1.0  # both positions point along channel 0
    recon = torch.zeros(1, 2, 1, 2)
    recon[0, 0, 0, 0] = 5.0  # same direction
    recon[0, 1, 0, 1] = 5.0  # orthogonal
    assert feature_cosine(recon, features).tolist() == [0.5]


def test_cosine_of_tokens_and_vectors_uses_the_last_dimension() -> None:
    vector = torch.tensor([[3.0, 4.0], [1.0, 0.0]])
    other = torch.tensor([[4.0, 3.0], [-2.0, 0.0]])
    expected = torch.tensor([0.96, -1.0])
    torch.testing.assert_close(feature_cosine(vector, other), expected)
    tokens = feature_cosine(vector[None], other[None])  # (1, 2 tokens, 2)
    torch.testing.assert_close(tokens, expected.mean()[None])


def test_wrong_shapes_raise() -> None:
    with pytest.raises(ValueError, match="one shape"):
        feature_cosine(torch.zeros(1, 2), torch.zeros(1, 3))
