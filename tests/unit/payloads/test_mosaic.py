import io

import numpy as np
import pytest
import torch
from PIL import Image

from inverter.payloads import make_payload
from inverter.payloads.mosaic import tile, untile

RAMP = torch.linspace(-3, 5, 64).view(1, 1, 8, 8) * torch.tensor([1.0, 0.5, -1.0]).view(1, 3, 1, 1)


@pytest.mark.parametrize("shape", [(5, 2, 3), (1, 4, 4), (9, 7), (10, 7), (6, 1), (4, 1), (7,), (1,)])
def test_what_is_laid_out_comes_back(shape):
    features = torch.randn(shape)
    assert torch.equal(untile(tile(features), shape), features)


def test_where_numbers_lie():
    assert tile(torch.arange(12.0).view(3, 2, 2)).tolist() == [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 0, 0], [10, 11, 0, 0]]
    assert tile(torch.arange(8.0).view(4, 2)).tolist() == [[0, 2, 1, 3], [4, 6, 5, 7]]  # 2 x 2 tokens of 2 dimensions
    assert tile(torch.arange(6.0).view(3, 2)).tolist() == [[0, 1], [2, 3], [4, 5]]
    assert tile(torch.arange(5.0)).tolist() == [[0, 1, 2], [3, 4, 0]]


@pytest.mark.parametrize("codec", ["jpeg", "webp"])
def test_the_bytes_are_what_arrives(codec):
    sent = make_payload(f"mosaic-{codec}:80").send(RAMP)
    code = sent.codes()[0]
    low, high = np.frombuffer(code[:8], "<f4")
    assert (low, high) == (-5, 5)
    with Image.open(io.BytesIO(code[8:])) as picture:
        assert picture.size == (16, 16)
        assert picture.format == codec.upper()
        levels = torch.from_numpy(np.array(picture.convert("L"))).float()
    torch.testing.assert_close(sent.features[0], untile(levels, (3, 8, 8)) * 10 / 255 - 5, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("codec", ["jpeg", "webp"])
def test_more_quality_is_nearer_and_takes_more_bytes(codec):
    features = torch.randn(1, 16, 12, 12, generator=torch.Generator().manual_seed(0))
    low, high = (make_payload(f"mosaic-{codec}:{quality}").send(features) for quality in (20, 95))
    assert (high.features - features).norm() < 0.5 * (low.features - features).norm()
    assert high.num_bytes()[0] > low.num_bytes()[0]


def test_negative_and_constant_features():
    assert make_payload("mosaic-jpeg:90")(torch.full((1, 2, 4, 4), -7.0)).unique().tolist() == [-7.0]
    sent = make_payload("mosaic-jpeg:100")(torch.linspace(-9, -1, 64).view(1, 1, 8, 8))
    assert (sent - torch.linspace(-9, -1, 64).view(1, 1, 8, 8)).abs().max() < 0.1


def test_a_picture_that_the_codec_cannot_hold():
    with pytest.raises(ValueError, match="make a picture of 3 x 20000 pixels; allowed: at most 16383 a side"):
        make_payload("mosaic-webp:50").check((3, 20000))
