from dataclasses import asdict
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from inverter import __main__
from inverter import config as schemas
from inverter.audit.config import AuditConfig
from inverter.blackbox.config import TrainConfig
from inverter.config import AutoencoderConfig, EvaluateConfig, PrepareConfig, config_root, find_config, load_config
from inverter.config.errors import ConfigError
from inverter.defences.config import DefendConfig
from inverter.lab.bench.config import BenchConfig
from inverter.lab.experiments.config import (
    MethodsExperimentConfig,
    PromptsExperimentConfig,
    SmoothingExperimentConfig,
)
from inverter.lab.judge.config import JudgeConfig
from inverter.lab.ladder.config import LadderConfig
from inverter.run.record import save_config
from inverter.tradeoff.config import TradeoffConfig
from inverter.whitebox.config import InvertConfig

REQUIRED = ["data.path=pairs", "output=out"]
CONFIGS = sorted(path.relative_to(config_root()) for path in config_root().rglob("*.yaml"))
SHARDS = ["data.shards=train.tar", "data.dev=dev.tar"]
SCHEMAS = {  # a config's name, or its first word: its schema, and the keys that it leaves to the user
    "prepare": (PrepareConfig, []),
    "train": (TrainConfig, []),
    "eval": (EvaluateConfig, []),
    "audit": (AuditConfig, []),
    "tradeoff": (TradeoffConfig, []),
    "defend": (DefendConfig, []),
    "invert": (InvertConfig, ["input=photo.png"]),
    "prior_autoencoder": (AutoencoderConfig, SHARDS),
    "prior_denoiser": (schemas.DenoiserConfig, SHARDS),
    "prior_distill": (schemas.DistillConfig, [*SHARDS, "prior=mine"]),
    "distill": (schemas.InverterDistillConfig, ["inverter=mine", "data.path=pairs"]),
    "prior_gpu": (AutoencoderConfig, [*SHARDS, "output=out"]),
    "judge": (JudgeConfig, SHARDS),
    "gpu": (TrainConfig, REQUIRED),
    "bench": (BenchConfig, []),
    "ladder": (LadderConfig, []),
    "hub": (schemas.HubConfig, []),
    "experiment_methods": (MethodsExperimentConfig, []),
    "experiment_prompts": (PromptsExperimentConfig, []),
    "experiment_smoothing": (SmoothingExperimentConfig, []),
}


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.mark.parametrize("config", [path for path in CONFIGS if len(path.parts) == 1], ids=str)
def test_every_config_builds(config):
    whole = config.stem in SCHEMAS
    schema, overrides = SCHEMAS[config.stem if whole else config.stem.partition("_")[0]]
    base = [] if whole else [f"{config.stem.partition('_')[0]}.yaml"]
    loaded = load_config(schema, [*base, config], overrides)
    assert isinstance(loaded, schema)
    written = OmegaConf.to_container(OmegaConf.load(config_root() / config))
    assert set(written) <= set(asdict(loaded))


@pytest.mark.parametrize(
    ("stage", "schema"), [("autoencoder", AutoencoderConfig), ("denoiser", schemas.DenoiserConfig)]
)
def test_a_gpu_changes_sizes_only(stage, schema):
    one = load_config(schema, [f"prior_{stage}.yaml"], SHARDS)
    other = load_config(schema, [f"prior_{stage}.yaml", "prior_gpu.yaml"], SHARDS)
    changed = {"data.batch_size", "data.num_workers", "compile", "trainer.device"}
    assert set(schemas.changed_keys(one, other)) <= changed


def test_the_splits_differ_only_in_what_they_say():
    train = asdict(load_config(PrepareConfig, ["prepare.yaml"]))
    dev = asdict(load_config(PrepareConfig, ["prepare.yaml", "prepare_dev.yaml"]))
    val = asdict(load_config(PrepareConfig, ["prepare.yaml", "prepare_val.yaml"]))
    assert (train["split"], dev["split"], val["split"]) == ("train", "dev", "val")
    assert dev["seed"] != train["seed"]  # other samples of the same prior
    assert train["output"] == dev["output"] == val["output"]
    assert train["target"] == dev["target"] == val["target"]


def test_preparing_training_and_evaluating_meet_in_the_same_folders():
    words = ["target.name=timm:resnet18.tv_in1k", "target.layer=layer3"]
    prepared = load_config(PrepareConfig, ["prepare.yaml"], words)
    trained = load_config(TrainConfig, ["train.yaml"], words)
    evaluated = load_config(EvaluateConfig, ["eval.yaml"], words)
    assert prepared.output == trained.data.path == "data/shards/timm-resnet18.tv_in1k-layer3"
    assert trained.output == evaluated.inverter


@pytest.mark.parametrize(
    ("text", "slug"),
    [("timm:a.b-c_d", "timm-a.b-c_d"), ("module:my pkg:make", "module-my-pkg-make"), ("a/../b", "a-..-b")],
)
def test_a_slug_is_a_file_name(tmp_path, text, slug):
    file = write(tmp_path / "a.yaml", "output: x/${slug:${target.name}}\n")
    assert load_config(PrepareConfig, [file], [f"target.name={text}"]).output == f"x/{slug}"


def test_files_from_left_to_right_then_words_in_order(tmp_path):
    first = write(tmp_path / "a.yaml", "seed: 1\nmodel: {width: 8, depth: 1}\noptim: {lr: 0.1}\n")
    second = write(tmp_path / "b.yaml", "seed: 2\nmodel: {width: 16}\n")
    config = load_config(TrainConfig, [first, second], [*REQUIRED, "seed=3", "optim.lr=1e-2", "optim.lr=1e-3"])
    assert (config.seed, config.model.width, config.model.depth, config.optim.lr) == (3, 16, 1, 1e-3)
    assert load_config(TrainConfig, [second, first], REQUIRED).model.width == 8


def test_values_are_yaml_of_the_declared_type():
    words = [*REQUIRED, "optim.max_time=null", "trainer.loggers=[csv,wandb]", "resume=false", "optim.lr=1", "seed=7"]
    config = load_config(TrainConfig, [], words)
    assert config.optim.max_time is None
    assert config.trainer.loggers == ["csv", "wandb"]
    assert type(config.trainer.loggers) is list  # no OmegaConf object below main
    assert config.resume is False
    assert (config.optim.lr, type(config.optim.lr)) == (1.0, float)
    assert load_config(TrainConfig, [], [*REQUIRED, "prior=a=b"]).prior == "a=b"


@pytest.mark.parametrize("name", ["1.10", "010", "1_0", "1e3", "no", "2026-01-01", "0x10"])
def test_a_name_that_looks_like_a_number_stays_as_it_is(tmp_path, name):
    file = write(tmp_path / "a.yaml", f"target: {{layer: {name}}}\n")
    for config in (
        load_config(TrainConfig, [file], REQUIRED),
        load_config(TrainConfig, [], [*REQUIRED, f"target.layer={name}"]),
    ):
        assert config.target.layer == name
        save_config(config, tmp_path / "saved.yaml")
        assert load_config(TrainConfig, [tmp_path / "saved.yaml"]) == config


@pytest.mark.parametrize("value", ["inf", ".inf", "-inf", "1e-3", ".5"])
def test_a_float_comes_back(tmp_path, value):
    config = load_config(TrainConfig, [], [*REQUIRED, f"optim.lr={value}"])
    assert config.optim.lr == float(value.replace(".inf", "inf"))
    save_config(config, tmp_path / "saved.yaml")
    assert load_config(TrainConfig, [tmp_path / "saved.yaml"]) == config


def test_a_key_that_occurs_twice_is_refused(tmp_path):
    file = write(tmp_path / "a.yaml", "seed: 1\nmodel: {}\nseed: 2\n")
    with pytest.raises(ConfigError, match="'seed' occurs twice"):
        load_config(TrainConfig, [file], REQUIRED)


def test_defaults_are_not_shared():
    load_config(TrainConfig, [], REQUIRED).trainer.loggers.append("wandb")
    assert load_config(TrainConfig, [], REQUIRED).trainer.loggers == ["csv"]


@pytest.mark.parametrize(
    ("word", "suggestion"),
    [
        ("sede=1", "seed"),
        ("optim.learning_rat=1", "optim.lr"),
        ("optim.max_step=3", "optim.max_steps"),
        ("modle=3", "model.tune"),
        ("target.layers=x", "target.layer"),
        ("width=3", "model.width"),
    ],
)
def test_a_misspelt_key_suggests_the_right_one(word, suggestion):
    with pytest.raises(ConfigError, match=rf"unknown key '{word.partition('=')[0]}'; did you mean .*{suggestion}"):
        load_config(TrainConfig, [], [*REQUIRED, word])


def test_a_misspelt_key_in_a_file_names_the_file(tmp_path):
    file = write(tmp_path / "mine.yaml", "model:\n  widht: 3\n")
    with pytest.raises(
        ConfigError, match=r"mine.yaml: unknown key 'model.widht' of model.kind=inverter; did you mean model.width"
    ):
        load_config(TrainConfig, [file], REQUIRED)


def test_a_key_like_no_other_lists_them_all():
    with pytest.raises(ConfigError, match=r"allowed: target.name, target.input_size, .*optim.lr"):
        load_config(TrainConfig, [], [*REQUIRED, "zzzzzz=1"])


@pytest.mark.parametrize(
    "word",
    [
        "seed=abc",
        "seed=1.5",
        "seed=null",
        "seed=[1]",
        "optim.lr=fast",
        "resume=perhaps",
        "trainer.loggers=csv",
        "trainer.loggers={a: 1}",
        "model.width=[8]",
        "target=3",
        "target=null",
        "optim=[1]",
        "optim.lr.more=1",
        "prior=null",
        "output=${nothing}",
        "output=${slug:${nothing}}",
        "output=${nosuch:1}",
        "output=${output}",
        "output=${unclosed",
        "model={width: {a: 1}}",
        "trainer.loggers[0]=csv",
        "model={",
        "seed: 1",
        "seed=3 #x",
        "seed=",
        "optim.max_time=",
        "output=",
        "output=???",
        "output=~nosuchuser/x",
        "data.also=a,b",
        "data.also=",
        "data.also=[&x a]",
        "data.also=[*x]",
        "data.also=[set #2,b]",
        "data.also=['']",
        "target=timm:x",
        "+seed=3",
        "~seed",
        "--seed=3",
        "target..layer=a",
        "=1",
        "seed",
    ],
)
def test_what_cannot_be_used_is_one_line(word):
    with pytest.raises(ConfigError) as error:
        load_config(TrainConfig, [], [*REQUIRED, word])
    assert "\n" not in str(error.value)
    assert word in str(error.value) or word.partition("=")[0] in str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        "- a\n- b\n",
        "just words\n",
        "0\n",
        "null: 1\n",
        "? [a]\n: 1\n",
        "seed: 1\n---\nseed: 2\n",
        "optim.lr: 1\n",
        "a: [1\n",
        "model: 3\n",
        "model: ${nothing}\n",
        "model: {kind: 3}\n",
        "model: {kind: ${nothing}}\n",
        "\tseed: 1\n",
        "seed: 1\nseed: 2\n",
    ],
)
def test_files_that_cannot_be_used_are_named(tmp_path, text):
    file = write(tmp_path / "mine.yaml", text)
    with pytest.raises(ConfigError, match=r"mine\.yaml") as error:
        load_config(TrainConfig, [file], REQUIRED)
    assert "\n" not in str(error.value)


def test_a_file_that_is_no_text(tmp_path):
    (tmp_path / "mine.yaml").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(ConfigError, match=r"mine\.yaml"):
        load_config(TrainConfig, [tmp_path / "mine.yaml"], REQUIRED)


def test_an_empty_file_changes_nothing(tmp_path):
    assert load_config(TrainConfig, [write(tmp_path / "a.yaml", "")], REQUIRED) == load_config(
        TrainConfig, [], REQUIRED
    )


def test_required_keys_are_named_together():
    with pytest.raises(ConfigError, match=r"without a value: data.path, output \(give data.path=VALUE\)"):
        load_config(TrainConfig)


def test_a_missing_file_lists_those_that_exist(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        ConfigError,
        match=r"'trian.yaml' does not exist; did you mean train.yaml, .*\? configs that come with inverter: .*train",
    ):
        load_config(TrainConfig, ["trian.yaml"], REQUIRED)


def test_configs_are_found_from_anywhere_and_a_local_one_wins(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("train.yaml", "configs/train.yaml"):
        assert find_config(name) == config_root() / "train.yaml"
    write(tmp_path / "train.yaml", "seed: 5\n")
    assert load_config(TrainConfig, ["train.yaml"], REQUIRED).seed == 5


def test_a_saved_config_loads_as_it_was(tmp_path):
    config = load_config(
        TrainConfig,
        ["train.yaml"],
        ["target.layer=blocks.6", "optim.max_time=null", "trainer.loggers=[]", "prior='é: #x'"],
    )
    save_config(config, tmp_path / "saved.yaml")
    assert load_config(TrainConfig, [tmp_path / "saved.yaml"]) == config


def test_every_stage_has_a_schema_whose_defaults_are_valid():
    for stage, (module, _, text) in __main__.STAGES.items():
        assert OmegaConf.structured(__main__.find_schema(stage)) is not None
        assert (Path(schemas.__file__).parents[1] / f"{module.replace('.', '/')}.py").is_file()
        assert text
