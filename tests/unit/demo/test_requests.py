"""What the page is given: pictures as they come."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save

from inverter.demo.compute import Draw, send_photo
from inverter.demo.requests import FEATURES, PHOTO, Chosen, attack, reconstruct
from inverter.demo.view import show_stopped


@pytest.fixture
def chosen(inverters, tmp_path) -> Chosen:
    Image.new("RGB", (50, 40), "red").save(tmp_path / "red.png")
    return Chosen(PHOTO, str(tmp_path / "red.png"), None, inverters.names[0])


def alts(page: str) -> list[str]:
    assert page.count("<img") == page.count('src="data:image/png;base64,')
    return re.findall(r'alt="([^"]*)"', page)


def test_mean_comes_first_and_then_the_samples(inverters, chosen):
    (first_sent, first), (sent, last) = reconstruct(inverters, chosen, Draw(number=2, seed=3))
    assert first_sent == sent and "6 x 4 x 4" in sent and ">384<" in sent and len(alts(sent)) == 6
    assert alts(first) == ["photo", "mean"] and first.count('class="waiting"') == 2
    assert alts(last) == ["photo", "mean", "sample, seed 3", "sample, seed 4"] and "waiting" not in last
    assert re.search(r"one pass, \d+\.\d dB", last)


def test_another_payload_than_was_trained_on_is_said(inverters, chosen):
    said = "The inverter was trained on identity"
    coded = Chosen(**{**vars(chosen), "payload": "int8"})
    assert said not in next(reconstruct(inverters, chosen, Draw()))[0]
    assert said in next(reconstruct(inverters, coded, Draw()))[0]


def test_features_come_without_photo_and_decibels(inverters, chosen, tmp_path):
    features = send_photo(inverters, chosen.inverter, "", Image.new("RGB", (32, 32), "red")).features
    np.save(tmp_path / "red.npy", features.numpy())
    given = Chosen(FEATURES, chosen.photo, str(tmp_path / "red.npy"), chosen.inverter)
    sent, last = list(reconstruct(inverters, given, Draw(number=1)))[-1]
    assert alts(last) == ["mean", "sample, seed 0"] and " dB" not in last and "how it travelled is not known" in sent


def test_an_attack_shows_its_iterates(inverters, chosen, monkeypatch):
    monkeypatch.setattr("inverter.demo.requests.EVERY_SECONDS", 0)
    pages = attack(inverters, chosen, "direct", 5)
    assert alts(next(pages)) == ["photo"]
    shown = [next(pages) for _ in range(6)]
    assert alts(shown[0]) == ["photo", "step 1"]
    assert alts(shown[5]) == ["photo", "step 1", "step 2", "step 4", "step 6"]
    assert "direct: step 6 of 500, feature loss" in shown[5]
    assert "; stopped</p>" in show_stopped(shown[5])


def test_an_attack_ends_and_says_so(inverters, chosen):
    last = list(attack(inverters, chosen, "direct", 0.3))[-1]
    assert "; done</p>" in last and show_stopped(last) == last


@pytest.mark.parametrize("source", [PHOTO, FEATURES])
@pytest.mark.parametrize("payload", ["pq:1x1:{}", "int8+pq:1x1:{}", "pq:1x1:books.safetensors", "x" * 301])
def test_a_payload_reads_no_file_of_the_machine(inverters, chosen, tmp_path, monkeypatch, source, payload):
    books = save({"codebooks": torch.zeros(1, 2, 96)})
    (tmp_path / "books.safetensors").write_bytes(books)
    monkeypatch.chdir(tmp_path)
    np.save(tmp_path / "red.npy", np.zeros((6, 4, 4), np.float32))
    text = payload.format(tmp_path / "books.safetensors")
    given = Chosen(source, chosen.photo, str(tmp_path / "red.npy"), chosen.inverter, text)
    for pages in (reconstruct(inverters, given, Draw()), attack(inverters, given, "direct", 5)):
        with pytest.raises(ValueError, match=r"^payload is '.*'; allowed here: 300 characters that name no file$"):
            next(pages)


def test_nothing_chosen_is_a_sentence(inverters, chosen):
    for source, needed in ((PHOTO, "a photo"), (FEATURES, "a feature file")):
        with pytest.raises(ValueError, match=f"^there is nothing to invert; choose or drop {needed}$"):
            next(reconstruct(inverters, Chosen(source, None, None, chosen.inverter), Draw()))
