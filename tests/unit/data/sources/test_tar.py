import gzip
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inverter.data.sources.tar import TarSource, expand_shards


def encode(shade: int, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (6, 4), (shade, shade, shade)).save(buffer, kind)
    return buffer.getvalue()


def write_tar(path: Path, samples: list[dict[str, bytes]], mode: str = "w") -> None:
    path.parent.mkdir(exist_ok=True)
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


def test_names_with_dots_are_left_out_aloud(tmp_path, caplog):
    write_tar(tmp_path / "a.tar", [{"x.1.png": encode(1)}, {"x.2.png": encode(2)}])
    with pytest.raises(ValueError, match=r"a.tar' hold no picture; .*; 'x.1.png' has a dot before its ending"):
        list(TarSource(f"{tmp_path}/a.tar", 9).shard(0))
    write_tar(tmp_path / "a.tar", [{"x.1.png": encode(1)}, {"y.png": encode(2)}])
    assert [item.key for item in TarSource(f"{tmp_path}/a.tar", 9).shard(0)] == ["y"]
    assert "1 picture(s) are left out; 'x.1.png' has a dot" in caplog.text


def test_a_key_with_two_pictures_is_asked_for(tmp_path):
    write_tar(tmp_path / "a.tar", [{"000.jpg": encode(200, "JPEG"), "000.png": encode(1), "000.seg.png": encode(7)}])
    with pytest.raises(ValueError, match=r"key '000' has pictures png, jpg; .*dataset.image=png or dataset.image=jpg"):
        list(TarSource(f"{tmp_path}/a.tar", 9).shard(0))
    for member, shade in (("jpg", 200), ("png", 1), ("seg.png", 7)):
        assert shades(TarSource(f"{tmp_path}/a.tar", 9, member=member), 0) == [shade]
    with pytest.raises(ValueError, match=r"hold no picture; allowed: dataset.image=null; now webp"):
        list(TarSource(f"{tmp_path}/a.tar", 9, member="webp").shard(0))


@pytest.mark.parametrize(
    "names",
    [("0.png", "1.png", "0.txt", "1.txt"), ("0.txt", "1.txt", "0.png", "1.png"), ("0.png", "1.png", "0.png")],
    ids=["texts behind", "texts before", "a picture twice"],
)
def test_members_that_do_not_lie_side_by_side_are_refused(tmp_path, names):
    data = {"png": encode(1), "txt": b"a cat"}
    write_tar(tmp_path / "a.tar", [{name: data[name.partition(".")[2]]} for name in names])
    with pytest.raises(ValueError, match=r"a.tar: members of key '0' do not lie side by side, or occur twice; write"):
        list(TarSource(f"{tmp_path}/a.tar", 9).shard(0))


def test_what_systems_hide_in_tars_is_left_out(tmp_path, caplog):
    hidden = ("._0.png", "./._0.png", "__MACOSX/a/0.png", ".thumbnails/0.png", "a/.ipynb_checkpoints/0.png")
    named = {"./0.png": encode(1), "./0.txt": "\ufeffa cat".encode(), **dict.fromkeys(hidden, encode(9)), "a.tar": b"x"}
    write_tar(tmp_path / "a.tar", [named])
    (item,) = TarSource(f"{tmp_path}/a.tar", 9).shard(0)
    assert (item.key, item.text) == ("0", "a cat")
    assert "members of other kinds are left out: {'tar': 1}" in caplog.text
    write_tar(tmp_path / "a.tar", [{"b.tar": b"x"}])
    with pytest.raises(ValueError, match=r"hold no picture; allowed: .*; they hold 1 .tar"):
        list(TarSource(f"{tmp_path}/a.tar", 9).shard(0))


def test_composed_and_decomposed_names_are_one_key(tmp_path):
    write_tar(tmp_path / "a.tar", [{"e\u0301.png": encode(1), "\u00e9.txt": b"a cat"}])
    assert [item.text for item in TarSource(f"{tmp_path}/a.tar", 9).shard(0)] == ["a cat"]


def test_a_caption_is_one_text(tmp_path):
    write_tar(tmp_path / "a.tar", [{"0.png": encode(1), "0.json": b'{"caption": ["a", "b"]}'}])
    with pytest.raises(ValueError, match=r"json says caption or text \['a', 'b'\]; allowed: one text"):
        list(TarSource(f"{tmp_path}/a.tar", 9).shard(0))


@pytest.mark.parametrize("folder", ["run[1]", "set{a}", "set{a,b}", "a*", "wh?t", "{open", "[x", "a b", "#1"])
def test_a_file_of_that_very_name_is_no_pattern(tmp_path, folder):
    for name in ("x.tar", "y.tar", "z[0].tar"):
        write_tar(tmp_path / folder / name, [])
    write_tar(tmp_path / "run1" / "x.tar", [])
    inside = f"{tmp_path}/{folder}"
    assert expand_shards(f"{inside}/x.tar") == [f"{inside}/x.tar"]
    assert expand_shards(f"{inside}/[xy].tar") == expand_shards(f"{inside}/{{x,y}}.tar")
    assert expand_shards(f"{inside}/{{x,z[0]}}.tar") == [f"{inside}/x.tar", f"{inside}/z[0].tar"]
    assert expand_shards(f"{tmp_path}/run[1-2]/x.tar") == [f"{tmp_path}/run1/x.tar"]
    assert expand_shards(f"{tmp_path}/{{run1,run1}}/x.tar") == [f"{tmp_path}/run1/x.tar"] * 2


def test_a_url_of_that_very_name_is_no_pattern(tmp_path):
    write_tar(tmp_path / "run[1]" / "x.tar", [])
    assert expand_shards(f"file://{tmp_path}/run[1]/x.tar") == [f"file://{tmp_path}/run[1]/x.tar"]


@pytest.mark.parametrize("pattern", ["pipe:cat a.tar", "{pipe:cat,x.tar}", "absent-*.tar"])
def test_commands_and_patterns_that_match_nothing_are_refused(pattern):
    with pytest.raises(ValueError, match=r"name a command|matches no file"):
        expand_shards(pattern)


def test_what_tarfile_would_pass_over_is_said(tars, caplog):
    whole = (tars / "a.tar").read_bytes()
    with tarfile.open(tars / "a.tar") as tar:
        last = tar.getmembers()[-1]
    end = last.offset_data + -(-last.size // 512) * 512
    assert shades(TarSource(f"{tars}/a.tar", 9), 0) == [0, 1, 2] and not caplog.messages
    (tars / "open.tar").write_bytes(whole[:end])
    assert shades(TarSource(f"{tars}/open.tar", 9), 0) == [0, 1, 2]
    assert caplog.messages == [f"shard {tars}/open.tar ends without the mark that ends a tar: it may have been cut off"]
    caplog.clear()
    (tars / "two.tar").write_bytes(whole * 2)
    assert shades(TarSource(f"{tars}/two.tar", 9), 0) == [0, 1, 2]
    (message,) = caplog.messages
    assert "two.tar: what lies behind the end of its first tar is left out; join tars by `tar -A`" in message


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda data, at: data[: at + 100], "truncated header at byte"),
        (lambda data, at: data[: at + 10] + b"\xff" + data[at + 11 :], "bad checksum at byte"),
    ],
)
@pytest.mark.parametrize("name", ["x.tar", "x.tar.gz"])
def test_a_damaged_header_between_members_is_no_end(tars, damage, reason, name):
    with tarfile.open(tars / "a.tar") as tar:
        at = tar.getmember("x2.png").offset
    data = damage((tars / "a.tar").read_bytes(), at)
    (tars / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    with pytest.raises(ValueError, match=rf"^source=shards:.*{name} cannot be read: {reason} {at}$"):
        list(TarSource(f"{tars}/{name}", 9).shard(0))


def test_links_are_left_out_with_a_word(tars, caplog):
    with tarfile.open(tars / "linked.tar", "w") as tar:
        for name, kind in (("a.png", None), ("b.png", tarfile.SYMTYPE), ("c.png", tarfile.LNKTYPE)):
            entry = tarfile.TarInfo(name)
            if kind is None:
                entry.size = len(encode(7))
                tar.addfile(entry, io.BytesIO(encode(7)))
            else:
                entry.type, entry.linkname = kind, "a.png"
                tar.addfile(entry)
    assert [item.key for item in TarSource(f"{tars}/linked.tar", 9).shard(0)] == ["a"]
    (message,) = caplog.messages
    assert "linked.tar: 2 link(s) are left out, b.png first; `tar --dereference --hard-dereference`" in message


def test_a_class_lies_in_cls_or_json(tmp_path):
    members = [{"a.png": encode(1), "a.cls": b"7\n"}, {"b.png": encode(2), "b.cls": b"7", "b.json": b'{"label": 3}'}]
    write_tar(tmp_path / "x.tar", [*members, {"c.png": encode(3), "c.cls": b"fish"}, {"d.png": encode(4)}])
    assert [item.label for item in TarSource(str(tmp_path / "x.tar"), 9).shard(0)] == [7, 3, -1, -1]
