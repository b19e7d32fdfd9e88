import json
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inverter.config import DatasetConfig
from inverter.data.sources.huggingface_dataset import HuggingFaceSource

datasets = pytest.importorskip("datasets", reason="needs pip install '.[huggingface]' in the checkout")


@pytest.fixture(autouse=True)
def offline(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()


@pytest.fixture
def dataset():
    features = datasets.Features(
        {
            "picture": datasets.Image(),
            "kind": datasets.ClassLabel(names=["cat", "dog"]),
            "caption": datasets.Value("string"),
        }
    )
    rows = {
        "picture": [Image.new("RGB", (6, 4), (number, 0, 0)) for number in range(5)],
        "kind": [0, 0, 0, 1, 1],
        "caption": [f"number {number}" for number in range(5)],
    }
    return datasets.Dataset.from_dict(rows, features=features)


def shades(source, index: int) -> list[int]:
    return [int(np.asarray(item.image)[0, 0, 0]) for item in source.shard(index)]


def test_a_saved_dataset_has_labels_and_texts(dataset, tmp_path):
    folder = tmp_path / "pets"
    dataset.save_to_disk(folder)
    source = HuggingFaceSource(str(folder), DatasetConfig(shuffle=False), 3)
    assert [shades(source, index) for index in (1, 0, 2)] == [[3, 4], [0, 1, 2], []]
    assert [(item.key, item.text, item.label) for item in source.shard(1)] == [
        ("pets-train-0000003", "dog", 1),
        ("pets-train-0000004", "dog", 1),
    ]
    captioned = HuggingFaceSource(str(folder), DatasetConfig(text="caption", start=4, shuffle=False), 3)
    assert [item.text for item in captioned.shard(0)] == ["number 4"]
    with pytest.raises(ValueError, match=r"set dataset\.split=null"):
        HuggingFaceSource(str(folder), DatasetConfig(split="val"), 3)


def test_a_saved_dict_is_read_by_split(dataset, tmp_path):
    folder = tmp_path / "pets"
    datasets.DatasetDict({"train": dataset, "test": dataset.select([4])}).save_to_disk(folder)
    assert shades(HuggingFaceSource(str(folder), DatasetConfig(split="test"), 3), 0) == [4]
    with pytest.raises(ValueError, match=r"cannot be opened: .*absent"):
        HuggingFaceSource(str(folder), DatasetConfig(split="absent"), 3)


def test_folders_of_pictures_and_of_parquet_are_read(dataset, tmp_path):
    for number in range(4):
        path = tmp_path / "pictures" / ("cat", "dog")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (6, 4), (number, 0, 0)).save(path)
    source = HuggingFaceSource(str(tmp_path / "pictures"), DatasetConfig(), 4)
    assert sorted((item.text, int(np.asarray(item.image)[0, 0, 0])) for item in source.shard(0)) == [
        ("cat", 0),
        ("cat", 2),
        ("dog", 1),
        ("dog", 3),
    ]
    (tmp_path / "parquet").mkdir()
    dataset.to_parquet(tmp_path / "parquet" / "train-0.parquet")
    part = HuggingFaceSource(str(tmp_path / "parquet"), DatasetConfig(split="train[2:4]", shuffle=False), 4)
    assert shades(part, 0) == [2, 3]


def test_nothing_is_unpickled_and_no_code_of_a_dataset_runs(tmp_path):
    ran = tmp_path / "ran"

    class Hostile:
        def __reduce__(self):
            return (Path.touch, (ran,))

    for name, data in {
        "a.pkl": pickle.dumps(Hostile()),
        "b/b.py": f"from pathlib import Path\nPath({str(ran)!r}).touch()\n".encode(),
        "c/data.json": json.dumps([{"image": "/etc/hostname"}]).encode(),
    }.items():
        (tmp_path / "hostile" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "hostile" / name).write_bytes(data)
    for folder in ("hostile", "hostile/b", "hostile/c"):
        with pytest.raises(ValueError, match="cannot be opened"):
            HuggingFaceSource(str(tmp_path / folder), DatasetConfig(), 2)
    assert not ran.exists()


def test_columns_that_are_not_there(dataset, tmp_path):
    dataset.save_to_disk(tmp_path / "pets")
    for options, message in (
        ({"image": "caption"}, "dataset.image='caption'; allowed: picture"),
        ({"text": "kind"}, "dataset.text='kind'; allowed: caption"),
    ):
        with pytest.raises(ValueError, match=message):
            HuggingFaceSource(str(tmp_path / "pets"), DatasetConfig(**options), 2)
    dataset.remove_columns("picture").save_to_disk(tmp_path / "words")
    with pytest.raises(ValueError, match="no column is of type Image"):
        HuggingFaceSource(str(tmp_path / "words"), DatasetConfig(), 2)


def test_without_the_package_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ValueError, match=r"needs: pip install '.\[huggingface\]'"):
        HuggingFaceSource("any", DatasetConfig(), 2)
