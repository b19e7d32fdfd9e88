import numpy as np
import pytest
import torch

from inverter.payloads import make_payload


def test_by_hand():
    sent = make_payload("truncate:2").send(torch.tensor([[3.0, -4.0, 5.0, 6.0]]))
    assert sent.features.tolist() == [[3.0, -4.0, 0.0, 0.0]]
    assert sent.codes() == [np.array([3, -4], "<f4").tobytes()]  # places are known


def test_channels_of_maps_and_tokens():
    maps, tokens = torch.randn(2, 5, 3, 4), torch.randn(2, 7, 5)
    sent = make_payload("truncate:3").send(maps)
    assert torch.equal(sent.features[:, :3], maps[:, :3])
    assert not sent.features[:, 3:].any()
    assert sent.num_bytes() == [4 * 36] * 2
    arrived = make_payload("truncate:3")(tokens)
    assert torch.equal(arrived[..., :3], tokens[..., :3])
    assert not arrived[..., 3:].any()


@pytest.mark.parametrize(
    ("behind", "size"), [("fp16", 6), ("int8", 3 + 4), ("binary", 1), ("minmax:4", 2 + 8), ("minmax:8:-1:1", 3)]
)
def test_what_follows_codes_the_kept_numbers_alone(behind, size):
    features = torch.tensor([[0.5, -0.25, 1.0, 9.0, -9.0]])
    sent = make_payload(f"truncate:3+{behind}").send(features)
    assert sent.num_bytes() == [size]
    torch.testing.assert_close(sent.features[:, :3], make_payload(behind)(features[:, :3]))
    assert sent.features[0, 3:].tolist() == [0.0, 0.0]


def test_a_range_is_fitted_to_the_kept_numbers():
    features = torch.tensor([[1.0, 2.0, 9.0], [0.0, 5.0, -9.0]])
    assert make_payload("truncate:2+minmax:8:fit").fitted(features) == "truncate:2+minmax:8:0:5"


def test_nothing_to_cut_off():
    with pytest.raises(ValueError, match=r"payload=truncate:4: features \(4,\) have 4 channels; allowed: more than 4"):
        make_payload("truncate:4").check((4,))
