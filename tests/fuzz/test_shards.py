import io
import json
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from inverter.data.npy import read_npy
from inverter.data.pictures import read_picture
from inverter.data.reader import PairDataset, collate_pairs

NAMES = ["../dev-1.png", "/dev-1.png", "dev-1.png", "a/b.json", ".png", "x" * 300 + ".json", "\udcff.png", "dev-1.json"]
TYPES = [*tarfile.SUPPORTED_TYPES, tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, b"?"]
DTYPES = ["'<f4'", "'>f2'", "'|O'", "'<U9'", "('<f4', (2, 2))", "[('a', '<f4')]", "'f4,f4'", "'<m8[as]'", "5"]
SHAPES = ["(2, 3)", "()", "(6,)", "(-2, -3)", "(2**9,)", "[2, 3]", "(True, 6)", "(0, 9**9)", "(1e9,)", "f()"]


@pytest.fixture(scope="module")
def folder(tiny_shards, tmp_path_factory) -> Path:
    return Path(shutil.copytree(tiny_shards / "dev", tmp_path_factory.mktemp("fuzz") / "dev"))


@pytest.fixture(scope="module")
def entries(tiny_shards) -> list[tuple[tarfile.TarInfo, bytes]]:
    with tarfile.open(tiny_shards / "dev" / "pairs-000000.tar") as tar:
        return [(entry, tar.extractfile(entry).read()) for entry in tar]


def read(folder: Path) -> None:
    dataset = PairDataset(folder)
    collate_pairs([dataset[number] for number in range(len(dataset))])


def test_the_valid_one_is_read(folder, tiny_shards):
    shutil.copy(tiny_shards / "dev" / "pairs-000000.tar", folder)
    read(folder)


@given(st.data())
def test_bytes(folder, tiny_shards, entries, damaged, only_value_errors, data):
    places = tuple(place for entry, _ in entries for place in (entry.offset, entry.offset_data))
    shard = (tiny_shards / "dev" / "pairs-000000.tar").read_bytes()
    (folder / "pairs-000000.tar").write_bytes(data.draw(damaged(shard, places)))
    only_value_errors(lambda: read(folder))


@given(st.data())
def test_structure(folder, entries, damaged, altered, only_value_errors, data):
    changed = data.draw(st.sampled_from([*range(len(entries)), *range(len(entries))]))
    stream = io.BytesIO()
    for number, (entry, content) in enumerate(entries):
        header = tarfile.TarInfo(entry.name)
        header.size = len(content)
        if number == changed:
            match data.draw(st.sampled_from(["content", "content", "json", "name", "type", "size", "twice", "gone"])):
                case "content":
                    content = data.draw(damaged(content))
                    header.size = len(content)
                case "json":
                    header.name = f"{entry.name.partition('.')[0]}.json"
                    meta = {"text": "", "label": 0, "group": "", "clip": "", "frame": -1}
                    content = json.dumps(data.draw(altered(meta))).encode()
                    header.size = len(content)
                case "name":
                    header.name = data.draw(st.sampled_from(NAMES))
                case "type":
                    header.type = data.draw(st.sampled_from(TYPES))
                case "size":
                    header.size = data.draw(st.integers(-(2**40), 2**62))
                case "twice":
                    stream.write(header.tobuf(tarfile.GNU_FORMAT) + content + bytes(-len(content) % 512))
                case "gone":
                    continue
        stream.write(header.tobuf(tarfile.GNU_FORMAT, errors="surrogateescape") + content + bytes(-len(content) % 512))
    (folder / "pairs-000000.tar").write_bytes(stream.getvalue() + bytes(1024))
    only_value_errors(lambda: read(folder))


@given(st.data())
def test_arrays(damaged, only_value_errors, data):
    stream = io.BytesIO()
    np.save(stream, np.arange(6, dtype=np.float32).reshape(2, 3))
    content = data.draw(damaged(stream.getvalue(), (0, 0, 20)))
    only_value_errors(lambda: read_npy(content, ("float16", "float32", "float64")))


@given(
    st.sampled_from(DTYPES),
    st.sampled_from(["True", "False", "0", "None", "'x'"]),
    st.sampled_from(SHAPES),
    st.binary(max_size=40) | st.just(bytes(24)),
    st.sampled_from([(1, 0), (2, 0), (3, 0), (9, 9)]),
)
def test_array_headers(only_value_errors, dtype, fortran, shape, content, version):
    text = f"{{'descr': {dtype}, 'fortran_order': {fortran}, 'shape': {shape}, }}".encode() + b"\n"
    length = len(text).to_bytes(2 if version == (1, 0) else 4, "little")
    only_value_errors(lambda: read_npy(b"\x93NUMPY" + bytes(version) + length + text + content, ("float16", "float32")))


@pytest.fixture(scope="module")
def pictures() -> list[bytes]:
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "words"
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (12, 9, 3), dtype=np.uint8))
    files = []
    for picture, kind in ((noise, "PNG"), (noise, "JPEG"), (noise, "WEBP"), (noise.quantize(), "PNG"), (noise, "BMP")):
        stream = io.BytesIO()
        picture.save(stream, kind, exif=exif)
        files.append(stream.getvalue())
    return files


@given(st.data())
def test_pictures(pictures, damaged, only_value_errors, data):
    content = data.draw(damaged(data.draw(st.sampled_from(pictures)), (0, 20, 60)))
    only_value_errors(lambda: read_picture(io.BytesIO(content), "x"))
