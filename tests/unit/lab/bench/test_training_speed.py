import time

import torch
from diffusers.models.attention_processor import AttnProcessor

from inverter.data.datamodule import PairDataModule
from inverter.lab.bench.training_speed import _module, _reading_rate


def test_the_plain_step_differs_in_precision_and_layout_alone(train_config, tiny_shards, tmp_path):
    data = PairDataModule(str(tiny_shards / "train"), batch_size=2)
    layouts = []
    for fast in (True, False):
        module = _module(train_config(tmp_path), data, torch.device("cpu"), fast=fast)
        kernels = {type(processor) for processor in module.inverter.prior.denoiser.attn_processors.values()}
        assert kernels == {AttnProcessor}
        weight = module.inverter.conditioner.stem.weight
        layouts.append(weight.is_contiguous(memory_format=torch.channels_last) and not weight.is_contiguous())
    assert layouts == [True, False]


class TwoReaders:
    """Four batches, read two at a time: the second of each two is there with the first."""

    def __iter__(self):
        for _ in range(2):
            time.sleep(0.05)
            yield from ("batch", "batch")


def test_what_was_read_before_the_first_batch_came_is_not_for_free():
    assert 0 < _reading_rate(TwoReaders(), batch_size=3) <= 4 * 3 / 0.1
