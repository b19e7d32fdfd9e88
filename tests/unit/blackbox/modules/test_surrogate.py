import pytest
import torch

from inverter.blackbox.best_of import best_of
from inverter.blackbox.build import load_baseline, load_run, load_surrogate
from inverter.blackbox.grid import Standardise
from inverter.blackbox.load import load_inverter
from inverter.blackbox.modules.surrogate import Surrogate, SurrogateModule
from inverter.data.datamodule import pair_loader
from inverter.evaluation.blackbox import attack_methods
from inverter.stages import train
from inverter.targets.shape import tensor_shape


@pytest.mark.parametrize(
    "feature_shape",
    [
        (2, 112, 112),
        (3, 28, 28),
        (3, 14, 9),
        (3, 7, 7),
        (3, 1, 1),
        (197, 6),
        (50, 6),
        (16, 6),
        (20,),
        ((3, 7, 7), (5,)),
    ],
)
def test_pictures_become_features_of_any_shape(feature_shape):
    surrogate = Surrogate(feature_shape, 64, width=16, depth=1)
    found = surrogate(torch.rand(2, 3, 64, 64))
    assert found.shape == (2, *tensor_shape(feature_shape))
    found.square().sum().backward()
    assert all(parameter.grad is not None for parameter in surrogate.parameters())


def test_features_come_in_the_targets_units():
    standardise = Standardise((3, 4, 4), [5.0, -1.0, 2.0], [2.0, 3.0, 0.0])
    surrogate = Surrogate((3, 4, 4), 32, width=16, depth=1, standardise=standardise)
    images = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        found, expected = surrogate.predict(images), surrogate(images)
    assert (found[:, 2] == 2.0).all()  # a channel that never varied
    torch.testing.assert_close(surrogate.standardise(found)[:, :2], expected[:, :2])


@pytest.fixture
def run(train_config, tmp_path):
    return train.run(train_config(tmp_path / "surrogate", "surrogate", max_steps=3))


def test_it_trains_and_loads_like_any_other_and_is_no_baseline(run, target_spec, train_config, tmp_path):
    module, config, _ = load_run(run)
    assert isinstance(module, SurrogateModule) and config.model.kind == "surrogate"
    assert "dev/cosine" in (run / "summary.json").read_text()
    found = load_surrogate(run, target_spec)(torch.rand(1, 3, 32, 32))
    assert found.shape == (1, *target_spec.tensor_shape)
    with pytest.raises(ValueError, match=r"baseline .* has model.kind=surrogate; allowed: one that reconstructs"):
        load_baseline(run, target_spec)
    other = train.run(train_config(tmp_path / "upconv", "upconv", max_steps=1))
    with pytest.raises(ValueError, match=r"surrogate .* has model.kind=upconv; allowed: surrogate"):
        load_surrogate(other, target_spec)


def test_it_learns_what_the_target_says(run, tiny_shards):
    module, _, _ = load_run(run)
    batch = next(iter(pair_loader(tiny_shards / "train", 10)))
    module.log = lambda *args, **kwargs: None
    optimizer = torch.optim.Adam(module.train().parameters(), lr=3e-3)
    losses = []
    for _ in range(25):
        optimizer.zero_grad()
        loss = module.training_step(batch, 0)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_draws_are_ranked_without_a_query(tiny_published, tiny_prior):
    inverter, asked = load_inverter(str(tiny_published), tiny_prior), []
    surrogate = Surrogate((6, 5, 7), 32, width=16, depth=1)
    methods = attack_methods(
        inverter,
        None,
        bf16=False,
        device=torch.device("cpu"),
        query=lambda images: asked.append(1),
        surrogate=surrogate,
        best_draws=3,
    )
    method, features = methods["best of 3 by surrogate"], torch.randn(2, 6, 5, 7)
    assert "best of 3" not in methods
    torch.manual_seed(4)
    found = method.reconstruct(features)
    assert not asked and method.cost == {"target_queries": 0, "denoiser_calls": 6}
    torch.manual_seed(4)
    with torch.no_grad():
        assert torch.equal(found, best_of(inverter, surrogate.predict, features, 3))
