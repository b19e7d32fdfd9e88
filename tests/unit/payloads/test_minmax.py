import numpy as np
import pytest
import torch

from inverter.payloads import make_payload


def read(code: bytes, num_ranges: int, bits: int, n: int) -> np.ndarray:
    ranges = np.frombuffer(code[: 8 * num_ranges], "<f4").reshape(2, -1)
    digits = np.unpackbits(np.frombuffer(code[8 * num_ranges :], "uint8"))[: bits * n].reshape(n, bits)
    levels = digits.astype(np.int64) @ (1 << np.arange(bits - 1, -1, -1))
    low, high = (each.reshape(num_ranges, 1).astype(np.float64) for each in ranges)
    return low + levels.reshape(num_ranges, -1) * (high - low) / (2**bits - 1)


def test_by_hand_with_negative_features():
    sent = make_payload("minmax:2")(torch.tensor([[-3.0, -1.6, -1.4, 0.0], [2.0, 2.0, 2.0, 2.0]]))
    assert sent.tolist() == [[-3.0, -2.0, -1.0, 0.0], [2.0, 2.0, 2.0, 2.0]]


def test_more_below_zero_than_above_uses_all_levels_and_no_more():
    features = torch.randn(2, 4, 64, 64) - 50
    sent = make_payload("minmax:8")(features)
    assert 200 < sent[0].unique().numel() <= 256
    steps = (features.flatten(1).amax(1) - features.flatten(1).amin(1)) / 255
    assert ((sent - features).flatten(1).abs().amax(1) <= steps / 2 * 1.01).all()


@pytest.mark.parametrize("bits", [1, 3, 8, 11, 16])
def test_the_bytes_are_what_arrives(bits):
    sent = make_payload(f"minmax:{bits}").send(torch.randn(2, 3, 5, 7))
    for code, arrived in zip(sent.codes(), sent.features, strict=True):
        assert len(code) == 8 + -(-105 * bits // 8)
        np.testing.assert_allclose(read(code, 1, bits, 105).flatten(), arrived.flatten(), rtol=1e-5, atol=1e-6)


def test_a_range_for_each_channel():
    features = torch.randn(2, 3, 5, 7) * torch.tensor([1.0, 10.0, 100.0]).view(3, 1, 1)
    sent = make_payload("minmax:4:channel").send(features)
    code = sent.codes()[1]
    assert len(code) == 3 * 8 + -(-105 * 4 // 8)
    np.testing.assert_allclose(read(code, 3, 4, 105).reshape(3, 5, 7), sent.features[1], rtol=1e-4, atol=1e-5)
    tokens = features.flatten(2).transpose(1, 2)
    assert torch.equal(make_payload("minmax:4:channel")(tokens), sent.features.flatten(2).transpose(1, 2))
    with pytest.raises(ValueError, match="a vector has one number a channel; allowed: minmax:4"):
        make_payload("minmax:4:channel").check((8,))


def test_a_fixed_range_clips_and_does_not_travel():
    sent = make_payload("minmax:1:-1:1").send(torch.tensor([[-9.0, -0.1, 0.1, 9.0, 1.0, 1.0, 1.0, 1.0]]))
    assert sent.features.tolist() == [[-1.0, -1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]]
    assert sent.codes() == [bytes([0b00111111])]


def test_a_range_that_is_to_be_fitted():
    payload = make_payload("minmax:8:fit")
    assert payload.fitted(torch.tensor([[0.1, -2.0], [3.0, 0.0]])) == "minmax:8:-2:3"
    with pytest.raises(ValueError, match="all features are 1; allowed: some that differ"):
        payload.fitted(torch.ones(2, 2))
    with pytest.raises(ValueError, match="payload=minmax:8:fit has no range yet"):
        payload(torch.randn(1, 4))


def test_behind_topk_the_kept_numbers_alone_are_coded():
    features = torch.tensor([[0.1, -0.2, 5.0, 0.3, 0.1, 7.0, 0.2, 0.1]])
    sent = make_payload("topk:0.25+minmax:8").send(features)
    assert sent.features.tolist() == [[0, 0, 5.0, 0, 0, 7.0, 0, 0]]
    assert sent.codes() == [np.array([5, 7], "<f4").tobytes() + bytes([0b00100100, 0, 255])]
