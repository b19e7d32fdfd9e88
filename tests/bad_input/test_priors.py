"""Priors from somebody else, damaged or in part."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, save_file

from inverter.config import AutoencoderConfig
from inverter.priors.load import load_prior
from inverter.priors.parts import load_autoencoder
from inverter.priors.training.autoencoder import build_autoencoder
from inverter.priors.training.linear_start import start_autoencoder


@pytest.fixture
def folder(tiny_prior_folder, tmp_path) -> Path:
    return Path(shutil.copytree(tiny_prior_folder, tmp_path / "prior"))


def weights(folder: Path, part: str) -> Path:
    return next((folder / part).glob("*.safetensors"))


def test_missing(folder, refused, tmp_path):
    refused("a prior that is not there", lambda: load_prior(tmp_path / "none"))
    shutil.rmtree(folder / "tokenizer")
    refused("a prior without one of its parts", lambda: load_prior(folder))


@pytest.mark.parametrize("name", ["pytorch_model.bin", "diffusion_pytorch_model.bin"])
def test_pickled_weights(folder, refused, payload, name):
    weights(folder, "unet").unlink()
    (folder / "unet" / name).write_bytes(payload)
    refused("a prior with pickled weights only", lambda: load_prior(folder))


def test_pickles_beside_the_weights_are_not_read(folder, payload):
    for part in ("vae", "unet", "text_encoder"):
        for name in ("pytorch_model.bin", "diffusion_pytorch_model.bin"):
            (folder / part / name).write_bytes(payload)
    load_prior(folder)


@pytest.mark.parametrize("part", ["vae", "unet", "text_encoder"])
def test_weights(folder, refused, part):
    path = weights(folder, part)
    data, state = path.read_bytes(), load(path.read_bytes())  # no memory map of a file that is written again
    path.write_bytes(data[:-100])
    refused("a prior with truncated weights", lambda: load_prior(folder))
    name = next(name for name, value in state.items() if value.ndim > 1)
    save_file({**state, name: torch.zeros(3, 3)}, path, metadata={"format": "pt"})
    refused("a prior with weights of a wrong shape", lambda: load_prior(folder))
    save_file({key: value for key, value in state.items() if key != name}, path, metadata={"format": "pt"})
    refused("a prior that lacks a weight", lambda: load_prior(folder))
    path.write_bytes(data)
    load_prior(folder)


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("a prior whose model_index.json is no JSON", "{"),
        ("a prior whose model_index.json is no object", "[]"),
        ("a prior whose model_index.json names no autoencoder", '{"vae": "os.system"}'),
        ("a prior whose vae is something else", '{"vae": ["os", "system"]}'),
    ],
)
def test_index(folder, refused, what, text):
    index = json.loads((folder / "model_index.json").read_text())
    values = json.loads(text) if text.startswith('{"') else None
    (folder / "model_index.json").write_text(text if values is None else json.dumps(index | values))
    refused(what, lambda: load_prior(folder))


@pytest.mark.parametrize("part", ["vae/config", "unet/config", "text_encoder/config", "scheduler/scheduler_config"])
def test_configs(folder, refused, part):
    (folder / f"{part}.json").write_text("{")
    refused("a prior with a config that is no JSON", lambda: load_prior(folder))


def test_code_beside_the_weights_is_not_run(folder, tmp_path):
    code = f"open({str(tmp_path / 'executed')!r}, 'w')"
    for part, name in (("tokenizer", "tokenizer_config"), ("text_encoder", "config"), ("unet", "config")):
        (folder / part / "evil.py").write_text(code)
        path = folder / part / f"{name}.json"
        auto = {"AutoModel": "evil.X", "AutoTokenizer": ["evil.X", None], "AutoConfig": "evil.X"}
        path.write_text(json.dumps({**json.loads(path.read_text()), "auto_map": auto}))
    load_prior(folder)


def test_prompts(folder, refused):
    (folder / "prompts.json").write_text('{"a": 1}')
    refused("a prior whose prompts.json is no list of texts", lambda: load_prior(folder))


def test_an_autoencoder_to_start_from(folder, refused, stable_diffusion):
    config = AutoencoderConfig(latent_channels=4, widths=[16, 64], encoder_blocks=[1, 1], decoder_blocks=[1, 1])
    config.start_from = str(folder / "vae")
    images = torch.rand(2, 3, 32, 32)
    path = weights(folder, "vae")
    path.write_bytes(path.read_bytes()[:-100])
    refused("a damaged autoencoder", lambda: load_autoencoder(folder / "vae"))
    refused("an autoencoder that is not there", lambda: load_autoencoder(folder / "no-such"))
    refused("an autoencoder of another class", lambda: load_autoencoder(stable_diffusion("epsilon") / "vae"))
    refused("a damaged autoencoder to start from", lambda: start_autoencoder(build_autoencoder(config), config, images))
