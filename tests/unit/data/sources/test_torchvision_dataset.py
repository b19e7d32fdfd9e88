import numpy as np
import pytest
from PIL import Image

from inverter.config import DatasetConfig
from inverter.data.sources.torchvision_dataset import UNPICKLING, TorchvisionSource


@pytest.fixture
def folders(tmp_path):
    for number in range(5):
        path = tmp_path / ("cat" if number < 3 else "dog") / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.new("L", (6, 4), number).save(path)
    return str(tmp_path)


def shades(source, index: int) -> list[int]:
    return [int(np.asarray(item.image)[0, 0, 0]) for item in source.shard(index)]


def test_image_folder_has_labels_and_names(folders):
    source = TorchvisionSource("ImageFolder", DatasetConfig(root=folders, shuffle=False), 3)
    items = [item for index in range(3) for item in source.shard(index)]
    assert [(item.text, item.label) for item in items] == [("cat", 0)] * 3 + [("dog", 1)] * 2
    assert [item.key for item in items[:2]] == ["ImageFolder-0000000", "ImageFolder-0000001"]
    assert items[0].image.mode == "RGB"


def test_the_order_is_shuffled_the_same_way_always_and_start_keeps_splits_apart(folders):
    whole = TorchvisionSource("ImageFolder", DatasetConfig(root=folders), 5)
    assert shades(whole, 0) != [0, 1, 2, 3, 4]
    assert sorted(shades(whole, 0)) == [0, 1, 2, 3, 4]
    first = TorchvisionSource("ImageFolder", DatasetConfig(root=folders), 5, 3)
    rest = TorchvisionSource("ImageFolder", DatasetConfig(root=folders, start=3), 5, 3)
    assert shades(first, 0) + shades(rest, 0) == shades(whole, 0)
    assert rest.num_images == 2
    with pytest.raises(ValueError, match=r"dataset.start=5; allowed: 0 to 4"):
        TorchvisionSource("ImageFolder", DatasetConfig(root=folders, start=5), 5)
    with pytest.raises(ValueError, match="pairs=0"):
        TorchvisionSource("ImageFolder", DatasetConfig(root=folders), 5, 0)


def test_fake_data_needs_no_root():
    items = list(TorchvisionSource("FakeData", DatasetConfig(), 2, 2).shard(0))
    assert [item.image.size for item in items] == [(224, 224)] * 2
    assert all(0 <= item.label < 10 for item in items)


@pytest.mark.parametrize("name", UNPICKLING)
def test_datasets_of_pickles_are_refused(name, folders):
    with pytest.raises(ValueError, match=f"torchvision:{name} would unpickle"):
        TorchvisionSource(name, DatasetConfig(root=folders), 2)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("ImageFoldr", {}, "is unknown; the nearest are ImageFolder"),
        ("vision", {}, "is unknown; the nearest are"),
        ("ImageFolder", {}, "needs dataset.root"),
        ("FakeData", {"split": "train"}, "takes no dataset.split"),
        ("FakeData", {"download": True}, "takes no dataset.download"),
        ("MNIST", {"root": "absent", "split": "val"}, "allowed with torchvision:MNIST: train, test"),
        ("MNIST", {"root": "absent", "split": "test"}, "cannot be opened: Dataset not found"),
        ("Flowers102", {"root": "absent", "split": "none"}, "cannot be opened: .*none"),
        ("STL10", {"root": "absent"}, "cannot be opened: "),
    ],
)
def test_what_cannot_be_opened_is_one_clear_error(tmp_path, monkeypatch, name, options, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message) as caught:
        TorchvisionSource(name, DatasetConfig(**options), 2)
    assert "\n" not in str(caught.value)
