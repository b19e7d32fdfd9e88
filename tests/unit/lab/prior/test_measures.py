import json
from itertools import permutations

import pytest
import torch

from inverter.evaluation.judges import Verdict
from inverter.lab.prior.border_colour import ColourWords
from inverter.lab.prior.card import closed_gap
from inverter.lab.prior.config import EvaluatePriorConfig
from inverter.lab.prior.measures import (
    PriorSampler,
    measure_background,
    measure_memory,
    measure_round_trip,
    measure_text,
)
from inverter.lab.prior.plan import Settings, choose_settings
from inverter.lab.prior.prompted_class import judge_classes, shuffled_hits, top_hits
from inverter.lab.prior.record import PriorRecord


def test_what_is_drawn_depends_on_number_and_part(tiny_prior):
    sampler = PriorSampler(tiny_prior, batch_size=2)
    prompts = ["a dog", "a boat", "a hill"]
    pictures = sampler.samples(prompts, 2, 1.0, "kid")
    assert pictures.shape == (3, 3, 32, 32) and float(pictures.min()) >= 0 and float(pictures.max()) <= 1
    assert torch.equal(sampler.samples(prompts, 2, 1.0, "kid"), pictures)
    assert not torch.equal(sampler.samples(prompts, 2, 1.0, "text"), pictures)
    assert sampler.noise(3).shape == pictures.shape
    expected = tiny_prior.decode(tiny_prior.encode(pictures))
    assert (sampler.round_trip(pictures) - expected).abs().max() <= 0.5 / 255 + 1e-6


def test_settings_of_a_base_and_of_a_variant():
    config = EvaluatePriorConfig(val="", output="")
    assert choose_settings(config, few_step=True) == Settings(4, 1.0, (1, 2, 4), ())
    assert choose_settings(config, few_step=False).guidance_scale == 2.0
    config.steps, config.guidances, config.num_inference_steps, config.guidance_scale = [], [3.0], 2, 1.5
    for few_step in (True, False):
        assert choose_settings(config, few_step) == Settings(2, 1.5, (), (3.0,))


def test_a_perfect_round_trip():
    image = (torch.rand(3, 3, 16, 16) * 255).round() / 255
    found = measure_round_trip(image, image, None, 50)
    assert (found["psnr"]["mean"], found["ssim"]["mean"], found["spectrum_error_db"]) == (60, pytest.approx(1), 0)
    assert len(found["spectrum_db"]) == 8


def test_a_copied_training_picture_shows():
    train = (torch.rand(4, 3, 8, 8) * 255).round() / 255
    batches = [{"key": [str(n) for n in range(4)], "image": train}]
    for copies in (train[:2], train[:2].flip(-1)):
        found = measure_memory(copies, 1 - train[:2], batches)
        assert found["drawn"]["max"] == found["drawn"]["median"] == 60
        assert found["real"]["max"] < 20


def test_chance_is_that_of_shuffled_prompts():
    verdict = Verdict(torch.eye(4)[[0, 0, 1, 2]], torch.zeros(4, 1))
    classes = torch.tensor([0, 1, 1, -1])
    hits = [top_hits(verdict, torch.tensor([*order, -1]), 1).mean().item() for order in permutations([0, 1, 1])]
    assert shuffled_hits(verdict, classes, 1) == pytest.approx(sum(hits) / len(hits))
    assert shuffled_hits(verdict, torch.full((4,), -1), 1) is None


def test_classes_that_a_judge_does_not_know_are_not_counted():
    class Judge:
        name = "residual"

        def look(self, images):
            return Verdict(torch.eye(8)[: len(images)], torch.zeros(len(images), 1))

    pictures = torch.zeros(3, 3, 8, 8)
    found = measure_text([Judge()], pictures, pictures, [{"label": label} for label in (0, 1, -1)])["residual"]
    assert (found["num_pictures"], found["drawn_top1"]["mean"]) == (2, 1)


def test_pictures_of_a_background_without_a_known_colour_are_not_counted():
    words = ColourWords(("black", "white"), torch.tensor([[0.0] * 3, [1.0] * 3]))
    found = measure_background(words, torch.ones(3, 3, 8, 8), torch.zeros(3, 3, 8, 8), ["white", "", "black"])
    assert (found["num_pictures"], found["drawn"]["mean"], found["chance"]) == (2, 0.5, 0.5)


def test_classes_of_the_judges():
    samples = [{"label": 3, "wnid": "n01443537"}, {"label": 5, "wnid": "unknown"}]
    assert judge_classes("residual", samples).tolist() == [3, 5]
    assert judge_classes("efficientnet-lite1", samples).tolist() == [1, -1]  # goldfish is ImageNet's second class


def test_top_hits_by_hand():
    verdict = Verdict(torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7], [0.4, 0.3, 0.3]]), torch.zeros(3, 1))
    classes = torch.tensor([1, 0, -1])
    assert top_hits(verdict, classes, 1).tolist() == [0, 0]
    assert top_hits(verdict, classes, 2).tolist() == [1, 0]
    assert top_hits(verdict, classes, 5).tolist() == [1, 1]


def test_the_gap_by_hand():
    parts = {
        name: {"judge": {"kid": {"mean": value}}}
        for name, value in (("kid/8 steps, guidance 2", 0.1), ("kid/Gaussian latents", 0.3), ("kid/round trip", 0.05))
    }
    assert closed_gap(parts, "judge", "8 steps, guidance 2") == pytest.approx(0.8)
    assert closed_gap(parts, "nobody", "8 steps, guidance 2") is None


def test_a_record_goes_on_and_refuses_another(tmp_path):
    subject = {"prior": "toy", "shape": (1, 2)}
    record = PriorRecord(tmp_path, subject)
    assert record.part("one", lambda: {"value": 1}) == {"value": 1}
    again = PriorRecord(tmp_path, subject)
    assert again.part("one", lambda: pytest.fail("measured twice")) == {"value": 1}
    assert again.part("nothing", lambda: None) is None
    assert PriorRecord(tmp_path, subject).parts == {"one": {"value": 1}}
    assert PriorRecord(tmp_path, subject, resume=False).part("one", lambda: 2) == 2
    with pytest.raises(ValueError, match="was made with prior='toy', now 'other'"):
        PriorRecord(tmp_path, {"prior": "other"})
    values = json.loads(record.path.read_text())
    record.path.write_text(json.dumps(values | {"schema_version": 9}))
    with pytest.raises(ValueError, match="schema_version 9; allowed: 1"):
        PriorRecord(tmp_path, subject)
    record.path.write_text("{")
    with pytest.raises(ValueError, match="no valid JSON"):
        PriorRecord(tmp_path, subject)
