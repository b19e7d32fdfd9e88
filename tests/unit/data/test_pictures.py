import numpy as np
import pytest
import torch
from PIL import Image

from inverter.data.pictures import jitter, read_picture, square, to_rgb, to_tensor, vary
from inverter.run.seeds import derive_seed


def test_sixteen_bit_grey_keeps_its_range(tmp_path):
    values = np.array([[0, 257, 32896, 65535]], dtype=np.uint16)
    Image.fromarray(values).save(tmp_path / "grey.png")
    picture = read_picture(tmp_path / "grey.png", "grey")
    assert picture.mode == "RGB"
    assert np.asarray(picture)[0, :, 0].tolist() == [0, 1, 128, 255]


@pytest.mark.parametrize("name", ["a.webp", "a.png"])
def test_of_an_animated_picture_the_first_frame_is_taken_aloud(tmp_path, name, caplog):
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], lossless=True)
    assert read_picture(tmp_path / name, name).getpixel((0, 0)) == (255, 0, 0)
    assert f"picture {name} is animated: its first frame alone is taken" in caplog.text


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("L", 7, (7, 7, 7)),
        ("RGBA", (0, 0, 0, 0), (255, 255, 255)),
        ("RGBA", (9, 8, 7, 255), (9, 8, 7)),
        ("LA", (50, 255), (50, 50, 50)),
        ("CMYK", (0, 0, 0, 255), (0, 0, 0)),
        ("1", 1, (255, 255, 255)),
    ],
)
def test_other_modes(mode, colour, expected):
    assert to_rgb(Image.new(mode, (2, 2), colour)).getpixel((0, 0)) == expected


def test_exif_orientation_is_applied(tmp_path):
    picture = Image.new("RGB", (4, 2), "black")
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(tmp_path / "turned.png", exif=exif)
    assert read_picture(tmp_path / "turned.png", "turned").size == (2, 4)


def test_a_broken_picture_is_named(tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match="picture bad is none; allowed: PNG, JPEG, WEBP, BMP"):
        read_picture(tmp_path / "bad.png", "bad")


@pytest.mark.parametrize("size", [(9, 5), (5, 9), (5, 5)])
def test_square_is_the_centre(size):
    across = np.zeros((size[1], size[0], 3), dtype=np.uint8)
    top, left = (size[1] - 5) // 2, (size[0] - 5) // 2
    across[top : top + 5, left : left + 5] = np.random.default_rng(0).integers(0, 256, (5, 5, 3))
    found = square(Image.fromarray(across), 5)
    np.testing.assert_array_equal(np.asarray(found), across[top : top + 5, left : left + 5])


def test_jitter_is_seeded_and_leaves_the_global_generator():
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8))
    state = torch.get_rng_state()
    first, again, other = (to_tensor(jitter(picture, 16, seed)) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert first.shape == (3, 16, 16)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_seeds_differ_in_every_part():
    seeds = {derive_seed(0, "val", 1), derive_seed(0, "dev", 1), derive_seed(1, "val", 1), derive_seed(0, "val", 2)}
    assert len(seeds) == 4
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_half_of_what_varies_stays_as_it_is_but_for_the_mirror() -> None:
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8))
    whole = np.array(square(picture, 16))
    drawn = [np.array(vary(picture, 16, seed)) for seed in range(60)]
    kept = [seed for seed, each in enumerate(drawn) if np.array_equal(each, whole[:, ::-1] if seed % 2 else whole)]
    assert 20 <= len(kept) <= 40
    assert all(each.shape == (16, 16, 3) for each in drawn)
