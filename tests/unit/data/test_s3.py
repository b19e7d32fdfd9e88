"""Shards behind s3:// URLs, on a local server."""

from __future__ import annotations

import io
import logging
import tarfile
from collections.abc import Iterator
from pathlib import Path

import fsspec
import numpy as np
import pytest
from PIL import Image

from inverter.data.datamodule import pair_loader
from inverter.data.image_dataset import ImageShardDataset
from inverter.data.manifest import Manifest
from inverter.data.reader import PairDataset
from inverter.data.sources.tar import TarSource, expand_shards

s3fs = pytest.importorskip("s3fs", reason="needs pip install '.[s3]' in the checkout")
server = pytest.importorskip("moto.server", reason="needs moto[s3], flask and flask-cors")


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    moto = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    yield "http://{}:{}".format(*moto.get_host_and_port())
    moto.stop()


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[s3fs.S3FileSystem]:
    """File system whose bucket ``pictures`` is empty."""
    settings = {"endpoint_url": endpoint, "key": "key", "secret": "secret"}
    monkeypatch.setitem(fsspec.config.conf, "s3", settings)
    files = fsspec.filesystem("s3")
    files.mkdir("pictures")
    yield files
    files.rm("pictures", recursive=True)
    files.invalidate_cache()


def write_tar(path: Path, shades: range) -> Path:
    with tarfile.open(path, "w") as tar:
        for shade in shades:
            buffer = io.BytesIO()
            Image.new("RGB", (6, 4), (shade, 0, 0)).save(buffer, "PNG")
            entry = tarfile.TarInfo(f"x{shade}.png")
            entry.size = len(buffer.getvalue())
            tar.addfile(entry, io.BytesIO(buffer.getvalue()))
    return path


def test_image_shards_are_found_by_name_braces_and_glob(bucket, tmp_path):
    for name, shades in (("a", range(3)), ("b", range(3, 5))):
        bucket.put(str(write_tar(tmp_path / f"{name}.tar", shades)), f"pictures/{name}.tar")
    for pattern in ("s3://pictures/{a,b}.tar", "s3://pictures/*.tar"):
        source = TarSource(pattern, 4)
        found = [[int(np.asarray(item.image)[0, 0, 0]) for item in source.shard(index)] for index in (1, 0)]
        assert found == [[4], [0, 1, 2, 3]]
    with pytest.raises(ValueError, match="matches no file"):
        expand_shards("s3://pictures/c*.tar")
    assert len(ImageShardDataset("s3://pictures/*.tar", 8)) == 5


def test_pairs_are_those_of_the_folder_and_one_request_each(bucket, write_shards, monkeypatch):
    folder = write_shards((30, 20))
    bucket.put(str(folder), "pictures/", recursive=True)
    url = f"s3://pictures/{folder.name}"
    requests = []

    async def cat_file(self, path, *args, read=s3fs.S3FileSystem._cat_file, **kwargs):
        requests.append(path)
        return await read(self, path, *args, **kwargs)

    monkeypatch.setattr(s3fs.S3FileSystem, "_cat_file", cat_file)
    fetch = s3fs.S3File._fetch_range
    monkeypatch.setattr(
        s3fs.S3File, "_fetch_range", lambda self, *range: requests.append(self.path) or fetch(self, *range)
    )
    there, here = PairDataset(url), PairDataset(folder)
    assert len(requests) <= 3  # the manifest and two shards, not one for each of 200 headers
    requests.clear()
    batch = there.__getitems__([3, 49, 0])
    assert len(requests) == 3
    for number, pair in zip((3, 49, 0), batch, strict=True):
        assert pair["key"] == here[number]["key"]
        np.testing.assert_array_equal(pair["features"], here[number]["features"])
        np.testing.assert_array_equal(pair["image"], here[number]["image"])


def test_worker_processes_read_and_a_damaged_shard_is_found(bucket, write_shards):
    folder = write_shards((5, 3))
    bucket.put(str(folder), "pictures/", recursive=True)
    url = f"s3://pictures/{folder.name}"
    keys = [key for batch in pair_loader(url, 3, num_workers=2) for key in batch["key"]]
    assert keys == [f"pair-{number}" for number in range(8)]
    Manifest.load(url).verify(url)
    bucket.pipe(f"pictures/{folder.name}/pairs-000001.tar", b"x" * 10240)
    with pytest.raises(ValueError, match=r"pairs-000001\.tar: SHA-256 is"):
        Manifest.load(url).verify(url)
    bucket.rm(f"pictures/{folder.name}/pairs-000001.tar")
    with pytest.raises(ValueError, match=r"pairs-000001\.tar of the manifest is missing"):
        PairDataset(url)
    with pytest.raises(ValueError, match=r"has no manifest\.json"):
        PairDataset("s3://pictures/absent")
