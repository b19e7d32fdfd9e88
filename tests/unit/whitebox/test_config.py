from dataclasses import fields

import pytest

from inverter.config import load_config
from inverter.config.errors import ConfigError
from inverter.lab.experiments.config import MethodsExperimentConfig
from inverter.whitebox.config import InvertConfig, MethodsConfig
from inverter.whitebox.methods import METHODS


def test_each_method_with_settings_has_a_section_of_its_name():
    names = {entry.name for entry in fields(MethodsConfig)}
    assert names == {"loop", "smoothing", "direct", "guided", "hybrid", "latent"}
    for schema in (MethodsConfig, InvertConfig, MethodsExperimentConfig):
        assert all(type(getattr(schema(), name)) is METHODS[name].config for name in METHODS.names())


def test_words_reach_the_sections():
    words = ["direct.num_steps=7", "hybrid.pixels.lr=0.5", "guided.betas=[0.5,0.9]"]
    config = load_config(MethodsConfig, [], words)
    assert (config.direct.num_steps, config.hybrid.pixels.lr, config.guided.betas) == (7, 0.5, [0.5, 0.9])
    assert InvertConfig().direct.num_steps == 500
    with pytest.raises(ConfigError, match=r"unknown key 'direct.steps'; did you mean direct.num_steps"):
        load_config(InvertConfig, [], ["input=x", "direct.steps=7"])
