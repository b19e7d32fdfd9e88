from types import SimpleNamespace

import torch

from inverter.run.callbacks.step_seed import StepSeed


def test_each_step_draws_its_own_noise_wherever_training_began():
    draws = []
    for step, rank in ((0, 0), (1, 0), (0, 1), (0, 0)):
        StepSeed(3).on_train_batch_start(SimpleNamespace(global_step=step, global_rank=rank), None)
        draws.append(torch.randn(3))
    assert torch.equal(draws[0], draws[3])
    assert not any(torch.equal(draws[0], other) for other in draws[1:3])
