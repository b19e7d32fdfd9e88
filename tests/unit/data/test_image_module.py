import io
import json
import tarfile
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from inverter.config import ImageDataConfig
from inverter.data.image_module import ImageShardModule, decode_sample, read_captions, shift_and_mirror


def encode(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


@pytest.fixture
def shards(tmp_path: Path) -> str:
    """Two tars of three 12 x 8 pictures, each of one grey value."""
    for shard in range(2):
        with tarfile.open(tmp_path / f"images-{shard}.tar", "w") as tar:
            for index in range(3):
                number = 3 * shard + index
                members = {
                    "png": encode(np.full((12, 8, 3), 10 * number, dtype=np.uint8)),
                    "json": json.dumps({"caption": f"grey {number}", "other": 1}).encode(),
                }
                for suffix, content in members.items():
                    entry = tarfile.TarInfo(f"s{number}.{suffix}")
                    entry.size = len(content)
                    tar.addfile(entry, io.BytesIO(content))
    return str(tmp_path / "images-{0..1}.tar")


def test_validation_gives_every_picture_once_in_order(shards):
    config = ImageDataConfig(shards=shards, dev=shards, batch_size=4, num_workers=0)
    batches = list(ImageShardModule(config, 8).val_dataloader())
    assert [len(batch["image"]) for batch in batches] == [4, 2]
    greys = torch.cat([batch["image"].mean((1, 2, 3)) for batch in batches]) * 255
    torch.testing.assert_close(greys, 10 * torch.arange(6.0))
    assert batches[0]["caption"] == ["grey 0", "grey 1", "grey 2", "grey 3"]
    assert batches[0]["foreground"] == [""] * 4


def test_training_is_endless_and_full(shards):
    config = ImageDataConfig(shards=shards, dev=shards, batch_size=4, num_workers=0, crop=2)
    batches = list(islice(ImageShardModule(config, 8).train_dataloader(), 16))
    assert [batch["image"].shape for batch in batches] == [(4, 3, 8, 8)] * 16
    assert len({caption for batch in batches for caption in batch["caption"]}) == 6


def test_the_seed_decides_what_training_sees(shards):
    config = ImageDataConfig(shards=shards, dev=shards, batch_size=4, num_workers=0)

    def captions(seed: int) -> list[str]:
        batches = islice(ImageShardModule(config, 8, seed).train_dataloader(), 8)
        return [caption for batch in batches for caption in batch["caption"]]

    assert captions(3) == captions(3) != captions(4)


def test_captions_come_without_decoding(shards):
    texts = list(read_captions(shards))
    assert [text["caption"] for text in texts] == [f"grey {n}" for n in range(6)]
    assert texts[0] == {"caption": "grey 0", "foreground": "", "background": ""}


def test_a_sample_without_a_picture():
    with pytest.raises(ValueError, match=r"sample 'x' has no picture; allowed: jpg, jpeg, png, webp"):
        decode_sample({"__key__": "x", "json": b"{}"}, 8)


def test_jpeg_and_png_are_cropped_to_a_square():
    pixels = np.zeros((8, 16, 3), dtype=np.uint8)
    pixels[:, 4:12] = 200
    for kind, suffix in (("PNG", "png"), ("JPEG", "jpg")):
        image = decode_sample({"__key__": "x", suffix: encode(pixels, kind)}, 4)["image"]
        assert image.shape == (3, 4, 4)
        assert (image.float() - 200).abs().max() < 15


def test_shifts_repeat_the_edges_and_mirrors_keep_the_pixels():
    image = torch.arange(3 * 4 * 4, dtype=torch.uint8).reshape(3, 4, 4)
    mirrors = {tuple(shift_and_mirror(image, 0).flatten().tolist()) for _ in range(30)}
    assert mirrors == {tuple(image.flatten().tolist()), tuple(image.flip(-1).flatten().tolist())}
    for _ in range(20):
        shifted = shift_and_mirror(image, 2)
        assert shifted.dtype == torch.uint8
        assert shifted.shape == image.shape
        for before, after in zip(image, shifted, strict=True):
            assert set(after.flatten().tolist()) <= set(before.flatten().tolist())
