import io
import tarfile

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from inverter.data.image_dataset import ImageShardDataset, collate_pictures
from inverter.data.pictures import mirrors
from inverter.run.seeds import derive_seed


@pytest.fixture
def shards(tmp_path):
    for number, count in enumerate((3, 2)):
        with tarfile.open(tmp_path / f"images-{number}.tar", "w") as tar:
            for index in range(count):
                pixels = np.random.default_rng(10 * number + index).integers(0, 256, (12, 10, 3), dtype=np.uint8)
                buffer = io.BytesIO()
                Image.fromarray(pixels).save(buffer, "PNG")
                for name, data in ((f"a/{index}.PNG", buffer.getvalue()), (f"a/{index}.json", b"{}")):
                    entry = tarfile.TarInfo(name)
                    entry.size = len(data)
                    tar.addfile(entry, io.BytesIO(data))
    return f"{tmp_path}/images-*.tar"


def test_augmentation_depends_on_seed_epoch_and_picture_alone(shards):
    dataset, again = ImageShardDataset(shards, 8), ImageShardDataset(shards, 8)
    assert len(dataset) == 5
    images = {number: dataset[number]["image"] for number in range(15)}
    assert all(torch.equal(again[number]["image"], images[number]) for number in (14, 3, 7))
    assert not any(torch.equal(images[number], images[number + 5]) for number in range(10))
    assert not torch.equal(ImageShardDataset(shards, 8, seed=1)[0]["image"], images[0])
    assert [dataset[number]["key"] for number in (1, 6, 11)] == ["0000001"] * 3


def test_batches_do_not_depend_on_the_workers(shards):
    def batches(num_workers: int) -> list[dict]:
        dataset = ImageShardDataset(shards, 8)
        return list(DataLoader(dataset, 2, num_workers=num_workers, collate_fn=collate_pictures))

    for one, other in zip(batches(0), batches(2), strict=True):
        assert one["key"] == other["key"]
        assert torch.equal(one["image"], other["image"])
    assert one["image"].shape == (1, 3, 8, 8)
    assert one["image"].dtype == torch.float32
    assert 0 <= one["image"].min() < one["image"].max() <= 1


def write_shard(path, members: dict[str, bytes]) -> str:
    with tarfile.open(path, "w") as tar:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return str(path)


def png(shade: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (shade,) * 3).save(buffer, "PNG")
    return buffer.getvalue()


def test_texts_come_with_the_pictures_and_change_sides_with_them(tmp_path):
    said = {"a.json": b'{"caption": "a cat on the left"}', "b.txt": b"a dog on the left"}
    members = {"a.png": png(1), "a.json": said["a.json"], "b.txt": said["b.txt"], "b.png": png(2), "c.png": png(3)}
    dataset = ImageShardDataset(write_shard(tmp_path / "a.tar", members), 8)
    texts = [dataset[number]["text"] for number in range(60)]
    assert set(texts[0::3]) == {"a cat on the left", "a cat on the right"}
    assert set(texts[1::3]) == {"a dog on the left", "a dog on the right"}
    assert set(texts[2::3]) == {""}
    assert collate_pictures([dataset[0], dataset[2]])["text"] == [texts[0], ""]
    mirrored = [mirrors(derive_seed(0, "online", number // 3, 0)) for number in range(0, 60, 3)]
    assert [text.endswith("right") for text in texts[0::3]] == mirrored


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("0.jpg", "0.png"), "key '0' has pictures png, jpg"),
        (("0.png", "1.png", "0.txt"), "members of key '0' do not lie side by side"),
    ],
)
def test_samples_that_say_two_things_are_refused(tmp_path, names, message):
    with pytest.raises(ValueError, match=message):
        ImageShardDataset(write_shard(tmp_path / "a.tar", dict.fromkeys(names, png(1))), 8)


def test_hidden_and_dotted_members_are_left_out(tmp_path, caplog):
    names = ("._0.png", "./0.png", "__MACOSX/0.png", "1.seg.png")
    assert len(ImageShardDataset(write_shard(tmp_path / "a.tar", dict.fromkeys(names, png(1))), 8)) == 1
    assert "1 picture(s) are left out; '1.seg.png' has a dot" in caplog.text


def test_limit_takes_the_first_pictures(shards):
    assert len(ImageShardDataset(shards, 8, limit=4)) == 4
    with pytest.raises(ValueError, match="limit=0; allowed: 1 or more"):
        ImageShardDataset(shards, 8, limit=0)


def test_shards_that_cannot_be_read_by_number(tmp_path):
    with tarfile.open(tmp_path / "packed.tar.gz", "w:gz"):
        pass
    with pytest.raises(ValueError, match=r"packed\.tar\.gz is no uncompressed tar"):
        ImageShardDataset(f"{tmp_path}/packed.tar.gz", 8)
    with tarfile.open(tmp_path / "empty.tar", "w"):
        pass
    with pytest.raises(ValueError, match=r"hold no picture; allowed: \.png"):
        ImageShardDataset(f"{tmp_path}/empty.tar", 8)
