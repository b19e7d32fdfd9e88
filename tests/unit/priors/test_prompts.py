import io
import json
import logging
import tarfile

import pytest

from inverter.priors.prompts import choose_prompts, note_prompts, read_prompts


@pytest.mark.parametrize(
    ("kind", "prompt"),
    [("both", "a dog on a hill"), ("foreground", "a dog"), ("background", "a hill"), ("none", "")],
)
def test_kinds(tmp_path, kind, prompt):
    (tmp_path / "p.csv").write_text("key,foreground,background\na, a dog,a hill \nb,,a wall\n", encoding="utf-8")
    prompts = read_prompts(str(tmp_path / "p.csv"), kind)
    assert prompts["a"] == prompt
    assert prompts["b"] == {"both": "a wall", "background": "a wall"}.get(kind, "")


def test_free_text_may_hold_commas_and_lines(tmp_path):
    (tmp_path / "p.csv").write_bytes('\ufeffkey,prompt\n"x","a cat, ""grey"""\n\ny,\n'.encode())
    assert read_prompts(str(tmp_path / "p.csv")) == {"x": 'a cat, "grey"', "y": ""}
    assert read_prompts(str(tmp_path / "p.csv"), "none") == {"x": "", "y": ""}
    (tmp_path / "p.csv").write_text("key,prompt\n my photo ,a dog\nsub/a,a cat\n")
    assert read_prompts(str(tmp_path / "p.csv")) == {"my_photo": "a dog", "sub_a": "a cat"}


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("", "both", r"columns are \[\]; allowed: key,prompt or key,foreground,background"),
        ("key,text\na,b\n", "both", r"columns are \['key', 'text'\]"),
        ("key,prompt\na\n", "both", r"line 2 has 1 values; needed: 2"),
        ("key,prompt\na,x\na,y\n", "both", r"key 'a' occurs twice"),
        ("key,prompt\na,x\n", "foreground", r"prompt_kind=foreground needs the columns key,foreground,background"),
        ('key,prompt\na,"x\n', "both", r"cannot be read"),
        ("key,prompt\na,x\n", "wrong", r"prompt_kind is 'wrong'; allowed: both, foreground, background, none"),
    ],
)
def test_files_that_cannot_be_used(tmp_path, text, kind, message):
    (tmp_path / "p.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_prompts(str(tmp_path / "p.csv"), kind)


SHARD = {"a": {"foreground": "a dog", "background": "a hill"}, "b": {"caption": "a cat"}, "c": {}}


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("both", {"a": "a dog on a hill", "b": "a cat"}),
        ("foreground", {"a": "a dog", "b": "a cat"}),
        ("background", {"a": "a hill", "b": ""}),
        ("none", {"a": "", "b": ""}),
    ],
)
def test_shards_say_what_is_in_front_and_behind(tmp_path, kind, expected):
    with tarfile.open(tmp_path / "x-000.tar", "w") as tar:
        for key, said in SHARD.items():
            for name, data in ((f"{key}.png", b"never decoded"), (f"{key}.json", json.dumps(said).encode())):
                entry = tarfile.TarInfo(name)
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))
    assert read_prompts(f"{tmp_path}/x-*.tar", kind) == expected
    with pytest.raises(ValueError, match=r"y-\*.tar' matches no file"):
        read_prompts(f"{tmp_path}/y-*.tar", kind)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ValueError, match=r"prompts .*none.csv cannot be read"):
        read_prompts(str(tmp_path / "none.csv"))


def test_each_image_gets_its_own_or_the_common_one(caplog):
    assert choose_prompts(["a", "b"], "x", None) == ["x", "x"]
    assert choose_prompts(["a", "b"], None, None) == [None, None]
    with caplog.at_level(logging.WARNING):
        assert choose_prompts(["a", "b"], "x", {"b": ""}) == ["x", ""]
    assert "1 image(s) have no line among the prompts: a" in caplog.text


def test_long_prompts_and_unknown_words_are_logged_and_taken(tiny_prior, caplog):
    with caplog.at_level(logging.WARNING):
        note_prompts(tiny_prior, ["a dog", None, ""])
    assert caplog.text == ""
    long = "a dog " * 20
    with caplog.at_level(logging.WARNING):
        note_prompts(tiny_prior, [long, long, "a zeppelin at night"])
    assert caplog.text.count("the prior reads 12") == 1
    assert "never had zeppelin" in caplog.text
    assert len(tiny_prior.condition([long, "a zeppelin"])) == 2
