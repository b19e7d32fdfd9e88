from dataclasses import replace

import pytest
import torch
from omegaconf import OmegaConf

from inverter.config import ConfigError, load_config
from inverter.data.clip_writer import DEFAULT_RATE, write_clip
from inverter.inversion.unread import check_read
from inverter.whitebox.config import InvertConfig, readers


def given(*words: str) -> InvertConfig:
    return load_config(InvertConfig, overrides=["input=x.png", *words])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["prompt=a dog"], r"^prompt is 'a dog', which operating_point=mean does not read; allowed: with operating_"),
        (["prompt="], "^prompt is '', which operating_point=mean"),
        (["prompts=x.csv"], "^prompts is 'x.csv', which operating_point=mean"),
        (
            ["guidance_scale=2"],
            "^guidance_scale is 2.0, .*operating_point=sample, method=guided, method=hybrid, method=latent$",
        ),
        (["strength=0.5"], "^strength is 0.5, .*; allowed: with operating_point=sample$"),
        (["image_size=3"], r"^image_size is 3, which operating_point=mean does not read; allowed: with method=direct$"),
        (["layers=[a]"], r"^layers is \['a'\], "),
        (["method=direct", "prompt=x"], "^prompt is 'x', which method=direct does not read"),
        (["method=hybrid", "image_size=32"], "^image_size is 32, .*; allowed: with method=direct$"),
        (["method=hybrid", "operating_point=sample"], "^operating_point is 'sample', which method=hybrid does not"),
    ],
)
def test_a_key_that_asks_for_something_is_an_error(words, message):
    with pytest.raises(ValueError, match=message):
        check_read(given(*words))


UNREAD = [
    ("loop.max_queries=3", "operating_point=mean", "method=direct, method=guided, method=hybrid, method=latent"),
    ("latent.lr=1.0", "method=direct", "method=latent"),
    ("hybrid.pixels.lr=1.0", "method=direct", "method=hybrid"),
    ("smoothing.weight=1.0", "operating_point=sample", "method=direct, method=guided, method=hybrid, method=latent"),
]


def with_mode(mode: str, *words: str) -> InvertConfig:
    return given(mode, *words) if mode.startswith("method") else given("method=blackbox", mode, *words)


@pytest.mark.parametrize(("word", "mode", "read_by"), UNREAD)
def test_a_key_of_a_section_that_the_command_line_gives_is_an_error(word, mode, read_by):
    key, _, value = word.partition("=")
    for words in ([word], [f"{key.rpartition('.')[0]}={{{key.rpartition('.')[2]}: {value}}}"]):
        with pytest.raises(ConfigError) as error:
            with_mode(mode, *words)
        message = f"{key} is {value}, which {mode} does not read; allowed: with {read_by}"
        assert str(error.value) == message


@pytest.mark.parametrize(("word", "mode", "read_by"), UNREAD)
def test_a_key_of_a_section_that_a_file_gives_is_a_warning(word, mode, read_by, tmp_path, caplog):
    key = word.partition("=")[0]
    OmegaConf.save(OmegaConf.from_dotlist([word]), tmp_path / "several.yaml")
    words = ["input=x.mp4", "method=blackbox", mode]
    check_read(load_config(InvertConfig, [tmp_path / "several.yaml"], words))
    assert caplog.messages == [f"{key} has no effect with {mode}; it is read with {read_by}"]


@pytest.mark.parametrize(
    ("words", "key"),
    [(["method=direct", "smoothing.weight=1"], "smoothing.weight"), (["video.stride=2"], "video.stride")],
)
def test_a_key_of_clips_is_a_warning_with_other_inputs(words, key, tmp_path, caplog):
    (tmp_path / "x.png").touch()
    check_read(replace(given(*words), input=str(tmp_path / "x.png")))
    assert caplog.messages == [f"{key} has no effect: input is no clip"]


def test_what_is_read_passes(tmp_path, caplog):
    write_clip(tmp_path / "x.mp4", torch.zeros(2, 3, 16, 16, dtype=torch.uint8), DEFAULT_RATE)
    clip = f"input={tmp_path / 'x.mp4'}"
    check_read(given("limit=3", "target.layer=blocks.6", "batch_size=2", "seed=1", "output=y"))
    check_read(given("operating_point=sample", "prompt=x", "guidance_scale=2", "strength=0.5", clip, "video.stride=2"))
    check_read(given("method=latent", "prompt=x", "layers=[a]", "latent.lr=1", "loop.max_queries=3"))
    check_read(given("method=direct", "prior=embedded", "image_size=32", clip, "smoothing.weight=1"))
    check_read(given("method=direct", f"input={tmp_path}", "smoothing.weight=1"))  # frames of a clip in a folder
    assert caplog.messages == []
    assert all(hasattr(InvertConfig(), key) for key in readers())
