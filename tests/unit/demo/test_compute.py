"""What travels, and what comes back of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from inverter import load_target
from inverter.demo import compute
from inverter.demo.compute import Draw, mean, read_features, read_guidance, read_photo, sample, search, send_photo
from inverter.demo.config import DemoConfig
from inverter.demo.inverters import Inverters, names
from inverter.targets.tap import tap


@pytest.fixture
def photo() -> Image.Image:
    values = np.linspace(0, 255, 60 * 40 * 3).reshape(40, 60, 3).astype(np.uint8)
    return Image.fromarray(values)


@pytest.fixture
def name(inverters) -> str:
    return inverters.names[0]


def test_a_photo_sends_what_the_layer_gives_of_its_centre_square(inverters, name, config, photo):
    sent = send_photo(inverters, name, "", photo)
    with torch.no_grad():
        features = load_target(config.target, "1", input_size=32)(sent.picture[None])
    assert sent.picture.shape == (3, 32, 32) and sent.num_bytes == 6 * 4 * 4 * 4
    assert abs(float(sent.picture.mean()) - np.asarray(photo)[:, 10:50].mean() / 255) < 0.01
    assert torch.equal(sent.features, features)


def test_a_payload_changes_bytes_and_what_arrives(inverters, name, photo):
    plain, coded = send_photo(inverters, name, "", photo), send_photo(inverters, name, "int8", photo)
    assert coded.num_bytes == 6 * 4 * 4 + 4
    assert 0 < float((plain.features - coded.features).abs().max()) < float(plain.features.abs().max()) / 127
    noisy = [send_photo(inverters, name, "gaussian:0.5", photo, seed).features for seed in (1, 1, 2)]
    assert torch.equal(noisy[0], noisy[1]) and not torch.equal(noisy[0], noisy[2])


def test_mean_and_samples_are_the_inverters(inverters, name, photo):
    sent, inverter = send_photo(inverters, name, "", photo), inverters.inverter(name)[0]
    assert torch.equal(mean(inverters, name, sent), inverter.mean(sent.features)[0])
    drawn = sample(inverters, name, sent, Draw(number=3, seed=4))
    alone = inverter.sample(sent.features, generator=torch.Generator().manual_seed(6))
    torch.testing.assert_close(drawn[2], alone[0])
    assert not torch.equal(drawn[0], drawn[1])


def test_guidance_and_prompt_reach_the_sample(inverters, name, photo, monkeypatch):
    given = {}
    monkeypatch.setattr(type(inverters.inverter(name)[0]), "sample", lambda self, features, **draw: given.update(draw))
    sample(inverters, name, send_photo(inverters, name, "", photo), Draw(1, 7, 2.5, "a dog"))
    assert (given["guidance_scale"], given["prompt"], given["generator"][0].initial_seed()) == (2.5, "a dog", 7)


def test_a_search_comes_nearer_and_ends_when_it_is_closed(inverters, name, photo, monkeypatch):
    queries, passes = [], tap
    monkeypatch.setattr("inverter.targets.target.tap", lambda *given: queries.append(1) or passes(*given))
    planned, iterates = search(inverters, name, "", send_photo(inverters, name, "", photo), "direct", 5)
    found = [next(iterates) for _ in range(8)]
    iterates.close()
    made = len(queries)
    assert planned == 500 and float(found[-1].feature_loss) < float(found[0].feature_loss)
    assert list(iterates) == [] and len(queries) == made


def test_a_search_ends_at_its_seconds(inverters, name, photo):
    sent = send_photo(inverters, name, "", photo)
    found = list(search(inverters, name, "", sent, "direct", 0.2)[1])
    assert found[-1].limit == "max_seconds" and len(found) < 500


def test_features_of_a_file_are_those_of_the_photo(inverters, name, photo, tmp_path):
    sent = send_photo(inverters, name, "", photo)
    np.save(tmp_path / "features.npy", sent.features.numpy())
    read = read_features(inverters, name, tmp_path / "features.npy")
    assert torch.equal(read.features, sent.features) and read.picture is read.num_bytes is None


def test_a_photo_is_turned_as_its_exif_says(tmp_path):
    exif = Image.Exif()
    exif[274] = 6  # turned right
    Image.new("RGB", (8, 4)).save(tmp_path / "turned.jpg", exif=exif)
    assert read_photo(tmp_path / "turned.jpg").size == (4, 8)


def test_photos_that_cannot_be_used_are_sentences(tmp_path, monkeypatch, photo):
    photo.save(tmp_path / "whole.png")
    data = (tmp_path / "whole.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(data[: len(data) // 2])
    (tmp_path / "text.png").write_bytes(b"no picture")
    for file, message in (
        ("cut.png", "picture cut.png cannot be read: .*"),
        ("text.png", "picture text.png is none; .*"),
    ):
        with pytest.raises(ValueError, match=f"^{message}"):
            read_photo(tmp_path / file)
    monkeypatch.setattr(compute, "MOST_PIXELS", 2399)
    with pytest.raises(ValueError, match=r"^picture whole.png has 60 x 40 pixels; allowed: 2,399 in all$"):
        read_photo(tmp_path / "whole.png")


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (Draw(number=5), "draws is 5; allowed: 1 to 4"),
        (Draw(seed=-1), "seed is -1; allowed: 0 to 4294967295"),
        (Draw(guidance_scale=21), "guidance is 21; allowed: 0 to 20, or empty"),
        (Draw(guidance_scale=float("nan")), "guidance is nan; allowed: 0 to 20, or empty"),
        (Draw(prompt="x" * 301), "prompt is 301 characters long; allowed: 300"),
    ],
)
def test_draws_out_of_range_are_refused(inverters, name, photo, draw, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        sample(inverters, name, send_photo(inverters, name, "", photo), draw)


def test_guidance_that_is_not_given_is_as_published():
    assert [read_guidance(text) for text in ("", " ", "0", "2.5")] == [None, None, 0.0, 2.5]
    with pytest.raises(ValueError, match=r"^guidance is 'much'; allowed: 0 to 20, or empty$"):
        read_guidance("much")


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ("int9", "payload='int9' is unknown"),
        ("minmax:8:fit", "payload=minmax:8:fit takes its range from training pairs"),
        ("minmax:40", "payload='minmax:40': BITS is '40'"),
    ],
)
def test_payloads_that_cannot_be_sent_are_refused(inverters, name, photo, payload, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        send_photo(inverters, name, payload, photo)


def test_features_of_another_shape_are_refused_by_the_files_name_alone(inverters, name, tmp_path):
    np.save(tmp_path / "other.npy", np.zeros((6, 4, 5), np.float32))
    (tmp_path / "broken.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(ValueError, match=r"^features of 'other.npy' have shape \(6, 4, 5\); 1 gives \(6, 4, 4\)"):
        read_features(inverters, name, tmp_path / "other.npy")
    with pytest.raises(ValueError, match=r"^feature file broken.npy cannot be read"):
        read_features(inverters, name, tmp_path / "broken.npy")


def test_seconds_and_methods_that_are_not_allowed_are_refused(inverters, name, photo):
    sent = send_photo(inverters, name, "", photo)
    for method, seconds, message in (
        ("direct", 5.1, "seconds are 5.1; allowed: above 0, at most 5"),
        ("direct", float("nan"), "seconds are nan; allowed: above 0, at most 5"),
        ("indirect", 1, "method is 'indirect'; allowed: .*"),
    ):
        with pytest.raises(ValueError, match=f"^{message}$"):
            search(inverters, name, "", sent, method, seconds)


def test_what_was_not_offered_is_not_loaded(inverters):
    with pytest.raises(ValueError, match=r"^inverter is '/etc'; allowed: "):
        inverters.inverter("/etc")


def test_a_target_that_is_not_at_hand_takes_features_alone(published, photo):
    without = Inverters(DemoConfig(inverters=[str(published)], device="cpu"))
    with pytest.raises(ValueError, match=r"^target 'module:network_of_the_demo:build' of inverter .* is not at hand"):
        send_photo(without, str(published), "", photo)


def test_published_inverters_and_finished_runs_are_offered(tmp_path):
    for run, files in (("done", ("train.yaml", "summary.json")), ("begun", ("train.yaml",))):
        (tmp_path / run).mkdir()
        for file in files:
            (tmp_path / run / file).touch()
    found = names(DemoConfig(runs=str(tmp_path)))
    assert "blocks.2" in found and found[-1] == str(tmp_path / "done") and str(tmp_path / "begun") not in found
    with pytest.raises(ValueError, match=r"^inverters is \[\], and none"):
        names(DemoConfig(inverters=[]))
