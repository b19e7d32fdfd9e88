"""What the words of the command line, and of a config file, stand for."""

from pathlib import Path

import pytest

from inverter.blackbox.config import TrainConfig
from inverter.config import PrepareConfig, PublishConfig, find_config, load_config, names_file, read_config
from inverter.config.errors import ConfigError
from inverter.lab.experiments.config import SmoothingExperimentConfig
from inverter.run.record import save_config
from inverter.whitebox.config import InvertConfig

TEXTS = [
    *("a photo #nofilter", "portrait: a man", "[sale] shoes", "@home", "*", "!wow", "&x", "{a}", "- a", "| a", "> a"),
    *(
        "${HOME}",
        r"a \${x}",
        '"quoted"',
        "'quoted'",
        "it's",
        " spaces ",
        "two\nlines",
        "tab\t",
        "a=b",
        "a, b",
        "%x",
        "`x`",
    ),
    *(
        "true",
        "no",
        "1e3",
        "007",
        "1_0",
        "2026-01-01",
        ".inf",
        "~",
        "~/x",
        "Null",
        r"C:\new",
        "日本 ü 🙂",
        "? x",
        "a\u2028b",
    ),
]
REQUIRED = ["data.path=pairs", "output=out"]


@pytest.mark.parametrize("text", [*TEXTS, ""])
def test_a_prompt_is_the_text_as_it_was_given(tmp_path, text):
    config = load_config(InvertConfig, [], ["input=x", f"prompt={text}"])
    assert config.prompt == text
    save_config(config, tmp_path / "saved.yaml")
    assert read_config(InvertConfig, tmp_path / "saved.yaml") == config


@pytest.mark.parametrize("text", [text for text in TEXTS if not text.startswith(("~", "$", r"a \$"))])
def test_a_path_is_the_text_as_it_was_given(tmp_path, text):
    config = load_config(PrepareConfig, [], ["output=x", f"source=folder:{text}", f"target.layer={text}"])
    assert (config.source, config.target.layer) == (f"folder:{text}", text)
    save_config(config, tmp_path / "saved.yaml")
    assert read_config(PrepareConfig, tmp_path / "saved.yaml") == config


def test_null_is_none_where_the_key_may_be_without_a_value():
    assert load_config(InvertConfig, [], ["input=x", "prompt=a", "prompt=null"]).prompt is None
    with pytest.raises(ConfigError, match="prior"):
        load_config(TrainConfig, [], [*REQUIRED, "prior=null"])


def test_what_a_list_holds_may_be_quoted():
    words = [*REQUIRED, "data.also=[a, 'b, c', \"d #2\", 1.10, '*', 'null']"]
    assert load_config(TrainConfig, [], words).data.also == ["a", "b, c", "d #2", "1.10", "*", "null"]


@pytest.mark.parametrize(("text", "number"), [("007", 7), ("-3", -3), ("1_000", 1000)])
def test_numbers(text, number):
    assert load_config(PrepareConfig, [], ["output=x", f"pairs={text}"]).pairs == number


def test_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    file = tmp_path / "mine.yaml"
    file.write_text("output: ~/pairs\nsource: folder:~/pictures\n")
    config = load_config(PrepareConfig, [file], ["prior=~", "features=a/~/b", "target.name=module:x~y:z"])
    assert (config.output, config.source) == ("/home/me/pairs", "folder:/home/me/pictures")
    assert (config.prior, config.features, config.target.name) == ("/home/me", "a/~/b", "module:x~y:z")
    assert load_config(TrainConfig, [], [*REQUIRED, "data.also=[~/a,b]"]).data.also == ["/home/me/a", "b"]
    clips = load_config(SmoothingExperimentConfig, [], ["layers=[{layer: a, inverter: ~/i}]", "clips=[~/a.mp4]"])
    assert (clips.layers[0].inverter, clips.clips) == ("/home/me/i", ["/home/me/a.mp4"])


def test_a_home_that_is_nobodys_is_refused():
    with pytest.raises(ConfigError, match=r"output is '~nosuchuser/x', and there is no user 'nosuchuser'; allowed: ~/"):
        load_config(PrepareConfig, [], ["output=~nosuchuser/x"])
    assert load_config(PrepareConfig, [], ["output=./~nosuchuser/x"]).output == "./~nosuchuser/x"


def test_references_are_the_users_own(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET", "hidden")
    file = tmp_path / "train.yaml"
    file.write_text("data: {path: pairs}\noutput: out-${oc.env:SECRET}\n")
    assert load_config(TrainConfig, [file]).output == "out-hidden"
    with pytest.raises(ConfigError, match=r"train.yaml holds the reference 'out-\$\{oc.env:SECRET\}'; allowed: plain"):
        read_config(TrainConfig, file)
    file.write_text("data: {path: pairs, also: [a, '${seed}']}\noutput: out\n")
    with pytest.raises(ConfigError, match=r"holds the reference '\$\{seed\}'"):
        read_config(TrainConfig, file)
    file.write_text("data: &d {path: pairs}\noutput: out\n")
    with pytest.raises(ConfigError, match=r"reference &d; allowed: plain values"):
        read_config(TrainConfig, file)


def test_a_word_with_a_folder_or_the_name_of_a_file_is_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lr=0.1").mkdir()
    (tmp_path / "run=1").mkdir()
    assert names_file(PublishConfig, "runs/lr=0.001")
    assert names_file(PublishConfig, "lr=0.1")
    assert names_file(PublishConfig, "runs/a")
    assert not names_file(PublishConfig, "lr=0.2")
    assert not names_file(PublishConfig, "run=1")
    assert not names_file(PublishConfig, "run=runs/lr=0.001")
    assert not names_file(TrainConfig, "data.path=a/b.yaml")
    assert not names_file(TrainConfig, "x=" + "a" * 5000)


@pytest.mark.parametrize(
    "name", ["mine/train.yaml", "./train.yaml", "../train.yaml", "configs/../train.yaml", "/train.yaml"]
)
def test_a_path_is_never_one_of_the_configs_that_come_along(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"does not exist; did you mean train.yaml"):
        find_config(name)


def test_a_config_that_is_a_folder_or_cannot_be_read(tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match="is a folder; allowed: a YAML file"):
        find_config(tmp_path)

    def refuse(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied", "a.yaml")

    (tmp_path / "a.yaml").write_text("seed: 1")
    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(ConfigError, match=r"cannot be read: Permission denied: a\.yaml"):
        load_config(TrainConfig, [tmp_path / "a.yaml"], REQUIRED)


@pytest.mark.parametrize(
    "data", [b"\xef\xbb\xbfseed: 3\n", b"seed: 3\r\nprior: x\r\n", b"optim: &o {lr: 1}\nseed: 3\n"]
)
def test_a_byte_order_mark_other_line_ends_and_anchors_are_read(tmp_path, data):
    (tmp_path / "a.yaml").write_bytes(data)
    assert load_config(TrainConfig, [tmp_path / "a.yaml"], REQUIRED).seed == 3


def test_a_dotted_key_of_a_file_is_told_where_it_belongs(tmp_path):
    (tmp_path / "a.yaml").write_text("optim.lr: 1\n")
    with pytest.raises(ConfigError, match=r"key 'optim\.lr' has a dot; in a file, write lr below optim"):
        load_config(TrainConfig, [tmp_path / "a.yaml"], REQUIRED)


@pytest.mark.parametrize("given", ["[topk:0.1, minmax:8:-1:1]", "topk:0.1+minmax:8:-1:1"])
def test_a_chain_may_be_a_list(tmp_path, given):
    file = tmp_path / "a.yaml"
    file.write_text(f"target:\n  payload: {given}\noutput: x\n")
    for config in (
        load_config(PrepareConfig, [file]),
        load_config(PrepareConfig, overrides=["output=x", f"target.payload={given}"]),
        load_config(PrepareConfig, overrides=["output=x", f"target=\n  payload: {given}"]),
    ):
        assert config.target.payload == "topk:0.1+minmax:8:-1:1"
    assert (
        load_config(InvertConfig, overrides=["input=a", "output=x", "target.payload=[int8]"]).target.payload == "int8"
    )
    with pytest.raises(ConfigError, match=r"target\.payload is ''"):
        load_config(PrepareConfig, overrides=["output=x", "target.payload=[]"])


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_that_some_library_refuses_is_named(seed):
    with pytest.raises(ConfigError, match=rf"^seed is {seed}; allowed: 0 to 4294967295$"):
        load_config(InvertConfig, [], ["input=x", f"seed={seed}"])
    assert load_config(InvertConfig, [], ["input=x", "seed=4294967295"]).seed == 2**32 - 1
