from dataclasses import replace

import torch

from inverter.inversion.recipe import recipe
from inverter.whitebox.config import InvertConfig


def test_it_tells_what_changes_the_result_from_what_does_not():
    config, features = InvertConfig(input="a.png"), {"1": torch.arange(6.0).reshape(1, 6)}
    prompts, weights = ["a cat"], {"prior_sha256": "0"}
    one = recipe(config, ["a"], features, prompts, weights)
    for same in (
        replace(config, input="a.npy", output="elsewhere", device="cuda", prompts="prompts.csv"),
        replace(config, loop=replace(config.loop, max_seconds=3.0, save_every_n_seconds=1.0)),
        replace(config, latent=replace(config.latent, kept_steps=9)),
    ):
        assert recipe(same, ["a"], features, prompts, weights) == one
    for other in (
        replace(config, seed=1),
        replace(config, loop=replace(config.loop, max_queries=9)),
        replace(config, latent=replace(config.latent, lr=0.2)),
    ):
        assert recipe(other, ["a"], features, prompts, weights) != one
    assert recipe(config, ["b"], features, prompts, weights) != one
    assert recipe(config, ["a"], {"1": features["1"] + 1}, prompts, weights) != one
    assert recipe(config, ["a"], features, ["a dog"], weights) != one
    assert recipe(config, ["a"], features, prompts, {"prior_sha256": "1"}) != one
