"""Pictures of every kind and pictures that are none."""

import io
import struct
import sys
import tarfile
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from inverter.config import PrepareConfig
from inverter.data.build import PairBuilder
from inverter.data.pictures import read_picture
from inverter.data.sources.open import open_source
from inverter.targets.target import MultiTarget

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(executed) (w) file closefile\n%%EOF\n"


def encode(picture: Image.Image, kind: str, **options) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims to be huge."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\x00" * 100)) + chunk(b"IEND", b"")


def long_text() -> bytes:
    """A PNG whose compressed comment unfolds to a hundred million bytes."""
    png = encode(Image.new("RGB", (2, 2)), "PNG")
    return png[:33] + chunk(b"zTXt", b"Comment\x00\x00" + zlib.compress(b" " * 100_000_000)) + png[33:]


@pytest.mark.parametrize(
    ("what", "data"),
    [
        ("a file that is no picture", b"no picture"),
        ("an empty file as picture", b""),
        ("a truncated picture", encode(Image.effect_noise((64, 64), 90), "JPEG")[:700]),
        ("a decompression bomb", bomb(60_000, 60_000)),
        ("a picture with an endless comment", long_text()),
        ("a picture in a format that runs a program", EPS),
    ],
)
def test_refused(tmp_path, refused, what, data):
    (tmp_path / "x.png").write_bytes(data)
    refused(what, lambda: read_picture(tmp_path / "x.png", str(tmp_path / "x.png")))


def test_folders_without_pictures(tmp_path, refused, monkeypatch):
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    for what, source in (
        ("an empty folder as source", f"folder:{tmp_path}"),
        ("a source folder that is not there", f"folder:{tmp_path / 'none'}"),
        ("a `pipe:` URL as source", f"shards:pipe:touch {tmp_path / 'executed'}"),
        ("a URL whose file system is not installed", "shards:gs://bucket/*.tar"),
        ("an unknown source", "webcam:0"),
    ):
        refused(what, lambda source=source: open_source(PrepareConfig(output="unused", source=source)))


def test_a_broken_link(tmp_path, refused):
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    (tmp_path / "b.png").symlink_to(tmp_path / "absent.png")
    refused(
        "a folder of pictures with a broken link",
        lambda: open_source(PrepareConfig(output="", source=f"folder:{tmp_path}")),
    )


def test_image_shards_with_bad_members(tmp_path, refused):
    def write(members: dict[str, bytes]) -> None:
        with tarfile.open(tmp_path / "x.tar", "w") as tar:
            for name, data in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))

    def read() -> list:
        config = PrepareConfig(output="unused", source=f"shards:{tmp_path / 'x.tar'}")
        return list(open_source(config).shard(0))

    good = encode(Image.new("RGB", (4, 4)), "PNG")
    write({"../../escape.png": good, "/etc/passwd.png": good})
    assert all(item.key.replace("_", "").isalnum() for item in read())  # safe, whatever the names were
    write({"a.png": good, "a.json": b"{"})
    refused("an image shard with a json that is no JSON", read)
    write({"a.png": good[:40]})
    refused("an image shard with a damaged picture", read)
    write({"a.png": good, "a.jpg": good})
    refused("an image shard with two pictures under one key", read)
    write({"a.png": good, "b.png": good, "a.txt": b"a dog"})
    refused("an image shard whose members do not lie side by side", read)
    write({"a.png": good, "a.json": b'{"caption": ["a dog", "a cat"]}'})
    refused("an image shard with a caption that is a list", read)
    write({"a.png": good, "b.png": good})
    (tmp_path / "x.tar").write_bytes((tmp_path / "x.tar").read_bytes()[:1550])
    refused("an image shard that is cut off", read)
    (tmp_path / "x.tar").write_bytes(b"no tar at all" * 100)
    refused("an image shard that is no tar", read)


def turned() -> bytes:
    """Left half red, right half blue, stored lying on its side."""
    pixels = np.zeros((8, 8, 3), dtype=np.uint8)
    pixels[4:] = (255, 0, 0)
    pixels[:4] = (0, 0, 255)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    return encode(Image.fromarray(pixels), "PNG", exif=exif)


def palette() -> bytes:
    picture = Image.new("P", (8, 8), 0)
    picture.putpalette([0, 0, 0, 0, 255, 0])
    picture.paste(1, (0, 0, 8, 4))
    return encode(picture, "PNG", transparency=0)


@pytest.mark.parametrize(
    ("name", "data", "first", "last"),
    [
        ("grey.png", encode(Image.new("L", (8, 8), 77), "PNG"), (77, 77, 77), (77, 77, 77)),
        ("rgba.png", encode(Image.new("RGBA", (8, 8), (10, 20, 30, 0)), "PNG"), (255, 255, 255), (255, 255, 255)),
        ("deep.png", encode(Image.fromarray(np.full((8, 8), 32896, np.uint16)), "PNG"), (128,) * 3, (128,) * 3),
        ("cmyk.jpg", encode(Image.new("CMYK", (8, 8), (0, 0, 0, 255)), "JPEG"), (0, 0, 0), (0, 0, 0)),
        ("palette.png", palette(), (0, 255, 0), (255, 255, 255)),
        ("turned.png", turned(), (255, 0, 0), (0, 0, 255)),
        ("one.png", encode(Image.new("RGB", (1, 1), (1, 2, 3)), "PNG"), (1, 2, 3), (1, 2, 3)),
        ("line.png", encode(Image.new("RGB", (1, 90), (1, 2, 3)), "PNG"), (1, 2, 3), (1, 2, 3)),
    ],
)
@pytest.mark.parametrize("augment", ["none", "jitter"])
def test_every_kind_becomes_a_pair(tmp_path, name, data, first, last, augment):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    (pictures / name).write_bytes(data)
    config = PrepareConfig(output="unused", source=f"folder:{pictures}", precision="fp32", augment=augment)
    network = torch.nn.Sequential(torch.nn.Identity())
    target = MultiTarget(network, ["0"], name="same", input_size=8, mean=[0.0] * 3, std=[1.0] * 3)
    record = PairBuilder({"0": tmp_path}, open_source(config), config, 8, target=target).write(0, ["0"])["0"]
    assert record.info.count == 1
    with tarfile.open(tmp_path / record.info.name) as tar:
        members = {entry.name.partition(".")[2]: tar.extractfile(entry).read() for entry in tar}
    picture = Image.open(io.BytesIO(members["png"]))
    assert (picture.mode, picture.size) == ("RGB", (8, 8))
    assert np.load(io.BytesIO(members["features.npy"])).shape == (3, 8, 8)
    if augment == "none":
        assert (picture.getpixel((0, 0)), picture.getpixel((7, 7))) == (first, last)
