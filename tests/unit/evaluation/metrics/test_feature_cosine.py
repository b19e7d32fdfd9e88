import torch

from inverter.evaluation.metrics import METRICS, Context, Missing

measure = METRICS["feature_cosine"].measure
PICTURES = torch.rand(2, 3, 4, 4)


def test_without_a_target_it_is_missing():
    missing = Missing("feature_cosine", "the target was not at hand")
    assert measure(PICTURES, PICTURES, Context(torch.ones(2, 4), None, (4,))) == missing


def test_of_joint_layers_it_is_the_mean_over_layers():
    """A layer of two numbers at a right angle, and one of two numbers that point the same way."""
    features = torch.tensor([[1.0, 0.0, 2.0, 2.0]])
    seen = torch.tensor([[0.0, 3.0, 1.0, 1.0]])
    context = Context(features, lambda images: seen, ((2,), (2,)))
    torch.testing.assert_close(measure(PICTURES[:1], PICTURES[:1], context), torch.tensor([0.5]))
