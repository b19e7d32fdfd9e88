"""Which files of a folder are read."""

import json
import logging
import shutil
from pathlib import Path

import pytest
import torch
from priors_toys import write_flow
from safetensors.torch import load_file, save_file

from inverter.priors.load import load_prior

PARTS = {"unet": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model", "text_encoder": "model"}


@pytest.fixture
def folder(tiny_prior_folder, tmp_path) -> Path:
    return Path(shutil.copytree(tiny_prior_folder, tmp_path / "prior"))


def save_halves(folder: Path, part: str) -> Path:
    """A copy in half precision beside a part's weights, whose path is returned."""
    path = folder / part / f"{PARTS[part]}.safetensors"
    halves = {name: value.half() for name, value in load_file(path).items()}
    save_file(halves, path.with_suffix(".fp16.safetensors"), metadata={"format": "pt"})
    return path


def test_a_copy_in_half_precision_beside_the_weights_changes_nothing(folder, caplog):
    before = load_prior(folder)
    for part in PARTS:
        save_halves(folder, part)
    after = load_prior(folder)
    assert after.weights_sha256 == before.weights_sha256
    assert after.autoencoder_sha256 == before.autoencoder_sha256
    assert torch.equal(after.denoiser.conv_in.weight, before.denoiser.conv_in.weight)
    assert not caplog.records


def test_weights_that_are_there_in_half_precision_alone_are_read_and_said(folder, caplog):
    before = load_prior(folder)
    for part in ("unet", "text_encoder"):
        save_halves(folder, part).unlink()
    with caplog.at_level(logging.WARNING):
        after = load_prior(folder)
    assert "text_encoder, unet in half precision, which is all that is there" in caplog.text
    assert after.weights_sha256 != before.weights_sha256
    assert after.autoencoder_sha256 == before.autoencoder_sha256
    assert {parameter.dtype for parameter in after.parameters()} == {torch.float32}
    torch.testing.assert_close(after.denoiser.conv_in.weight, before.denoiser.conv_in.weight.half().float())


def test_the_third_text_encoder_may_be_absent_though_it_is_named(tmp_path):
    folder = write_flow(tmp_path / "flow")
    prior, index = load_prior(folder), folder / "model_index.json"
    named = {"text_encoder_3": ["transformers", "T5EncoderModel"], "tokenizer_3": ["transformers", "T5Tokenizer"]}
    index.write_text(json.dumps({**json.loads(index.read_text()), **named}))
    again = load_prior(folder)
    torch.testing.assert_close(again.condition(["a dog"]).tokens, prior.condition(["a dog"]).tokens)
