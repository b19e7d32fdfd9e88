import json

import pytest
import torch
from transformers import (
    AutoModel,
    CLIPConfig,
    CLIPTextConfig,
    ConvNextConfig,
    Dinov2Config,
    ViTConfig,
    ViTForImageClassification,
)

from inverter.targets.load import load_network, load_same_target, load_target

VIT = ViTConfig(
    hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16, image_size=32, patch_size=8
)


def save(folder, config, **processor):
    torch.manual_seed(3)
    model = AutoModel.from_config(config).eval()
    model.save_pretrained(folder)
    if processor:
        (folder / "preprocessor_config.json").write_text(
            json.dumps({"image_processor_type": "ViTImageProcessor", **processor})
        )
    return model


def test_a_hidden_state_is_what_the_model_gives(tmp_path):
    model = save(tmp_path, VIT, image_mean=[0.5] * 3, image_std=[0.25] * 3)
    target = load_target(f"transformers:{tmp_path}", "layers.0", input_size=32)
    images = torch.rand(2, 3, 32, 32)
    expected = model((images - 0.5) / 0.25, output_hidden_states=True).hidden_states[1]
    assert target.spec.feature_shape == (17, 16)
    assert torch.allclose(target(images), expected, atol=1e-5)


def test_another_size_interpolates_the_positions(tmp_path):
    model = save(tmp_path, VIT)
    target = load_target(f"transformers:{tmp_path}", "layernorm", input_size=48, mean=(0, 0, 0), std=(1, 1, 1))
    images = torch.rand(1, 3, 48, 48)
    expected = model(images, interpolate_pos_encoding=True).last_hidden_state
    assert target.spec.feature_shape == (37, 16)
    assert torch.allclose(target(images), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("config", "layer", "shape"),
    [
        (
            ConvNextConfig(hidden_sizes=[4, 8], depths=[1, 1], num_stages=2, image_size=32),
            "encoder.stages.1",
            (8, 4, 4),
        ),
        (
            Dinov2Config(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, image_size=28, patch_size=14),
            "layernorm",
            (5, 16),
        ),
    ],
)
def test_other_families(tmp_path, config, layer, shape):
    save(tmp_path, config)
    name = f"transformers:{tmp_path}"
    assert load_target(name, layer, input_size=config.image_size).spec.feature_shape == shape
    random = load_network(name, pretrained=False).network.state_dict()
    again = load_network(name, pretrained=False).network.state_dict()
    assert all(torch.equal(random[key], again[key]) for key in random)


def test_of_one_that_also_reads_text_the_half_that_sees(tmp_path):
    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    text, vision = {**small, "vocab_size": 99}, {**small, "image_size": 32, "patch_size": 8}
    save(tmp_path / "clip", CLIPConfig(text_config=text, vision_config=vision))
    loaded = load_network(f"transformers:{tmp_path / 'clip'}")
    assert loaded.input_size == 32
    assert load_target(loaded.name, "post_layernorm", input_size=32).spec.feature_shape == (16,)
    save(tmp_path / "text", CLIPTextConfig(**text))
    with pytest.raises(ValueError, match="takes input_ids; allowed: a model that takes pixel_values"):
        load_network(f"transformers:{tmp_path / 'text'}")


def test_what_is_not_there(tmp_path):
    with pytest.raises(ValueError, match=f"target='transformers:{tmp_path}' cannot be built here"):
        load_network(f"transformers:{tmp_path}")


def test_a_repository_that_a_file_names_is_not_fetched(tmp_path, caplog):
    save(tmp_path, VIT)
    name = f"transformers:{tmp_path}"
    spec = load_target(name, "layernorm", input_size=32).spec
    assert load_same_target(spec, "") is None
    assert f"give target.name={name} to allow it" in caplog.text
    assert load_same_target(spec, name).spec == spec


def test_code_beside_the_weights_is_not_run(tmp_path, monkeypatch):
    marker = tmp_path / "ran"
    (tmp_path / "evil.py").write_text(f"open({str(marker)!r}, 'w')\nclass Config: ...\nclass Model: ...\n")
    automatic = {"AutoConfig": "evil.Config", "AutoModel": "evil.Model"}
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "evil", "auto_map": automatic}))
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    for pretrained in (True, False):
        with pytest.raises(ValueError, match="cannot be built here"):
            load_network(f"transformers:{tmp_path}", pretrained=pretrained)
    assert not marker.exists()


def test_a_damaged_image_processor_is_an_error_and_an_absent_one_a_warning(tmp_path, caplog):
    save(tmp_path, VIT)
    assert load_network(f"transformers:{tmp_path}").mean == (0.485, 0.456, 0.406)
    assert "has no preprocessor_config.json" in caplog.text
    (tmp_path / "preprocessor_config.json").write_text('{"image_mean": [0.5')
    with pytest.raises(ValueError, match="cannot be built here"):
        load_network(f"transformers:{tmp_path}")


def test_a_part_without_weights_cannot_be_tapped(tmp_path):
    ViTForImageClassification(VIT).save_pretrained(tmp_path)
    name = f"transformers:{tmp_path}"
    assert load_target(name, "layernorm", input_size=32).spec.feature_shape == (17, 16)
    with pytest.raises(ValueError, match="no weights of pooler; allowed: layers in front of it"):
        load_target(name, "pooler", input_size=32)
