import pytest
from PIL import Image

from inverter.data.sources.folder import FolderSource


def test_folder_is_read_in_order_with_unique_safe_keys(tmp_path):
    for name in ("b/ä.png", "b/ö.png", "a.b.jpg", "A.b.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (6, 4)).save(tmp_path / name)
    (tmp_path / "z.txt").write_text("no picture")
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
