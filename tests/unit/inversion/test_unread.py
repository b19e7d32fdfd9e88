from dataclasses import replace

import pytest
import torch

from inverter.config import load_config
from inverter.data.clip_writer import DEFAULT_RATE, write_clip
from inverter.inversion.unread import check_read, readers
from inverter.whitebox.config import InvertConfig


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
        (["layers=[a]"], r"^layers is \['a'\], "),
        (["method=direct", "prompt=x"], "^prompt is 'x', which method=direct does not read"),
        (["method=hybrid", "image_size=32"], "^image_size is 32, .*; allowed: with method=direct$"),
        (["method=hybrid", "operating_point=sample"], "^operating_point is 'sample', which method=hybrid does not"),
    ],
)
def test_a_key_that_asks_for_something_is_an_error(words, message):
    with pytest.raises(ValueError, match=message):
        check_read(given(*words))


@pytest.mark.parametrize(
    ("words", "warning"),
    [
        (["loop.max_queries=3"], "loop.max_queries has no effect with operating_point=mean; it is read with method="),
        (["method=direct", "latent.lr=1"], "latent.lr has no effect with method=direct; it is read with method=latent"),
        (["method=direct", "hybrid.pixels.lr=1"], "hybrid.pixels.lr has no effect with method=direct; it is read with"),
        (["method=direct", "smoothing.weight=1"], "smoothing.weight has no effect: input is no clip"),
        (["video.stride=2"], "video.stride has no effect: input is no clip"),
    ],
)
def test_a_key_of_a_section_is_a_warning(words, warning, tmp_path, caplog):
    (tmp_path / "x.png").touch()
    check_read(replace(given(*words), input=str(tmp_path / "x.png")))
    assert [line[: len(warning)] for line in caplog.messages] == [warning]


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
