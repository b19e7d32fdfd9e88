import copy
import dataclasses
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from huggingface_hub.errors import LocalEntryNotFoundError
from omegaconf import OmegaConf
from safetensors.torch import load_file, save_file

from inverter.blackbox import load as hub
from inverter.blackbox.build import round_to_half
from inverter.blackbox.inverter import Inverter
from inverter.blackbox.load import load_inverter
from inverter.blackbox.published import check_target, is_run, list_inverters, read_published
from inverter.blackbox.spec import InverterSpec
from inverter.priors.few_step import add_lora, lora_state, save_lora
from inverter.priors.load import load_prior
from inverter.priors.variant import WEIGHTS
from inverter.publish.inverter import save_inverter
from inverter.stages import list_published
from inverter.targets.target import weights_sha256

FEATURE_MEAN, FEATURE_STD = [0.5, -1.0, 0.0, 3.0, 0.1, 0.0], [1.0, 2.0, 1e-5, 0.0, 0.3, 4.0]


@pytest.fixture(scope="module")
def inverter(tiny_prior) -> Inverter:
    spec = InverterSpec(
        feature_shape=(6, 5, 7),
        latent_shape=tiny_prior.latent_shape,
        conditioning_shape=tiny_prior.conditioning_shape,
        resolution=32,
        width=16,
        depth=1,
        coarse_width=16,
        dropout=0.1,
        head_width=8,
        strength=0.5,
        num_inference_steps=4,
        guidance_scale=1.5,
        feature_mean=FEATURE_MEAN,
        feature_std=FEATURE_STD,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        inverter = Inverter(spec, tiny_prior).eval()
        for parameter in inverter.parameters():
            parameter.data += 0.02 * torch.randn_like(parameter)
    return inverter


@pytest.fixture(scope="module")
def published(inverter, target_spec, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("published") / "toy"
    save_inverter(inverter, folder, target_spec, {"pairs": 10, "data": {"source": "prior"}})
    return folder


@pytest.fixture
def folder(published, tmp_path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(published, tmp_path / "toy"))


def edit(folder: Path, **changes: object) -> None:
    values = OmegaConf.load(folder / "config.yaml")
    for key, value in changes.items():
        OmegaConf.update(values, key.replace("__", "."), value)
    OmegaConf.save(values, folder / "config.yaml")


def features(count: int = 3) -> torch.Tensor:
    """Like the statistics say; the fourth channel never varied, but does so now."""
    noise = torch.randn(count, 6, 5, 7)
    return noise * torch.tensor([*FEATURE_STD[:3], 0.5, *FEATURE_STD[4:]]).view(6, 1, 1) + torch.tensor(
        FEATURE_MEAN
    ).view(6, 1, 1)


def test_a_published_inverter_is_the_trained_one(inverter, published, tiny_prior):
    loaded = load_inverter(str(published))
    assert loaded.spec == inverter.spec
    assert not loaded.training
    assert loaded.prior.weights_sha256 == tiny_prior.weights_sha256
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}
    x = features()
    for head in (True, False):
        expected = inverter.mean(x, head=head)
        assert expected.std() > 0.05
        torch.testing.assert_close(loaded.mean(x, head=head), expected, rtol=0, atol=5e-3)
    seeds = [torch.Generator().manual_seed(1) for _ in range(2)]
    drawn, expected = (each.sample(x, generator=seed) for each, seed in zip((loaded, inverter), seeds, strict=True))
    torch.testing.assert_close(drawn, expected, rtol=0, atol=2e-2)


def test_weights_are_stored_in_half_precision_and_finite(published, tiny_prior):
    state = load_file(published / "model.safetensors")
    assert all(value.dtype == torch.float16 and value.isfinite().all() for value in state.values())
    size = (published / "model.safetensors").stat().st_size
    assert size < 3 * sum(value.numel() for value in state.values())
    assert size < sum(parameter.numel() for parameter in tiny_prior.parameters())  # the prior is not in it


def test_the_hash_that_a_run_is_measured_with_is_that_of_the_weights_as_written(inverter, target_spec, tmp_path):
    rounded = copy.deepcopy(inverter)
    round_to_half(rounded)
    save_inverter(rounded, tmp_path / "toy", target_spec, {})
    state = {name: value.float() for name, value in load_file(tmp_path / "toy" / "model.safetensors").items()}
    assert weights_sha256(SimpleNamespace(state_dict=lambda: state)) == weights_sha256(rounded)


def test_what_it_says_of_itself(published, target_spec):
    found = read_published(str(published))
    assert found.target == target_spec
    assert found.training == {"pairs": 10, "data": {"source": "prior"}}
    assert found.spec.feature_std == FEATURE_STD


def test_by_name_by_class_and_with_a_prior_at_hand(published, tiny_prior, monkeypatch):
    monkeypatch.setattr("inverter.run.hub.checkpoints_root", lambda: published.parent)
    monkeypatch.setattr(hub, "load_prior", lambda *_, **__: pytest.fail("the prior is at hand"))
    assert load_inverter("toy", tiny_prior).prior is tiny_prior
    monkeypatch.setattr(hub, "load_prior", lambda *_, **__: tiny_prior)
    assert Inverter.from_pretrained("toy").prior is tiny_prior
    with pytest.raises(ValueError, match=r"inverter 'tyo' not found: neither among \['toy'\]"):
        load_inverter("tyo")


def test_paths_and_home_stand_for_a_folder(folder, tiny_prior, monkeypatch):
    monkeypatch.setenv("HOME", str(folder.parent))
    expected = load_inverter(str(folder), tiny_prior).spec
    assert load_inverter(folder, tiny_prior).spec == Inverter.from_pretrained(folder, prior=tiny_prior).spec == expected
    assert load_inverter(f"~/{folder.name}", tiny_prior).spec == expected


def test_a_target_in_place_of_its_spec_is_refused(published, tiny_prior):
    with pytest.raises(ValueError, match=r"target is a Linear; needed: its TargetSpec, target\.spec"):
        load_inverter(str(published), tiny_prior, torch.nn.Linear(1, 1))


def test_a_prior_of_the_hub_is_never_fetched_because_a_file_names_it(folder, monkeypatch):
    asked = []

    def fail(name, **options):
        asked.append((name, options["revision"], options["local_files_only"]))
        raise LocalEntryNotFoundError("not here")

    monkeypatch.setattr("huggingface_hub.snapshot_download", fail)
    edit(folder, prior="somebody/prior")
    with pytest.raises(ValueError, match=r"because a file names it: give prior=somebody/prior to have it fetched, or "):
        load_inverter(str(folder))
    with pytest.raises(ValueError, match="the hub did not give it"):
        load_inverter(str(folder), "somebody/prior@v1")  # asked for
    assert asked == [("somebody/prior", None, True), ("somebody/prior", "v1", False)]


def test_a_prior_of_other_weights_is_refused(folder, tiny_prior):
    edit(folder, prior_sha256="f" * 64)
    with pytest.raises(
        ValueError, match=f"of weights ffffffffffff; the one at hand has {tiny_prior.weights_sha256[:12]}"
    ):
        load_inverter(str(folder), tiny_prior)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("layer", "features.3"),
        ("input_size", 224),
        ("payload", "int8"),
        ("feature_shape", (6, 7, 5)),
        ("weights_sha256", "1" * 64),
    ],
)
def test_features_of_another_target_are_refused(published, tiny_prior, target_spec, key, value):
    other = dataclasses.replace(target_spec, **{key: value})
    with pytest.raises(
        ValueError, match=re.escape(f"with {key} {getattr(target_spec, key)}; the target at hand has {value}")
    ):
        load_inverter(str(published), tiny_prior, other)
    check_target(read_published(str(published)), dataclasses.replace(target_spec, name="another name for it"))


def test_a_vectors_inverter_of_the_second_version_still_loads(inverter, tiny_prior, target_spec, tmp_path):
    values = {"feature_shape": (9,), "feature_mean": [0.0] * 9, "feature_std": [1.0] * 9}
    before = Inverter(dataclasses.replace(inverter.spec, **values, compact=False), tiny_prior).eval()
    assert before.conditioner.grid.spread.weight.shape == (128 * 16, 9)
    save_inverter(before, tmp_path, dataclasses.replace(target_spec, feature_shape=(9,)), {})
    written = OmegaConf.load(tmp_path / "config.yaml")
    del written["inverter"]["compact"]
    OmegaConf.save({**written, "schema_version": 2}, tmp_path / "config.yaml")
    features = torch.randn(2, 9)
    loaded = load_inverter(str(tmp_path), tiny_prior)
    torch.testing.assert_close(loaded.align(features), before.align(features), rtol=0, atol=5e-3)


def test_an_inverter_of_joint_layers_is_published(inverter, tiny_prior, target_spec, tmp_path):
    shape = ((2, 3, 3), (4,))
    values = {"feature_shape": shape, "feature_mean": [0.0] * 6, "feature_std": [1.0] * 6}
    joint = Inverter(dataclasses.replace(inverter.spec, **values), tiny_prior).eval()
    save_inverter(joint, tmp_path, dataclasses.replace(target_spec, layer="a+b", feature_shape=shape), {})
    loaded = load_inverter(str(tmp_path), tiny_prior)
    assert loaded.spec == joint.spec and read_published(str(tmp_path)).target.layers == {"a": (2, 3, 3), "b": (4,)}
    assert loaded.mean(torch.randn(2, 22)).shape == (2, 3, 32, 32)


def test_a_missing_weight_is_an_error(folder, tiny_prior):
    state = load_file(folder / "model.safetensors")
    removed = state.pop("conditioner.stem.weight")
    save_file(state, folder / "model.safetensors")
    with pytest.raises(
        ValueError, match=r"model.safetensors cannot be used: weight conditioner\.stem\.weight is absent"
    ) as error:
        load_inverter(str(folder), tiny_prior)
    assert error.value.__cause__ is not None
    save_file({**state, "conditioner.stem.weight": removed, "extra": torch.zeros(1)}, folder / "model.safetensors")
    with pytest.raises(ValueError, match=r"weight extra is \(1,\); needed: absent"):
        load_inverter(str(folder), tiny_prior)
    save_file({**state, "conditioner.stem.weight": removed[:8].clone()}, folder / "model.safetensors")
    with pytest.raises(ValueError, match=r"weight conditioner\.stem\.weight is \(8, .*; needed: \(16, "):
        load_inverter(str(folder), tiny_prior)


@pytest.mark.parametrize("content", [b"", b"\x80\x04N.", b"x" * 200])
def test_damaged_weights_are_named(folder, tiny_prior, content):
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match=r"toy: model.safetensors cannot be used"):
        load_inverter(str(folder), tiny_prior)


def test_cut_off_weights_are_named(folder, tiny_prior):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"toy: model.safetensors cannot be used"):
        load_inverter(str(folder), tiny_prior)


@pytest.mark.parametrize(
    "text", ["", "a: [1", "- 1", "schema_version: 2", "words", "schema_version: 1", "\x00", "!!python/object:os.x {}"]
)
def test_a_damaged_config_is_named(folder, text):
    (folder / "config.yaml").write_text(text)
    with pytest.raises(ValueError, match=r"toy: config.yaml cannot be used"):
        read_published(str(folder))


@pytest.mark.parametrize(
    "change",
    [
        {"inverter__width": "wide"},
        {"inverter__width": -8},
        {"inverter__width": 1.5},
        {"inverter__depth": None},
        {"inverter__feature_shape": 5},
        {"inverter__latent_shape": ["a", 8, 8]},
        {"inverter__head_width": "no"},
        {"inverter__unknown": 1},
        {"target__layer": 3},
        {"training": 5},
    ],
)
def test_a_config_of_wrong_types_is_named(folder, change):
    edit(folder, **change)
    with pytest.raises(ValueError, match=r"toy: config.yaml cannot be used"):
        read_published(str(folder))


def test_a_config_cannot_read_the_environment(folder, monkeypatch):
    monkeypatch.setenv("SECRET", "embedded")
    text = (folder / "config.yaml").read_text()
    (folder / "config.yaml").write_text(re.sub(r"^prior: .*$", "prior: ${oc.env:SECRET}", text, flags=re.MULTILINE))
    assert read_published(str(folder)).prior == "${oc.env:SECRET}"


def test_a_damaged_one_does_not_hide_the_others_from_the_list(folder, caplog):
    for name in ("damaged", ".toy.partial"):
        shutil.copytree(folder, folder.parent / name)
    (folder.parent / "damaged" / "config.yaml").write_text("schema_version: [")
    assert [published.folder.name for published in list_inverters(folder.parent)] == ["toy"]
    assert "damaged: config.yaml cannot be used" in caplog.text


def test_a_damaged_prior_does_not_hide_the_others_from_the_list(folder, tiny_prior_folder, capsys, caplog):
    for name in ("damaged", "tiny", ".tiny.partial"):
        shutil.copytree(tiny_prior_folder, folder.parent / name)
    (folder.parent / "damaged" / "model_index.json").write_text("{")
    list_published.run(list_published.ListConfig(path=str(folder.parent)))
    shown = capsys.readouterr().out
    assert re.findall(r"(\S+) +│ (?:prior|inverter) ", shown) == ["tiny", "toy"]
    assert re.search(r"damaged.*model_index.json cannot be read", caplog.text)


@pytest.mark.parametrize("columns", ["40", "160"])
def test_the_list_shows_priors_and_inverters_whole(folder, tiny_prior_folder, capsys, monkeypatch, columns):
    shutil.copytree(tiny_prior_folder, folder.parent / "tiny")
    assert [published.folder.name for published in list_inverters(folder.parent)] == ["toy"]
    monkeypatch.setenv("COLUMNS", columns)
    list_published.run(list_published.ListConfig(path=str(folder.parent)))
    shown = capsys.readouterr().out
    assert re.search(r"tiny.*prior.*AutoencoderDC", shown)
    assert re.search(r"toy.*inverter.*tiny.*features\.2.*│ 16 +│ 6 x 5 x 7.*│ 10 ", shown)
    assert "+few-step" not in shown
    with pytest.raises(ValueError, match="which is no folder"):
        list_published.run(list_published.ListConfig(path=str(folder / "none")))


def test_the_list_shows_few_step_variants_and_every_training(folder, tiny_prior_folder, capsys, caplog):
    tiny = Path(shutil.copytree(tiny_prior_folder, folder.parent / "tiny"))
    unet = load_prior(tiny).denoiser
    add_lora(unet, 2, 5.0)
    save_lora(lora_state(unet), tiny / "lora" / WEIGHTS, {})
    first = {"name": "toy", "weights_sha256": "0", "source": "prior", "threat_model": "x", "pairs_seen": 1}
    edit(folder, training__began_with=[first | {"pairs": 7}, first | {"pairs": 5}])
    damaged = Path(shutil.copytree(folder, folder.parent / "zoo"))
    edit(damaged, training__began_with=["toy"])
    list_published.run(list_published.ListConfig(path=str(folder.parent)))
    shown = capsys.readouterr().out
    assert re.findall(r"(\S+) +│ prior ", shown) == ["tiny", "tiny+few-step"]
    assert re.search(r"toy .*│ 5, then 7, then 10 ", shown)
    assert re.search(r"zoo .*│ 10 ", shown)
    assert "zoo: training.began_with is ['toy']" in caplog.text


def test_runs_are_told_from_published_inverters(folder, tmp_path):
    assert not is_run(str(folder))
    (tmp_path / "train.yaml").write_text("")
    assert is_run(str(tmp_path))
