from copy import deepcopy
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from inverter.blackbox.conditioner import Encoding
from inverter.blackbox.inverter import Inverter
from inverter.config import LoopConfig
from inverter.priors.control import Control
from inverter.whitebox.attack import Attack
from inverter.whitebox.config import MethodsConfig
from inverter.whitebox.methods.direct import DirectConfig
from inverter.whitebox.methods.guided import GuidedConfig
from inverter.whitebox.methods.hybrid import HybridConfig
from inverter.whitebox.methods.latent import LatentConfig

CONFIG = MethodsConfig(
    direct=DirectConfig(num_steps=3),
    latent=LatentConfig(num_steps=3, num_inference_steps=2),
    guided=GuidedConfig(num_inference_steps=3, num_recurrences=1),
    hybrid=HybridConfig(num_steps=2, polish="true", pixels=DirectConfig(num_steps=2)),
)


@pytest.fixture
def features(target, pictures):
    with torch.no_grad():
        return target(pictures)


def test_prompts_change_what_methods_with_a_prior_find(target, smooth_prior, features):
    for method in ("latent", "guided"):
        attack = Attack(method, target, smooth_prior, CONFIG)
        plain = attack.invert(features)
        assert torch.equal(plain.images, attack.invert(features, prompts=["", None]).images)
        right = attack.invert(features, prompts=["a dog", None])
        assert not torch.equal(plain.images[0], right.images[0])
        torch.testing.assert_close(plain.images[1], right.images[1])
        guided = Attack(method, target, smooth_prior, CONFIG, guidance_scale=3.0).invert(
            features, prompts=["a dog"] * 2
        )
        assert not torch.allclose(guided.images, attack.invert(features, prompts=["a dog"] * 2).images)
        assert (guided.counts["denoiser_calls"] == 2 * plain.counts["denoiser_calls"]).all()


def test_iterates_end_where_invert_does(target, smooth_prior, features):
    for method in ("direct", "hybrid"):
        attack = Attack(method, target, smooth_prior, CONFIG)
        found, whole = list(attack.iterates(features, ["a", "b"])), attack.invert(features, ["a", "b"])
        assert len(found) == int(whole.counts["steps"].max())
        assert torch.equal(found[-1].images, whole.images) and not torch.equal(found[0].images, whole.images)
        assert {name: values.tolist() for name, values in found[-1].counts.items()} == {
            name: values.tolist() for name, values in whole.counts.items()
        }


def test_features_that_travelled_in_half_precision_are_computed_with_in_full(target, pictures):
    target = deepcopy(target).float()
    attack = Attack("direct", target, None, CONFIG, image_size=8)
    with torch.no_grad():
        sent = {layer: values.half() for layer, values in target(pictures.float()).items()}
    found = attack.invert(sent)
    assert found.images.dtype == torch.float32
    again = attack.invert({layer: values.float() for layer, values in sent.items()})
    torch.testing.assert_close(found.images, again.images)
    with pytest.raises(ValueError, match=r"features of 1 are torch.int32; allowed: floating point"):
        attack.invert({layer: values.int() for layer, values in sent.items()})


class Given:
    """An inverter that says the same of whatever features, by tokens in the text's place."""

    spec = SimpleNamespace(conditioning="tokens")
    under_prompt = Inverter.under_prompt

    def __init__(self, prior, latents, prompt):
        self.prior, self.latents = prior, latents
        self.tokens = prior.condition([prompt]).expand(len(latents)).tokens

    def encode(self, features):
        return Encoding(self.latents, Control(None, (), None, self.tokens, in_place_of_text=True), self.latents)

    def null_control(self, batch_size):
        return None


def test_an_inverter_gives_start_and_conditioning_unless_a_prompt_is_given(target, smooth_prior, features):
    latents = torch.randn(2, 2, 4, 4, dtype=torch.float64)
    given = Given(smooth_prior, latents, "two boats")
    hybrid = HybridConfig(num_steps=2, prior_every_n_steps=0)  # the first picture is the start
    attack = Attack("hybrid", target, smooth_prior, MethodsConfig(hybrid=hybrid), inverter=given)
    found = attack.invert(features)
    with torch.no_grad():
        first = smooth_prior.decode(latents)
        from inverter.whitebox.goal import Goal

        expected = Goal(target, features).loss(first)
    torch.testing.assert_close(found.first_loss, expected)
    tokens = attack._start(features, [None, "a dog"], ["a", "b"])["control"].tokens
    torch.testing.assert_close(tokens[0], given.tokens[0])
    torch.testing.assert_close(tokens[1], smooth_prior.condition(["a dog"]).tokens[0])


def test_latent_below_full_strength_starts_at_the_inverter(target, smooth_prior, features):
    given = torch.full((2, 2, 4, 4), 0.3, dtype=torch.float64)
    config = replace(CONFIG, latent=LatentConfig(num_steps=1, num_inference_steps=0, strength=0.5))
    attack = Attack("latent", target, smooth_prior, config, inverter=Given(smooth_prior, given, ""))
    with torch.no_grad():
        expected = smooth_prior.decode(given).float()
    torch.testing.assert_close(attack.invert(features).images.float(), expected)
    whole = replace(attack, config=replace(config, latent=LatentConfig(num_steps=1, num_inference_steps=0)))
    assert not torch.allclose(whole.invert(features).images.float(), expected)


def test_a_budget_is_shared_by_the_phases(target, smooth_prior, features):
    config = MethodsConfig(
        loop=LoopConfig(max_queries=10),
        hybrid=HybridConfig(num_steps=200, polish="true", pixels=DirectConfig(num_steps=300)),
    )
    attack = Attack("hybrid", target, smooth_prior, config)
    assert [phase.num_steps for phase in attack.phases()] == [4, 6]
    assert attack.invert(features).counts["target_queries"].tolist() == [10, 10]


def test_what_does_not_fit_is_refused(target, smooth_prior, features):
    with pytest.raises(ValueError, match=r"method is 'blackbox'; allowed: direct, guided, hybrid, latent"):
        Attack("blackbox", target)
    with pytest.raises(ValueError, match=r"prior is None; allowed for method='latent'"):
        Attack("latent", target)
    attack = Attack("direct", target, config=CONFIG, image_size=8)
    with pytest.raises(ValueError, match=r"features are of layers \['1'\]; the target is tapped at \['1', '3'\]"):
        attack.invert(features["1"])
    with pytest.raises(ValueError, match=r"features have shape \(2, 4, 8, 7\); 1 gives \(B, \(4, 8, 8\)\)"):
        attack.invert({**features, "1": features["1"][..., :7]})
    with pytest.raises(ValueError, match=r"keys are 3; allowed: 2, one an image"):
        attack.invert(features, ["a", "b", "c"])
    with pytest.raises(ValueError, match=r"prompts are 1; allowed: 2, one an image"):
        attack.invert(features, prompts=["a dog"])


def test_a_strength_that_changes_nothing_is_said(target, smooth_prior, features, caplog):
    config = replace(CONFIG, hybrid=HybridConfig(num_steps=2, polish="false", strength=0.5))
    Attack("hybrid", target, smooth_prior, config).invert(features)
    assert "hybrid.strength=0.5 changes nothing: without an inverter the search starts at noise" in caplog.text


def test_one_layer_may_come_as_a_tensor(features, pictures):
    from torch import nn

    from inverter.targets import load_target

    alone = load_target(nn.Sequential(nn.Conv2d(3, 4, 3)), "0", input_size=8)
    with torch.no_grad():
        sent = alone(pictures.float())
    found = Attack("direct", alone, config=CONFIG, image_size=8).invert(sent)
    assert found.images.shape == (2, 3, 8, 8)
    assert found.images.dtype == torch.float32


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": torch.nn.Identity()}, "target is a Identity; allowed: what load_target or load_targets returns of"),
        ({"prior": "embedded"}, "prior is 'embedded'; allowed: None, or what load_prior returns of it"),
        ({"config": {"direct": {}}}, r"config is a dict; allowed: MethodsConfig\(\)"),
        ({"image_size": 8.0}, "image_size=8.0; allowed: a whole number"),
        ({"image_size": 0}, "image_size is 0; allowed: 1 or more"),
        ({"seed": 0.5}, "seed=0.5; allowed: a whole number"),
        ({"guidance_scale": float("nan")}, "guidance_scale=nan; allowed: a finite number"),
    ],
)
def test_arguments_of_other_kinds_are_one_line(target, options, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        Attack(**{"method": "direct", "target": target, "config": CONFIG, "image_size": 8, **options})


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"direct": DirectConfig(lr=-0.1)}, "direct.lr is -0.1; allowed: 0 or more"),
        ({"direct": DirectConfig(lr=float("nan"))}, "direct.lr=nan; allowed: a finite number"),
        ({"direct": DirectConfig(num_steps="3")}, "direct.num_steps='3'; allowed: a whole number"),
        ({"loop": LoopConfig(max_queries=1.5)}, "loop.max_queries=1.5; allowed: a whole number"),
    ],
)
def test_settings_are_numbers_from_0_on(target, sections, message):
    Attack("direct", target, config=replace(CONFIG, latent=LatentConfig(lr=-1)), image_size=8)  # which is not read
    with pytest.raises(ValueError, match=f"^{message}$"):
        Attack("direct", target, config=replace(CONFIG, **sections), image_size=8)


def test_texts_and_arrays_in_place_of_lists_and_tensors_are_one_line(target, features):
    attack = Attack("direct", target, config=CONFIG, image_size=8)
    for name in ("keys", "prompts"):
        with pytest.raises(ValueError, match=f"^{name} are 'ab'; allowed: 2, one an image$"):
            attack.invert(features, **{name: "ab"})
    with pytest.raises(ValueError, match=r"^features of 1 are a ndarray; allowed: a tensor, such as torch.from_numpy"):
        attack.invert({layer: values.numpy() for layer, values in features.items()})
