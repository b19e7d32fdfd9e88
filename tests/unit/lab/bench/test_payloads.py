import torch
from torch import nn

from inverter.lab.bench.payloads import answers
from inverter.targets.classifier import Classifier
from inverter.targets.libraries import LoadedNetwork


def test_the_answer_is_that_of_what_arrives():
    network = nn.Sequential(nn.Flatten(), nn.Identity(), nn.Linear(12, 3)).eval()
    classifier = Classifier(LoadedNetwork("tiny", network, 2, (0.0,) * 3, (1.0,) * 3))
    images, others = torch.rand(2, 5, 3, 2, 2)
    for arrived in (images.flatten(1), others.flatten(1)):
        found = answers(classifier, "1", images, arrived)
        assert torch.equal(found, network[2](arrived).argmax(1))
    assert torch.equal(classifier(images), network(images))  # as before
