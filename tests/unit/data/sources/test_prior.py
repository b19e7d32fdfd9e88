import numpy as np
import pytest
import torch

from inverter.data.sources.prior import PriorSource


class FakePrior:
    few_step = False
    prompts = ("a cat", "a dog", "a fish")

    def condition(self, prompts):
        return torch.tensor([[[float(len(prompt))]] for prompt in prompts])

    def sample(self, conditioning=None, *, num_inference_steps, generator):
        return torch.rand(len(conditioning), 3, 4, 4, generator=generator)

    def decode(self, latents):
        return latents


def test_prior_samples_repeat_for_a_shard_and_differ_between_shards_and_splits():
    def source(split: str) -> PriorSource:
        return PriorSource(FakePrior(), 5, 8, num_inference_steps=2, batch_size=2, seed=0, split=split)

    def pixels(split: str, index: int) -> np.ndarray:
        return np.stack([np.asarray(item.image) for item in source(split).shard(index)])

    assert [item.key for item in source("dev").shard(1)] == ["dev-0000005", "dev-0000006", "dev-0000007"]
    assert {item.text for item in source("dev").shard(0)} <= set(FakePrior.prompts)
    np.testing.assert_array_equal(pixels("dev", 1), pixels("dev", 1))
    assert (pixels("dev", 0)[:3] != pixels("dev", 1)).any()
    assert (pixels("dev", 0) != pixels("val", 0)).any()


def test_a_few_step_prior_draws_in_fewer_steps():
    def steps(few_step: bool, asked: int | None) -> int:
        prior = FakePrior()
        prior.few_step = few_step
        options = {"num_inference_steps": asked, "batch_size": 2, "seed": 0, "split": "val"}
        return PriorSource(prior, 5, 8, **options).num_inference_steps

    assert [steps(few, asked) for few in (False, True) for asked in (None, 7)] == [4, 7, 2, 7]


def test_prior_never_ends():
    with pytest.raises(ValueError, match="pairs=null"):
        PriorSource(FakePrior(), 5, None, num_inference_steps=2, batch_size=2, seed=0, split="val")
