import pytest
import torch

from inverter.evaluation.intervals import Bootstrap, bootstrap_mean, paired_bootstrap, wilson


def test_interval_of_the_mean_matches_the_normal_one() -> None:
    values = torch.randn(400, generator=torch.Generator().manual_seed(0)).double()
    found = bootstrap_mean(values)
    half = 1.96 * values.std().item() / 20
    assert found.low is not None and found.high is not None
    assert found.mean == pytest.approx(values.mean().item())
    assert found.low == pytest.approx(found.mean - half, abs=0.15 * half)
    assert found.high == pytest.approx(found.mean + half, abs=0.15 * half)
    assert (found.n, found.groups) == (400, 400)


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    generator = torch.Generator().manual_seed(0)
    covered = 0
    for _ in range(200):
        found = bootstrap_mean(torch.randn(40, generator=generator), num_bootstrap=300)
        assert found.low is not None and found.high is not None
        covered += found.low <= 0 <= found.high
    assert 0.89 <= covered / 200 <= 0.98


def test_groups_of_like_images_widen_the_interval() -> None:
    values = torch.randn(20, generator=torch.Generator().manual_seed(0)).repeat_interleave(5)  # crops repeat the photo
    groups = [f"photo{i // 5}" for i in range(100)]
    by_image, by_group = bootstrap_mean(values), bootstrap_mean(values, groups)
    assert by_group.mean == by_image.mean and by_group.groups == 20
    assert by_group.high - by_group.low > 1.8 * (by_image.high - by_image.low)  # type: ignore[operator]


def test_unlike_group_sizes_weigh_images_not_groups() -> None:
    bootstrap = Bootstrap(3, ["a", "a", "b"], num_bootstrap=50)
    replicates = bootstrap.mean(torch.tensor([0.0, 0.0, 3.0])).replicates
    assert set(replicates.tolist()) == {0.0, 1.0, 3.0}  # aa, ab and bb


def test_paired_differences_see_through_shared_noise() -> None:
    noise = 5 * torch.randn(60, generator=torch.Generator().manual_seed(0))
    found = paired_bootstrap(noise + 0.5, noise)
    assert found.excludes_zero and found.mean == pytest.approx(0.5, abs=1e-6)
    same = paired_bootstrap(noise, noise)
    assert (same.mean, same.low, same.high, same.excludes_zero) == (0.0, 0.0, 0.0, False)
    other = torch.randn(60, generator=torch.Generator().manual_seed(1))
    assert not paired_bootstrap(other, other.flip(0)).excludes_zero


def test_kid_of_crops_lies_inside_its_own_interval() -> None:
    generator = torch.Generator().manual_seed(0)
    photos = torch.randn(10, 1, 16, generator=generator)
    originals = (photos + 0.5 * torch.randn(10, 25, 16, generator=generator)).flatten(0, 1)
    recon = 0.9 * originals + 0.3 * torch.randn(originals.shape, generator=generator)
    bootstrap = Bootstrap(250, [str(i // 25) for i in range(250)], num_bootstrap=300)
    statistic = bootstrap.kid(recon, originals)
    found = bootstrap.interval(statistic)
    assert found.low is not None and found.high is not None and found.low < found.mean < found.high
    assert abs(statistic.replicates.mean() - found.mean) < 0.3 * statistic.replicates.std()


def test_same_seed_same_interval_and_one_source_has_none() -> None:
    values = torch.rand(10)
    assert bootstrap_mean(values, seed=3) == bootstrap_mean(values, seed=3)
    assert bootstrap_mean(values, seed=3) != bootstrap_mean(values, seed=4)
    alone = bootstrap_mean(values, ["clip"] * 10)
    assert (alone.low, alone.high, alone.groups) == (None, None, 1)


def test_wrong_values_raise() -> None:
    with pytest.raises(ValueError, match="all finite"):
        bootstrap_mean(torch.tensor([1.0, torch.nan]))
    with pytest.raises(ValueError, match="3 entries for 2 images"):
        bootstrap_mean(torch.zeros(2), ["a", "b", "c"])
    with pytest.raises(ValueError, match="values has shape"):
        paired_bootstrap(torch.zeros(2), torch.zeros(3))


def test_wilson_by_hand() -> None:
    assert wilson(0.0, 10) == pytest.approx((0.0, 0.27753), abs=1e-5)  # 3.8415 / (10 + 3.8415)
    assert wilson(1.0, 10) == pytest.approx((0.72247, 1.0), abs=1e-5)
    assert wilson(0.3, 10) == pytest.approx((0.10779, 0.60322), abs=1e-5)


def test_a_share_of_none_or_all_is_no_point() -> None:
    groups = [f"photo{i // 4}" for i in range(120)]
    none, everyone = (bootstrap_mean(torch.full((120,), x), groups, share=True) for x in (0.0, 1.0))
    assert (none.low, none.high) == pytest.approx(wilson(0.0, 30))
    assert (everyone.low, everyone.high) == pytest.approx(wilson(1.0, 30))
    once = torch.zeros(120)
    once[5] = 1
    found = bootstrap_mean(once, groups, share=True)
    assert found.high is not None and none.high is not None and found.high >= none.high  # one hit is not less than none
    same = bootstrap_mean(torch.ones(120), groups)  # no share, such as the structural similarity of copies
    assert (same.low, same.high) == (1.0, 1.0)


def test_differences_of_rare_shares_are_no_points() -> None:
    groups = [str(i // 4) for i in range(120)]
    same = paired_bootstrap(torch.zeros(120), torch.zeros(120), groups, share=True)
    assert same.low == pytest.approx(-wilson(0.0, 30)[1]) and same.high == pytest.approx(wilson(0.0, 30)[1])
    apart = paired_bootstrap(torch.ones(120), torch.zeros(120), groups, share=True)
    assert apart.claim and apart.low == pytest.approx(1 - 2**0.5 * wilson(0.0, 30)[1]) and apart.high == 1


def test_few_sources_claim_nothing() -> None:
    values = torch.randn(40, generator=torch.Generator().manual_seed(0))
    for sources, claim in ((19, False), (20, True)):
        found = paired_bootstrap(values + 3, values, [str(i % sources) for i in range(40)])
        assert found.excludes_zero and found.claim is claim
