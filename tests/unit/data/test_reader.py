import pickle
import tarfile

import numpy as np
import pytest
import torch

from inverter.data.reader import PairDataset, collate_pairs


def test_batches_have_the_agreed_contents(write_shards):
    dataset = PairDataset(write_shards((2, 2)))
    batch = collate_pairs([dataset[3], dataset[0]])
    assert batch["key"] == ["pair-3", "pair-0"]
    assert batch["text"] == ["text 3", "text 0"]
    assert batch["group"] == batch["key"]
    assert batch["label"].tolist() == [3, 0]
    assert batch["image"].shape == (2, 3, 8, 8)
    assert torch.equal((batch["image"] * 255).round() / 255, batch["image"])
    assert batch["features"].shape == (2, 3, 2, 5)
    assert batch["latents"].shape == (2, 4, 2, 2)
    assert {batch[name].dtype for name in ("image", "features", "latents")} == {torch.float32}


def test_url_and_copy_read_the_same(write_shards):
    folder = write_shards((2, 3))
    dataset = PairDataset(folder)
    for other in (PairDataset(f"file://{folder}"), pickle.loads(pickle.dumps(dataset))):
        for number in range(5):
            np.testing.assert_array_equal(other[number]["features"], dataset[number]["features"])


def test_limit_opens_only_the_shards_it_needs(write_shards):
    folder = write_shards((2, 2, 2))
    (folder / "pairs-000002.tar").unlink()
    assert [pair["key"] for pair in PairDataset(folder, limit=3)] == ["pair-0", "pair-1", "pair-2"]
    with pytest.raises(ValueError, match=r"pairs-000002.tar of the manifest is missing"):
        PairDataset(folder)
    with pytest.raises(ValueError, match="limit=0; allowed: 1 or more"):
        PairDataset(folder, limit=0)


def test_no_latents(write_shards):
    dataset = PairDataset(write_shards((2,), latents=False))
    assert "latents" not in collate_pairs([dataset[0], dataset[1]])


@pytest.mark.parametrize(("drop", "message"), [("pair-1.json", "'pair-1' has no json"), ("pair-1.", "holds 2 samples")])
def test_a_shard_that_lacks_something_is_refused(write_shards, drop, message):
    folder = write_shards((3,))
    path = folder / "pairs-000000.tar"
    with tarfile.open(path) as tar:
        kept = [(entry, tar.extractfile(entry)) for entry in tar if not entry.name.startswith(drop)]
        with tarfile.open(folder / "new.tar", "w") as new:
            for entry, stream in kept:
                new.addfile(entry, stream)
    (folder / "new.tar").replace(path)
    with pytest.raises(ValueError, match=rf"shard pairs-000000.tar.*{message}"):
        PairDataset(folder)
