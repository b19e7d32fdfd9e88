"""Every kind of defence, trained for a moment, written and loaded."""

import pytest
import torch

from inverter.config import TargetConfig
from inverter.defences import load_defended
from inverter.defences.kinds import DEFENCES
from inverter.stages import defend
from inverter.targets import load_target
from inverter.targets.defence import read_defence


@pytest.mark.parametrize("kind", DEFENCES.names())
@pytest.mark.parametrize("layer", ["2", "5"])
def test_a_defence_is_trained_and_loaded(kind, layer, defend_config, tmp_path):
    config = defend_config(tmp_path / "run", kind, layer)
    folder = defend.run(config)
    spec = read_defence(folder)
    defended = load_defended(TargetConfig(config.target.name, 16, defence=str(folder), layer=layer))
    assert (spec.kind, defended.target.spec.defence) == (kind, spec.mark)
    images = torch.rand(3, 3, 16, 16, requires_grad=True)
    features = defended.target(images)
    assert features.shape[1:] == defended.target.spec.tensor_shape
    answer = defended.server_output(features)
    assert answer.shape == (3, 5) and answer.isfinite().all()
    (gradient,) = torch.autograd.grad(features.square().sum(), images)
    assert gradient.abs().sum() > 0
    undefended = load_target(config.target.name, layer, input_size=16)
    assert undefended.spec.defence is None
    assert undefended.spec.weights_sha256 == spec.target.weights_sha256 != defended.target.spec.weights_sha256
