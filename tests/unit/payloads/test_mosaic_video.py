import copy

import pytest
import torch

from inverter.payloads import make_payload


@pytest.fixture
def clip():
    """Four equal frames of features."""
    features = torch.rand(1, 16, 14, 14, generator=torch.Generator().manual_seed(0))
    smooth = torch.nn.functional.avg_pool2d(features, 5, 1, 2)
    return smooth.repeat(4, 1, 1, 1)


VIDEO = ["mosaic-video:30", "mosaic-video:30:hevc"]


@pytest.mark.parametrize("name", VIDEO)
def test_of_a_static_clip_the_second_frame_is_nearly_free(clip, name):
    first, *others = make_payload(name).send(clip).num_bytes()
    assert first > 300
    assert max(others) < 0.08 * first
    alone = [make_payload(name).send(frame[None]).num_bytes()[0] for frame in clip]
    assert alone == [first] * 4  # single pictures are intra frames


def test_what_changes_costs(clip):
    moved = clip.clone()
    moved[2:, :4] = moved[2:, :4].flip(-1)
    still, changed = (make_payload("mosaic-video:30").send(frames).num_bytes() for frames in (clip, moved))
    assert changed[:2] == still[:2]
    assert changed[2] > 3 * still[2]


@pytest.mark.parametrize("codec", ["", ":hevc"])
def test_a_finer_quantiser_arrives_nearer_and_costs_more(clip, codec):
    sizes, errors = [], []
    for qp in (10, 30, 45):
        sent = make_payload(f"mosaic-video:{qp}{codec}").send(clip)
        sizes.append(sum(sent.num_bytes()))
        errors.append(float((sent.features - clip).abs().mean()))
    assert sizes == sorted(sizes, reverse=True)
    assert errors == sorted(errors)
    assert errors[0] < 0.01 * float(clip.max() - clip.min())


@pytest.mark.parametrize("name", VIDEO)
def test_batches_of_a_clip_go_on_and_a_restart_begins_anew(clip, name):
    payload = make_payload(name)
    whole = make_payload(name).send(clip)
    parts = [payload.send(clip[:1]), payload.send(clip[1:])]
    assert [size for part in parts for size in part.num_bytes()] == whole.num_bytes()
    assert torch.equal(torch.cat([part.features for part in parts]), whole.features)
    copied = copy.deepcopy(payload)  # a live codec cannot be copied
    payload.restart(1)
    assert payload.send(clip[:1]).num_bytes() == copied.send(clip[:1]).num_bytes() == whole.num_bytes()[:1]
    assert len(payload.send(torch.rand(1, 9)).codes()[0]) > 20  # another shape: a stream of its own


def test_attacks_on_the_targets_weights_leave_it_out():
    assert make_payload("mosaic-video:30").known == "identity"
    assert make_payload("minmax:8+mosaic-video:30").known == "minmax:8"


@pytest.mark.parametrize("shape", [(6, 5, 5), (16, 16, 16), (1, 64, 64), (16, 40, 16)])
def test_the_same_frames_make_the_same_stream(shape):
    frames = torch.rand(4, *shape, generator=torch.Generator().manual_seed(1))
    found = {tuple(make_payload("mosaic-video:30:hevc").send(frames).codes()) for _ in range(6)}
    assert len(found) == 1


def test_codecs(clip, monkeypatch):
    assert make_payload("mosaic-video:30:h264").name == "mosaic-video:30"
    with pytest.raises(ValueError, match=r"codec is 'av1'; it must be one of h264, hevc; allowed: mosaic-video:QP or"):
        make_payload("mosaic-video:30:av1")
    monkeypatch.setattr("av.codecs_available", {"libx264"})
    message = r"payload=mosaic-video:30:hevc needs libx265, which PyAV .* has not here; install the wheel of 'av'"
    with pytest.raises(ValueError, match=message):
        make_payload("mosaic-video:30:hevc").send(clip)
