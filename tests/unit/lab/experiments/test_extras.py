"""Spectra and temporal metrics with their intervals."""

from types import SimpleNamespace

import torch

from inverter.evaluation.intervals import Bootstrap
from inverter.lab.experiments.extras import Extras, add_temporal, extend, mean_power


def watch(recons: dict[str, torch.Tensor], clip: bool = False) -> Extras:
    subject = SimpleNamespace(loss=lambda recon, features, distance: (recon - features).square().flatten(1).mean(1))
    extras = Extras(subject, "mse", clip)  # type: ignore[arg-type]
    for _ in extras.watch([{"features": recons["original"]}]):
        for method, recon in recons.items():
            extras(method, [], recon)
    return extras


def test_power_is_resampled_before_the_logarithm():
    power = torch.tensor([[1.0, 4.0], [3.0, 8.0]], dtype=torch.float64)
    bootstrap = Bootstrap(2, num_bootstrap=50)
    found = mean_power(power, bootstrap)
    assert found[0].tolist() == [2.0, 6.0]
    assert {tuple(row) for row in found[1:].tolist()} == {(1.0, 4.0), (2.0, 6.0), (3.0, 8.0)}


def test_half_the_contrast_is_six_decibels_less_at_every_radius():
    image = torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    extras = watch({"original": image, "half": image / 2})
    bootstrap = Bootstrap(3, num_bootstrap=20)
    found = extras.statistics(bootstrap)["half"]
    torch.testing.assert_close(torch.tensor(found["spectrum_error"].value), torch.tensor(6.0206), atol=1e-3, rtol=0)
    torch.testing.assert_close(torch.tensor(found["spectrum_high"].value), torch.tensor(-6.0206), atol=1e-3, rtol=0)
    assert bootstrap.interval(found["spectrum_high"]).high < -6
    assert len(extras.spectra()["half"]) == 8
    assert extras.statistics(bootstrap)["original"]["feature_loss"].value == 0


def test_two_runs_of_a_clip_are_no_longer_clip(results):
    """Between the last frame of one run and the first of the next nothing is compared."""
    generator = torch.Generator().manual_seed(0)
    frames = torch.rand(3, 3, 16, 16, generator=generator)
    original, noisy = torch.cat([frames, frames]), torch.rand(6, 3, 16, 16, generator=generator)
    extras = watch({"original": original, "a": noisy, "b|c": original}, clip=True)
    assert extras.temporal(2)["a"]["flicker"].shape == (4,)
    pictures = [SimpleNamespace(block=str(i)) for i in range(3)]
    found = add_temporal(results(), extras, pictures, 2, [("a", "b|c")], {"num_bootstrap": 50, "seed": 0})  # type: ignore[arg-type]
    assert found.row("a").scores["flicker"].n == 4
    assert found.row("b|c").scores["flicker"].mean == 0
    assert [c.excludes_zero for c in found.comparisons if c.metric == "flicker"] == [True]


def test_comparisons_keep_the_order_of_the_metrics(results):
    bootstrap, names = Bootstrap(3, num_bootstrap=20), [f"metric {i}" for i in range(20)]
    statistics = {method: {name: bootstrap.mean(torch.ones(3)) for name in names} for method in "ab"}
    found = extend(results(), statistics, bootstrap, [("a", "b"), ("a", "absent")])
    assert [comparison.metric for comparison in found.comparisons] == names
