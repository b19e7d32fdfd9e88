import io
import json
import tarfile
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
from PIL import Image

from inverter.config import ImageDataConfig
from inverter.data.image_module import ImageShardModule, random_view, shift_and_mirror
from inverter.data.picture_cache import PictureCache, decode_sample, first_pictures, identity, read_words


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
                    "json": json.dumps({"caption": f"grey {number}", "label": number, "other": 1}).encode(),
                }
                for suffix, content in members.items():
                    entry = tarfile.TarInfo(f"s{number}.{suffix}")
                    entry.size = len(content)
                    tar.addfile(entry, io.BytesIO(content))
    return str(tmp_path / "images-{0..1}.tar")


@pytest.fixture
def photos(tmp_path: Path) -> str:
    """One tar of one 24 x 20 picture that brightens from left to right."""
    ramp = np.broadcast_to(np.arange(24, dtype=np.uint8)[None, :, None] * 10, (20, 24, 3))
    with tarfile.open(tmp_path / "photos.tar", "w") as tar:
        for suffix, content in {"png": encode(ramp.copy()), "json": b'{"caption": "ramp"}'}.items():
            entry = tarfile.TarInfo(f"photo.{suffix}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return str(tmp_path / "photos.tar")


def config_of(shards: str, **changes: object) -> ImageDataConfig:
    return ImageDataConfig(shards=shards, dev=shards, batch_size=4, num_workers=0, **changes)  # type: ignore[arg-type]


def test_validation_gives_every_picture_once_in_order(shards, tmp_path):
    batches = list(ImageShardModule(config_of(shards), 8, tmp_path).val_dataloader())
    assert [len(batch["image"]) for batch in batches] == [4, 2]
    greys = torch.cat([batch["image"].mean((1, 2, 3)) for batch in batches]) * 255
    torch.testing.assert_close(greys, 10 * torch.arange(6.0))
    assert batches[0]["caption"] == ["grey 0", "grey 1", "grey 2", "grey 3"]
    assert batches[0]["foreground"] == [""] * 4
    assert batches[0]["label"].tolist() == [0, 1, 2, 3]


def test_shards_written_anew_are_decoded_anew(photos, tmp_path):
    def grey() -> float:
        return float(PictureCache(photos, 8, tmp_path / "cache").image(0).float().mean())

    before, size = grey(), Path(photos).stat().st_size
    with tarfile.open(photos, "w") as tar:
        content = encode(np.zeros((24, 20, 3), dtype=np.uint8))
        entry = tarfile.TarInfo("photo.png")
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    assert Path(photos).stat().st_size == size  # tar pads
    assert before > 0 and grey() == 0


def test_of_a_url_the_cache_knows_the_name_alone():
    assert identity("memory://bucket/a-{0..1}.tar") == ["memory://bucket/a-0.tar:", "memory://bucket/a-1.tar:"]


def test_an_epoch_shows_every_picture_once(tmp_path, shards):
    loader = ImageShardModule(config_of(shards, crop=2), 8, tmp_path).train_dataloader()
    batches = [batch for _ in range(4) for batch in loader]
    assert [batch["image"].shape for batch in batches] == [(4, 3, 8, 8)] * 4  # an epoch of six is cut to one batch
    assert all(len(set(batch["caption"])) == 4 for batch in batches)


def test_the_seed_decides_what_training_sees(shards, tmp_path):
    def pictures(seed: int) -> torch.Tensor:
        loader = ImageShardModule(config_of(shards), 8, tmp_path, seed=seed).train_dataloader()
        return torch.cat([batch["image"] for _ in range(3) for batch in loader])

    assert torch.equal(pictures(3), pictures(3)) and not torch.equal(pictures(3), pictures(4))


def test_training_goes_on_where_it_was(shards, tmp_path):
    module = ImageShardModule(config_of(shards), 8, tmp_path)
    whole = module.train_dataloader()
    expected = [batch["image"] for _ in range(3) for batch in whole]
    resumed = module.train_dataloader()
    resumed.load_state_dict(whole.state_dict() | {"next_batch": 1})
    found = [batch["image"] for _ in range(2) for batch in resumed]
    assert all(torch.equal(a, b) for a, b in zip(found, expected[1:], strict=True))


def test_squares_of_photos_have_their_share(shards, photos, tmp_path):
    config = config_of(shards, photos=photos, photo_size=16, photo_share=0.25, photo_crop=0.5)
    dataset = ImageShardModule(config, 8, tmp_path).train_dataloader().dataset
    assert len(dataset) == 8  # two beside six
    images = [dataset[number]["image"] for number in (6, 7, 8 + 6)]
    assert all(image.shape == (3, 8, 8) and image.dtype == torch.uint8 for image in images)
    assert dataset[6]["caption"] == "ramp" and not torch.equal(images[0], images[2])  # another square each epoch


@pytest.mark.parametrize(("key", "value"), [("photo_share", 1.0), ("photo_share", 0.0), ("photo_crop", 0.0)])
def test_shares_out_of_range(shards, tmp_path, key, value):
    with pytest.raises(ValueError, match=f"data.{key} is {value}; allowed"):
        ImageShardModule(config_of(shards, **{key: value}), 8, tmp_path)


def test_words_come_without_decoding(shards):
    texts = [words for _, words in read_words(shards)]
    assert [text["caption"] for text in texts] == [f"grey {n}" for n in range(6)]
    assert texts[0] == {"caption": "grey 0", "foreground": "", "background": ""}


def test_a_sample_without_a_picture():
    with pytest.raises(ValueError, match="sample 'x' has no picture; allowed: "):
        decode_sample({"__key__": "x", "json": b"{}"}, 8)


def test_jpeg_and_png_are_cropped_to_a_square():
    pixels = np.zeros((8, 16, 3), dtype=np.uint8)
    pixels[:, 4:12] = 200
    for kind, suffix in (("PNG", "png"), ("JPEG", "jpg")):
        image = decode_sample({"__key__": "x", suffix: encode(pixels, kind)}, 4)["image"]
        assert image.shape == (3, 4, 4)
        assert (image.float() - 200).abs().max() < 15


def test_shifts_repeat_the_edges_and_mirrors_keep_the_pixels():
    image, random = torch.arange(3 * 4 * 4, dtype=torch.uint8).reshape(3, 4, 4), Random(0)
    mirrors = {tuple(shift_and_mirror(image, 0, random).flatten().tolist()) for _ in range(30)}
    assert mirrors == {tuple(image.flatten().tolist()), tuple(image.flip(-1).flatten().tolist())}
    for _ in range(20):
        shifted = shift_and_mirror(image, 2, random)
        assert shifted.dtype == torch.uint8
        assert shifted.shape == image.shape
        for before, after in zip(image, shifted, strict=True):
            assert set(after.flatten().tolist()) <= set(before.flatten().tolist())


def test_views_are_squares_of_the_picture():
    image, random = torch.arange(3 * 9 * 9, dtype=torch.uint8).reshape(3, 9, 9), Random(0)
    assert torch.equal(random_view(image, 9, 1.0, random, mirror=False), image)
    assert torch.equal(random_view(image, 9, 1.0, random, mirror=True), image.flip(-1))
    cuts = {tuple(random_view(image, 4, 0.1, random, mirror=False)[0, 0].tolist()) for _ in range(200)}
    rows = {tuple(image[0, y, x : x + 4].tolist()) for y in range(6) for x in range(6)}
    assert cuts & rows  # a square of exactly the resolution keeps the pixels, and none is smaller
    flat = torch.full((3, 20, 20), 77, dtype=torch.uint8)
    assert random_view(flat, 8, 0.6, random).unique().tolist() == [77]


def test_pictures_are_decoded_once(shards, tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    first = PictureCache(shards, 8, folder)
    assert [sample["key"] for sample in first.samples] == [f"s{n}" for n in range(6)]
    assert len(list(folder.iterdir())) == 2
    monkeypatch.setattr("inverter.data.picture_cache.decode_sample", lambda *_: pytest.fail("decoded twice"))
    again = PictureCache(shards, 8, folder)
    assert torch.equal(again[4]["image"], first[4]["image"]) and again[4]["label"] == 4
    assert [int(first.image(number).unique()) for number in range(6)] == [0, 10, 20, 30, 40, 50]


def test_a_cut_off_cache_is_made_again(shards, tmp_path):
    folder = tmp_path / "cache"
    PictureCache(shards, 8, folder)
    for text in folder.glob("*.json"):
        text.unlink()  # written last, so a run killed before it left this
    assert len(PictureCache(shards, 8, folder)) == 6


def test_first_pictures(shards, tmp_path):
    found = first_pictures(shards, 8, 4)
    torch.testing.assert_close(found.mean((1, 2, 3)) * 255, 10 * torch.arange(4.0))
    with tarfile.open(tmp_path / "empty.tar", "w"):
        pass
    with pytest.raises(ValueError, match="hold no picture"):
        first_pictures(str(tmp_path / "empty.tar"), 8, 4)


def test_json_that_is_no_object():
    with pytest.raises(ValueError, match="json is a list; allowed: an object"):
        decode_sample({"__key__": "x", "png": encode(np.zeros((4, 4, 3), np.uint8)), "json": b"[]"}, 4)
