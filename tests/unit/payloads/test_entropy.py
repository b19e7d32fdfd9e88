import pytest

from inverter.payloads.entropy import ByteEntropy


def test_by_hand():
    entropy = ByteEntropy()
    assert entropy.bits == 0
    entropy.add([b"\0\0\1\2"], num_features=4)  # 1/2, 1/4, 1/4: 1.5 bits a byte, a byte a number
    assert entropy.bits == pytest.approx(1.5)
    entropy.add([b"\0\0\1\2"], num_features=4)
    assert entropy.bits == pytest.approx(1.5)


def test_it_is_of_all_pictures_together_and_a_number_of_the_features():
    entropy = ByteEntropy()
    entropy.add([bytes([5] * 8), bytes([6] * 8)], num_features=16)  # each alone has none: together a bit a byte
    assert entropy.bits == pytest.approx(0.5)
    nothing = ByteEntropy()
    nothing.add([b""], num_features=3)
    assert nothing.bits == 0
