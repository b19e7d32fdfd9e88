"""What is recorded of the pairs that a denoiser under control learned from."""

from dataclasses import replace
from pathlib import Path

import pytest

from inverter.data.manifest import Manifest
from inverter.priors.control_pairs import (
    ControlPairs,
    describe_control_pairs,
    format_control_pairs,
    read_control_pairs,
    with_control_pairs,
)
from inverter.run.hub import checkpoints_root

FIRST = ControlPairs("net", "blocks.2", "identity", "folder:mine", "black-box", 7, 5)


def test_pairs_survive_their_file(tmp_path: Path) -> None:
    assert read_control_pairs(tmp_path) is None
    pairs = (FIRST, replace(FIRST, layer="blocks.4", pairs=None))
    (tmp_path / "unet_control").mkdir()
    path = tmp_path / "unet_control" / "pairs.json"
    path.write_text(format_control_pairs(pairs))
    assert read_control_pairs(tmp_path) == pairs
    for text in ("{}", "[{}]", format_control_pairs([FIRST]).replace("net", "a | b"), "["):
        path.write_text(text)
        with pytest.raises(ValueError, match=r"unet_control/pairs\.json: "):
            read_control_pairs(tmp_path)


def test_a_source_with_odd_letters_is_told(tiny_shards: Path) -> None:
    manifest = replace(Manifest.load(tiny_shards / "train"), source="folder:a|${b}")
    assert ControlPairs.of(manifest).source == "folder:a??{b}"


def test_a_threat_model_names_what_the_denoiser_learned_from_once() -> None:
    pairs = (FIRST, replace(FIRST, layer="blocks.4", pairs=None, pictures=None))
    told = with_control_pairs("black-box", pairs)
    said = "features of net at blocks.2 (7 pairs, 5 pictures), blocks.4 of folder:mine"
    assert told == f"black-box; the denoiser learned from {said}" == with_control_pairs(told, pairs)
    assert with_control_pairs("black-box", ()) == "black-box"
    assert "unknown" in with_control_pairs("black-box", None)
    assert describe_control_pairs([replace(FIRST, payload="int8")]).endswith("as int8 of folder:mine")


def test_the_published_denoiser_says_what_it_saw() -> None:
    pairs = read_control_pairs(checkpoints_root() / "embedded")
    assert pairs is not None and [each.layer for each in pairs] == ["blocks.2", "blocks.4", "blocks.6"]
    assert {each.pictures for each in pairs} == {60_000} and all("texts" in each.threat_model for each in pairs)
