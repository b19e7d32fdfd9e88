import io
import json
import tarfile

from PIL import Image

from inverter.lab.experiments.config import PicturesConfig
from inverter.lab.experiments.picture_set import read_pictures


def test_crops_of_one_photo_are_one_source(tmp_path):
    stream = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(stream, "PNG")
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        for key, said in (("a", {"group": "photo"}), ("b", {"group": "photo"}), ("c", {"caption": "a dog"})):
            for name, data in ((f"{key}.png", stream.getvalue()), (f"{key}.json", json.dumps(said).encode())):
                entry = tarfile.TarInfo(name)
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))
    found = read_pictures(PicturesConfig(val=str(tmp_path / "x.tar"), num_distractors=0), 3, 8).items
    assert [picture.group for picture in found] == ["photo", "photo", "c"]
