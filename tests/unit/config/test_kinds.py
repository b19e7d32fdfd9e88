"""A section with kinds has the keys of its kind, and no others."""

from dataclasses import asdict, fields, replace
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from inverter.blackbox.config import TrainConfig
from inverter.blackbox.models import ModelConfig
from inverter.blackbox.models.inverter import InverterConfig
from inverter.blackbox.models.surrogate import SurrogateConfig
from inverter.config import config_of, load_config, read_config
from inverter.config.errors import ConfigError
from inverter.run.recipe import Recipe
from inverter.run.record import save_config
from inverter.run.training import resume_path

REQUIRED = ["data.path=pairs", "output=out"]
KINDS = ("fia_flow", "inverter", "surrogate", "upconv")


def model(*given: str | Path) -> ModelConfig:
    """Section ``model`` of files and words, in this order."""
    files = [each for each in given if isinstance(each, Path) or each.endswith(".yaml")]
    return load_config(TrainConfig, files, [*REQUIRED, *(str(each) for each in given if each not in files)]).model


@pytest.fixture
def write(tmp_path):
    def to(name: str, text: str) -> Path:
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return to


def test_every_kind_has_a_section_of_its_own():
    assert ModelConfig.kinds() == KINDS
    assert [ModelConfig.of_kind(kind).kind for kind in KINDS] == list(KINDS)
    assert asdict(ModelConfig.of_kind("upconv")) == {"kind": "upconv"}
    assert TrainConfig().model == InverterConfig()
    assert InverterConfig.readers.keys() <= {entry.name for entry in fields(InverterConfig)}


def test_what_a_file_says_of_another_kind_is_dropped(write):
    assert model("train.yaml", "model.kind=upconv") == ModelConfig("upconv")
    surrogate = write("mine.yaml", "model: {kind: surrogate, width: 8}\n")
    assert model("train.yaml", "train_long.yaml", surrogate, "model.depth=1") == SurrogateConfig(width=8, depth=1)
    assert model(surrogate, "model.kind=inverter") == InverterConfig()
    assert model("train.yaml", "train_long.yaml", "model.kind=upconv") == ModelConfig("upconv")


def test_what_a_file_says_of_no_kind_is_of_the_kind_chosen_in_the_end(write):
    sizes = write("a.yaml", "model: {width: 64, depth: 2}\n")
    assert model(sizes, "model.kind=surrogate") == SurrogateConfig(width=64, depth=2)
    assert model(sizes, write("b.yaml", "model: {kind: surrogate, depth: 3}\n")) == SurrogateConfig(width=64, depth=3)
    with pytest.raises(ConfigError, match=r"a\.yaml: unknown key 'model.width' of model.kind=upconv; allowed: mo"):
        model(sizes, "model.kind=upconv")


def test_a_section_that_is_dropped_is_checked(write):
    with pytest.raises(ConfigError, match=r"a\.yaml: unknown key 'model.widht' of model.kind=surrogate; did you"):
        model(write("a.yaml", "model: {kind: surrogate, widht: 8}\n"), "model.kind=inverter")


def test_words_are_of_the_kind_that_one_of_them_names():
    for words in (["model.kind=surrogate", "model.width=8"], ["model.width=8", "model.kind=surrogate"]):
        assert model("train.yaml", *words) == SurrogateConfig(width=8)
    assert model("train.yaml", "model={kind: surrogate, width: 8}") == SurrogateConfig(width=8)
    for words in (["model.depth=9", "model={kind: surrogate}"], ["model={kind: surrogate}", "model.depth=9"]):
        assert model("train.yaml", *words) == SurrogateConfig(depth=9)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["model.kind=upconv", "model.strength=0.5"], "'model.strength' of model.kind=upconv; allowed: model.kind"),
        (["model.strength=0.5", "model.kind=upconv"], "'model.strength' of model.kind=upconv; allowed: model.kind"),
        (
            ["model.kind=surrogate", "model.head_width=8"],
            "'model.head_width' of model.kind=surrogate; allowed: model.kind, model.width, model.depth",
        ),
        (
            ["model.strenght=1"],
            "'model.strenght' of model.kind=inverter; did you mean model.strength?",
        ),
        (["model.kind=upconv", "model.widht=3"], "'model.widht' of model.kind=upconv; allowed: model.kind"),
    ],
)
def test_a_key_that_a_kind_has_not_is_an_error(words, message):
    wrong = next(word for word in words if not word.startswith("model.kind"))
    with pytest.raises(ConfigError) as error:
        model("train.yaml", *words)
    assert str(error.value) == f"argument '{wrong}': unknown key {message}"


def test_a_later_file_is_of_the_kind_that_was_named_before(write):
    mine, later = write("mine.yaml", "model: {kind: upconv}\n"), write("later.yaml", "model: {strength: 0.5}\n")
    with pytest.raises(ConfigError, match=r"later.yaml: unknown key 'model.strength' of model.kind=upconv; allowed"):
        model(mine, later)


@pytest.mark.parametrize("word", ["model.kind=gan", "model={kind: gan}"])
def test_an_unknown_kind_says_which_there_are(word):
    with pytest.raises(ConfigError) as error:
        model(word)
    assert str(error.value) == f"argument '{word}': model.kind is 'gan'; allowed: {', '.join(KINDS)}"


@pytest.mark.parametrize(
    ("key", "setting", "read_by"),
    [
        ("coarse_width=8", "conditioning=tokens", "conditioning=control"),
        ("noise_level=0.5", "conditioning=tokens", "conditioning=control"),
        ("null_share=0.5", "conditioning=tokens", "conditioning=control"),
        ("num_tokens=8", "conditioning=control", "conditioning=tokens"),
        ("text_weight=0.5", "conditioning=control", "conditioning=tokens"),
        ("rank=8", "tune=none", "tune=lora"),
        ("rank=8", "tune=full", "tune=lora"),
        ("tune_lr=0.5", "tune=none", "tune=lora, model.tune=full"),
        ("alone_share=0.5", "tune=none", "tune=lora, model.tune=full"),
        ("head_width=8", "head=false", "head=true"),
        ("head_weight=0.5", "head=false", "head=true"),
    ],
)
def test_a_key_that_other_settings_leave_without_effect_is_an_error(key, setting, read_by):
    name, _, value = key.partition("=")
    with pytest.raises(ConfigError) as error:
        model(f"model.{key}", f"model.{setting}")
    assert str(error.value) == (
        f"model.{name} is {value}, which model.{setting} does not read; allowed: with model.{read_by}"
    )
    assert getattr(model(f"model.{key}", f"model.{read_by.partition(',')[0]}"), name) == float(value)


@pytest.mark.parametrize(
    ("given", "warning"),
    [
        (
            ["train.yaml", "train_long.yaml", "model.conditioning=tokens"],
            "model.noise_level has no effect with model.conditioning=tokens; it is read with model.con",
        ),
        (["head_width: 8", "model.head=false"], "model.head_width has no effect with model.head=false; it is read wi"),
        (["rank: 8", "model.tune=none"], "model.rank has no effect with model.tune=none; it is read with model.tune="),
    ],
)
def test_a_key_of_a_file_that_other_settings_leave_without_effect_is_a_warning(write, caplog, given, warning):
    model(*(write("mine.yaml", f"model: {{{each}}}\n") if ": " in each else each for each in given))
    assert [record.levelname for record in caplog.records] == ["WARNING"] and warning in caplog.text


def test_a_run_goes_on_whatever_a_key_without_effect_says(write, tmp_path):
    config = load_config(TrainConfig, ["train.yaml"], [f"output={tmp_path}", "model.conditioning=tokens"])
    save_config(replace(config, model=replace(config.model, noise_level=0.2, rank=4)), tmp_path / "train.yaml")
    (tmp_path / "checkpoints").mkdir()
    write("checkpoints/last.ckpt", "")
    assert resume_path(config, "train") == str(tmp_path / "checkpoints" / "last.ckpt")
    assert resume_path(load_config(TrainConfig, [tmp_path / "train.yaml"]), "train") is not None
    for key, now in (("num_tokens", 8), ("conditioning", "control")):
        with pytest.raises(ValueError, match=rf"was made with .*model.{key}=.*, now {now!r}"):
            resume_path(replace(config, model=replace(config.model, **{key: now})), "train")


def test_a_saved_config_has_the_keys_of_its_kind_alone(tmp_path):
    config = load_config(TrainConfig, ["train.yaml"], ["model.kind=surrogate", "model.depth=1"])
    save_config(config, tmp_path / "train.yaml")
    saved = OmegaConf.load(tmp_path / "train.yaml").model
    assert saved == {"kind": "surrogate", "width": 128, "depth": 1}
    assert read_config(TrainConfig, tmp_path / "train.yaml") == config
    assert Recipe(config).changes(asdict(config)) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_that_was_saved_with_the_keys_of_all_kinds_loads(tmp_path, kind):
    before = asdict(load_config(TrainConfig, ["train.yaml"]))
    before["model"] |= {"kind": kind, "width": 16, "rank": 4}  # rank has no effect with tune=none
    OmegaConf.save(OmegaConf.create(before), tmp_path / "train.yaml")
    read = read_config(TrainConfig, tmp_path / "train.yaml")
    assert read == config_of(TrainConfig, before)
    known = asdict(ModelConfig.of_kind(kind)).keys()
    assert asdict(read.model) == {key: value for key, value in before["model"].items() if key in known}
    before["model"]["nonsense"] = 1
    with pytest.raises(ConfigError, match=f"values: unknown key 'model.nonsense' of model.kind={kind}; "):
        config_of(TrainConfig, before)
