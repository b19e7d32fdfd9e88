import io
import json
import pickle
import tarfile
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
from PIL import Image

from inverter.config import ImageDataConfig
from inverter.data.picture_cache import PictureCache
from inverter.priors.prior import DiffusionPrior
from inverter.priors.training.latent_data import LatentDataset, LatentModule, Views, draw_prompt, encode_views

CAPTIONS = {"caption": "a cat left of a dog", "foreground": "a cat", "background": "the right bank"}


def write_images(path: Path, count: int, seed: int = 0) -> np.ndarray:
    """A WebDataset tar of random 32 px pictures with captions; returns the pictures."""
    pixels = np.random.default_rng(seed).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    with tarfile.open(path, "w") as tar:
        for number, picture in enumerate(pixels):
            buffer = io.BytesIO()
            Image.fromarray(picture).save(buffer, "PNG")
            texts = json.dumps({"caption": f"number {number} on the left", "foreground": f"number {number}"}).encode()
            for suffix, content in (("png", buffer.getvalue()), ("json", texts)):
                entry = tarfile.TarInfo(f"{number}.{suffix}")
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
    return pixels


def make_config(tmp_path: Path, **changes: object) -> ImageDataConfig:
    names = {"shards": str(tmp_path / "train.tar"), "dev": str(tmp_path / "dev.tar")}
    return ImageDataConfig(**{**names, "crop": 2, **changes})  # type: ignore[arg-type]


@pytest.fixture
def encoded(tmp_path: Path, tiny_prior: DiffusionPrior) -> tuple[Path, torch.Tensor]:
    """Cache of four views of five pictures, and the pictures as ``(5, 3, 32, 32)`` in [0, 1]."""
    pixels = write_images(tmp_path / "train.tar", 5)
    pictures = PictureCache(str(tmp_path / "train.tar"), 32, tmp_path / "pictures")
    path = tmp_path / "cache" / "train"
    encode_views(Views(pictures, None, make_config(tmp_path), 4, 0), tiny_prior.vae, path)
    return path, torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255


def test_latents_are_those_of_the_prior_for_pictures_and_mirror_images(encoded, tiny_prior):
    path, images = encoded
    stored = torch.from_numpy(np.load(path.with_suffix(".npy"))).float()
    assert stored.shape == (4, 5, 4, 8, 8)
    expected = torch.stack([tiny_prior.encode(images), tiny_prior.encode(images.flip(-1))])
    torch.testing.assert_close(stored[:2], expected, rtol=0.05, atol=0.05 * float(expected.std()))  # bf16, float16
    assert (stored[0] - stored[1]).abs().mean() > 0.1 * expected.std()
    assert (stored[2] - stored[0]).abs().mean() > 0.1 * expected.std()
    assert [path.name for path in sorted(path.parent.iterdir())] == ["train.json", "train.npy"]


def test_photos_are_rows_behind_the_pictures(tmp_path):
    write_images(tmp_path / "train.tar", 6)
    write_images(tmp_path / "photos.tar", 1, seed=1)
    pictures = PictureCache(str(tmp_path / "train.tar"), 16, tmp_path / "pictures")
    photos = PictureCache(str(tmp_path / "photos.tar"), 32, tmp_path / "pictures")
    views = Views(pictures, photos, make_config(tmp_path, photo_share=0.25, photo_crop=0.5), 2, 0)
    assert views.rows == 8 and [words["foreground"] for words in views.captions()[5:]] == [
        "number 5",
        *["number 0"] * 2,
    ]
    squares = [views.view(row, view) for row in (6, 7) for view in range(2)]
    assert all(square.shape == (3, 16, 16) for square in squares)
    assert len({square.numpy().tobytes() for square in squares}) == 4
    assert len(views) == 16 and torch.equal(views[8 + 6], views.view(6, 1))


def test_validation_is_the_captioned_picture_every_time(encoded):
    path, _ = encoded
    dataset = LatentDataset(path, None)
    stored = np.load(path.with_suffix(".npy"))
    assert len(dataset) == 5
    for _ in range(4):
        sample = dataset[3]
        np.testing.assert_array_equal(sample["latents"], stored[0, 3].astype(np.float32))
        assert sample["prompt"] == "number 3 on the left"


def test_training_mirrors_pictures_and_words_together(encoded):
    path, _ = encoded
    dataset = LatentDataset(path, 0.0)
    stored = np.load(path.with_suffix(".npy")).astype(np.float32)
    seen = set()
    for epoch in range(80):
        sample = dataset[epoch * 5 + 1]
        views = [view for view in range(4) if (sample["latents"].numpy() == stored[view, 1]).all()]
        assert len(views) == 1
        mirrored = views[0] % 2 == 1
        assert ("right" in sample["prompt"]) <= mirrored
        assert ("left" in sample["prompt"]) <= (not mirrored)
        seen.add((views[0], sample["prompt"]))
        again = dataset[epoch * 5 + 1]
        assert again["prompt"] == sample["prompt"] and torch.equal(again["latents"], sample["latents"])
    assert {view for view, _ in seen} == {0, 1, 2, 3}
    assert {prompt for _, prompt in seen} == {"number 1 on the left", "number 1 on the right", "number 1", ""}


def test_dropped_prompts_are_empty():
    random = Random(0)
    assert {draw_prompt(CAPTIONS, 1.0, False, random) for _ in range(20)} == {""}
    drawn = [draw_prompt(CAPTIONS, 0.5, False, random) for _ in range(2000)]
    assert abs(drawn.count("") / 2000 - 0.5) < 0.06
    assert abs(drawn.count(CAPTIONS["caption"]) / 2000 - 0.25) < 0.06
    assert set(drawn) == {"", *CAPTIONS.values()}


@pytest.mark.parametrize(
    ("caption", "mirrored"),
    [
        ("a cat left of a dog", "a cat right of a dog"),
        ("right then left", "left then right"),
        ("a cat on the left, a dog on the right.", "a cat on the right, a dog on the left."),
        ("bright and leftover", "bright and leftover"),
        ("", ""),
    ],
)
def test_left_and_right_change_places_in_a_mirror(caption, mirrored):
    captions = dict.fromkeys(CAPTIONS, caption)
    assert draw_prompt(captions, 0.0, True, Random(0)) == mirrored
    assert draw_prompt(captions, 0.0, False, Random(0)) == caption


def test_module_encodes_once_and_batches(tmp_path, tiny_prior, monkeypatch):
    for name, count in (("train", 6), ("dev", 3)):
        write_images(tmp_path / f"{name}.tar", count, seed=count)
    config = make_config(tmp_path, batch_size=4)
    module = LatentModule(config, tiny_prior.vae, tiny_prior.tokenizer, 32, tmp_path, prompt_dropout=0.1)
    assert not module.prepare_data_per_node  # in a folder that nodes share
    module.prepare_data()
    with monkeypatch.context() as patch:
        patch.setattr("inverter.priors.training.latent_data.encode_views", lambda *_: pytest.fail("encoded twice"))
        module.prepare_data()
    loader = module.train_dataloader()
    batches = list(loader)
    assert [batch["latents"].shape for batch in batches] == [(4, 4, 8, 8)]
    prompts = batches[0]["prompt"]
    torch.testing.assert_close(tiny_prior.text_encoder(batches[0]["tokens"])[0], tiny_prior.condition(prompts).tokens)
    resumed = module.train_dataloader()
    resumed.load_state_dict(loader.state_dict())
    expected, found = next(iter(loader)), next(iter(resumed))
    assert torch.equal(found["latents"], expected["latents"]) and found["prompt"] == expected["prompt"]
    validation = list(module.val_dataloader())
    assert [batch["key"] for batch in validation] == [["0", "1", "2"]]
    assert validation[0]["latents"].dtype == torch.float32


def test_an_interrupted_encoding_is_done_again(tmp_path, tiny_prior):
    for name in ("train", "dev"):
        write_images(tmp_path / f"{name}.tar", 2)
    module = LatentModule(make_config(tmp_path), tiny_prior.vae, tiny_prior.tokenizer, 32, tmp_path, 0.1)
    module.folder.mkdir(parents=True)
    np.save(module.folder / "train.npy", np.zeros((2, 1, 4, 8, 8), np.float16))  # latents without captions: cut off
    module.prepare_data()
    assert len(LatentDataset(module.folder / "train", None)) == 2
    assert np.load(module.folder / "train.npy").shape == (2, 2, 4, 8, 8)


def test_no_view_at_all(tmp_path, tiny_prior):
    with pytest.raises(ValueError, match="views is 0; allowed: 1 or more"):
        LatentModule(make_config(tmp_path), tiny_prior.vae, tiny_prior.tokenizer, 32, tmp_path, 0.1, views=0)


def test_reading_processes_give_the_same_latents_and_batches(tmp_path, tiny_prior):
    for name in ("train", "dev"):
        write_images(tmp_path / f"{name}.tar", 300)
    batches = []
    for workers in (0, 2):
        config = make_config(tmp_path, batch_size=64, num_workers=workers)
        output = tmp_path / f"{workers}"
        module = LatentModule(config, tiny_prior.vae, tiny_prior.tokenizer, 32, output, 0.1)
        module.prepare_data()
        batches.append(list(module.train_dataloader()))
    assert len(batches[0]) == len(batches[1]) == 4
    for one, two in zip(*batches, strict=True):
        assert torch.equal(one["latents"], two["latents"]) and torch.equal(one["tokens"], two["tokens"])


def test_a_copy_for_a_reading_process_holds_no_latents(encoded):
    dataset = LatentDataset(encoded[0], None)
    expected = dataset[2]["latents"]
    data = pickle.dumps(dataset)
    assert len(data) < 2000 and torch.equal(pickle.loads(data)[2]["latents"], expected)
