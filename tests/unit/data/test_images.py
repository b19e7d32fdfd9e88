import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from inverter.data.images import FolderSource, PriorSource, TarSource, expand_shards, unique_key


def encode(shade: int, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (6, 4), (shade, shade, shade)).save(buffer, kind)
    return buffer.getvalue()


def write_tar(path: Path, samples: list[dict[str, bytes]], mode: str = "w") -> None:
    with tarfile.open(path, mode) as tar:
        for sample in samples:
            for name, data in sample.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))


def shades(source, index: int) -> list[int]:
    return [int(np.asarray(item.image)[0, 0, 0]) for item in source.shard(index)]


@pytest.fixture
def tars(tmp_path):
    meta = {"caption": "a fish", "label": 4, "wnid": "n0"}
    write_tar(tmp_path / "a.tar", [{f"x{n}.png": encode(n), f"x{n}.json": json.dumps(meta).encode()} for n in range(3)])
    more: list[dict[str, bytes]] = [
        {"README.md": b"#"},
        {"x0.PNG": encode(3), "x0.txt": b" a cat\n"},
        {"y.png": encode(4)},
    ]
    write_tar(tmp_path / "b.tar.gz", more, "w:gz")
    return tmp_path


def test_folder_is_read_in_order_with_unique_safe_keys(tmp_path):
    for name in ("b/ä.png", "b/ö.png", "a.b.jpg", "A.b.png", "z.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(encode(9, "JPEG" if name.endswith("jpg") else "PNG"))
    source = FolderSource(tmp_path, 3)
    keys = [item.key for index in range(3) for item in source.shard(index)]
    assert keys[0] == "A_b"
    assert len({key.lower() for key in keys}) == len(keys) == 4
    assert all(key.replace("-", "").replace("_", "").isascii() for key in keys)
    assert [len(list(source.shard(index))) for index in range(3)] == [3, 1, 0]
    assert len(list(FolderSource(tmp_path, 3, 2).shard(0))) == 2


def test_folder_errors(tmp_path):
    with pytest.raises(ValueError, match=r"holds no picture; allowed: .png, .jpg"):
        FolderSource(tmp_path, 2)
    with pytest.raises(ValueError, match="is no folder"):
        FolderSource(tmp_path / "absent", 2)


@pytest.mark.parametrize("pattern", ["{a.tar,b.tar.gz}", "*.tar*"])
def test_tars_are_read_in_any_order_of_shards(tars, pattern):
    source = TarSource(f"{tars}/{pattern}", 2)
    assert [shades(source, index) for index in (0, 1, 2, 3)] == [[0, 1], [2, 3], [4], []]
    assert shades(source, 1) == [2, 3]
    assert shades(TarSource(f"file://{tars}/a.tar", 2), 1) == [2]


def test_tar_texts_labels_and_keys(tars):
    items = list(TarSource(f"{tars}/*.tar*", 9).shard(0))
    assert [(item.text, item.label) for item in items] == [("a fish", 4)] * 3 + [("a cat", -1), ("", -1)]
    assert len({item.key for item in items}) == 5
    assert [item.key for item in TarSource(f"{tars}/*.tar*", 3).shard(1)] == [item.key for item in items[3:]]


@pytest.mark.parametrize("pattern", ["pipe:cat a.tar", "{pipe:cat,x.tar}", "absent-*.tar"])
def test_commands_and_patterns_that_match_nothing_are_refused(pattern):
    with pytest.raises(ValueError, match=r"name a command|matches no file"):
        expand_shards(pattern)


def test_long_and_repeated_names_get_a_hash():
    used: set[str] = set()
    keys = [unique_key(name, used) for name in ("a/b", "a_b", "A_B", "x" * 200, "x" * 201)]
    assert keys[0] == "a_b"
    assert len({key.lower() for key in keys}) == 5
    assert max(map(len, keys)) <= 80


class FakePrior:
    prompts = ("a cat", "a dog", "a fish")

    def embed(self, prompts):
        return torch.tensor([[[float(len(prompt))]] for prompt in prompts])

    def sample(self, conditioning=None, *, num_inference_steps, generator):
        return torch.rand(len(conditioning), 3, 4, 4, generator=generator)

    def decode(self, latents):
        return latents


def test_prior_samples_repeat_for_a_shard_and_differ_between_shards_and_splits():
    def source(split: str) -> PriorSource:
        return PriorSource(FakePrior(), 5, 8, num_inference_steps=2, batch_size=2, seed=0, split=split)

    def pixels(split: str, index: int) -> np.ndarray:
        return np.stack([np.asarray(item.image) for item in source(split).shard(index)])

    assert [item.key for item in source("dev").shard(1)] == ["dev-0000005", "dev-0000006", "dev-0000007"]
    assert {item.text for item in source("dev").shard(0)} <= set(FakePrior.prompts)
    np.testing.assert_array_equal(pixels("dev", 1), pixels("dev", 1))
    assert (pixels("dev", 0)[:3] != pixels("dev", 1)).any()
    assert (pixels("dev", 0) != pixels("val", 0)).any()


def test_prior_never_ends():
    with pytest.raises(ValueError, match="pairs=null"):
        PriorSource(FakePrior(), 5, None, num_inference_steps=2, batch_size=2, seed=0, split="val")
