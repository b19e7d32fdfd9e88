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


def test_what_systems_hide_in_folders_is_left_out(tmp_path):
    hidden = (".thumbnails/a.png", ".ipynb_checkpoints/a.png", "@eaDir/a.jpg/SYNO.jpg", "__MACOSX/a.png", "sub/.b.png")
    for name in ("a.png", "sub/a.png", *hidden):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (6, 4)).save(tmp_path / name)
    (tmp_path / "._a.jpg").write_bytes(b"\x00\x05\x16\x07")
    (tmp_path / "sub" / "loop").symlink_to(tmp_path)
    assert FolderSource(tmp_path, 9).keys == ["a", "sub_a"]
    (tmp_path / ".hidden").mkdir()  # but one that was asked for
    Image.new("RGB", (6, 4)).save(tmp_path / ".hidden" / "c.png")
    assert FolderSource(tmp_path / ".hidden", 9).keys == ["c"]


def test_links_are_followed_and_broken_ones_named(tmp_path):
    (tmp_path / "pictures").mkdir()
    (tmp_path / "disk").mkdir()
    Image.new("RGB", (6, 4)).save(tmp_path / "disk" / "a.png")
    (tmp_path / "pictures" / "more").symlink_to(tmp_path / "disk")
    assert FolderSource(tmp_path / "pictures", 9).keys == ["more_a"]
    (tmp_path / "pictures" / "b.png").symlink_to(tmp_path / "absent.png")
    with pytest.raises(ValueError, match=r"b.png is a link to .*absent.png, which is not there"):
        FolderSource(tmp_path / "pictures", 9)


def test_pictures_of_other_kinds_are_left_out_aloud(tmp_path, caplog):
    for name in ("a.tif", "b.GIF", "c.mp4"):
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(ValueError, match=r"holds no picture; allowed: .*; it holds 1 .tif, 1 .gif, 1 .mp4"):
        FolderSource(tmp_path, 9)
    Image.new("RGB", (6, 4)).save(tmp_path / "d.JPEG")
    assert FolderSource(tmp_path, 9).keys == ["d"]
    assert "1 .tif, 1 .gif, 1 .mp4 left out" in caplog.text


def test_folder_errors(tmp_path):
    with pytest.raises(ValueError, match=r"holds no picture; allowed: .png, .jpg"):
        FolderSource(tmp_path, 2)
    with pytest.raises(ValueError, match="is no folder"):
        FolderSource(tmp_path / "absent", 2)
