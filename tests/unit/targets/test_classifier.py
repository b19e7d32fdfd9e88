import pytest
import torch
from torch import nn

from inverter.targets import load_classifier


def tiny_classifier() -> nn.Module:
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv2d(3, 5, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return nn.Sequential(body, nn.Linear(5, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 4))


def test_logits_come_from_the_pooled_vector():
    network = tiny_classifier()
    judge = load_classifier(network, input_size=16)
    images = torch.rand(3, 3, 21, 33)
    logits, embedding = judge.classify(images)
    assert (judge.num_classes, judge.embedding_size) == (4, 8)
    assert logits.shape == (3, 4)
    assert embedding.shape == (3, 8)
    torch.testing.assert_close(network[-1](embedding), logits)
    assert torch.equal(judge(images), logits)
    assert torch.equal(judge.embed(images), embedding)
    assert not any(module._forward_pre_hooks for module in judge.modules())
    assert not judge.train().training


def test_timm_and_torchvision():
    images = torch.rand(2, 3, 40, 56)
    lite = load_classifier("timm:tf_efficientnet_lite0", input_size=64)
    inputs = lite.preprocess(images)
    expected = lite.network.forward_head(lite.network.forward_features(inputs), pre_logits=True)
    torch.testing.assert_close(lite.embed(images), expected)
    shuffle = load_classifier("torchvision:shufflenet_v2_x0_5", input_size=64, pretrained=False)
    assert shuffle.embed(images).shape == (2, 1024)
    assert shuffle(images).shape == (2, 1000)


@pytest.mark.parametrize(
    "network",
    [nn.Conv2d(3, 4, 3), nn.Sequential(nn.Flatten(), nn.Linear(192, 4), nn.Unflatten(1, (2, 2)))],
)
def test_no_classifier(network):
    with pytest.raises(ValueError, match="is no classifier"):
        load_classifier(network, input_size=8)
