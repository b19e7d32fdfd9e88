import numpy as np
import torch

from inverter.payloads import make_payload


def test_by_hand():
    sent = make_payload("binary").send(torch.tensor([[0.5, -0.1, 0.0, 3.0, -2.0, 1.0, 1.0, -1.0, 7.0]]))
    assert sent.features.tolist() == [[1, -1, -1, 1, -1, 1, 1, -1, 1]]
    assert sent.codes() == [bytes([0b10010110, 0b10000000])]


def test_it_is_32_times_smaller_and_the_bits_are_what_arrives():
    features = torch.randn(2, 1280)
    sent = make_payload("binary").send(features)
    assert [4 * 1280 // size for size in sent.num_bytes()] == [32, 32]
    bits = np.unpackbits(np.frombuffer(sent.codes()[1], "uint8"))
    assert (2.0 * bits - 1 == sent.features[1].numpy()).all()
