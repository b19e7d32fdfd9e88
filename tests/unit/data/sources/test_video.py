import numpy as np
import pytest

from inverter.data.sources import video
from inverter.data.sources.video import VideoSource


def shades(source: VideoSource, index: int) -> list[int]:
    return [round(np.asarray(item.image).mean() / 10) for item in source.shard(index)]


def test_frames_keep_clip_and_number(write_clip, tmp_path):
    write_clip("clips/b.mkv", 3, codec="ffv1")
    write_clip("clips/day 1/a.mp4", 2)
    (tmp_path / "clips" / "notes.txt").write_text("no clip")
    items = list(VideoSource(str(tmp_path / "clips"), 9).shard(0))
    assert [(item.key, item.clip, item.frame) for item in items] == [
        ("b-000000", "b", 0),
        ("b-000001", "b", 1),
        ("b-000002", "b", 2),
        ("day_1_a-000000", "day_1_a", 0),
        ("day_1_a-000001", "day_1_a", 1),
    ]
    assert all(item.group == item.clip for item in items)


def test_shards_are_the_same_in_any_order_and_across_clips(write_clip, tmp_path):
    for name in ("a.mkv", "b.mkv"):
        write_clip(name, 5, codec="ffv1")
    source = VideoSource(f"{tmp_path}/*.mkv", 4, stride=2)
    assert [shades(source, index) for index in range(3)] == [[0, 2, 4, 0], [2, 4], []]
    assert shades(source, 0) == [0, 2, 4, 0]
    assert shades(VideoSource(str(tmp_path / "a.mkv"), 4, 3), 0) == [0, 1, 2]
    assert [item.frame for item in VideoSource(str(tmp_path / "a.mkv"), 9, fps=5).shard(0)] == [0, 2, 4]


def test_hidden_clips_are_left_out(write_clip, tmp_path):
    for name in ("clips/a.mkv", "clips/.trash/a.mkv", "clips/__MACOSX/a.mkv"):
        write_clip(name, 2, codec="ffv1")
    (tmp_path / "clips" / "._a.mkv").write_bytes(b"\x00\x05\x16\x07")
    for pattern in (tmp_path / "clips", tmp_path / "clips" / "*.mkv", tmp_path / "clips" / "**" / "*.mkv"):
        assert [item.clip for item in VideoSource(str(pattern), 9).shard(0)] == ["a", "a"]


def test_frames_are_decoded_as_they_are_asked_for(write_clip, monkeypatch):
    read = []

    def read_frames(path, read_frames=video.read_frames):
        for number, frame in read_frames(path):
            read.append(number)
            yield number, frame

    monkeypatch.setattr(video, "read_frames", read_frames)
    frames = VideoSource(str(write_clip("a.mkv", 40, codec="ffv1")), 10).shard(1)
    assert next(frames).frame == 10
    assert read == list(range(11))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stride": 0}, "video.stride=0; allowed: 1 or more"),
        ({"fps": 0.0}, "video.fps=0.0; allowed: a positive number"),
        ({"fps": float("nan")}, "video.fps=nan"),
        ({"fps": 2.0, "stride": 3}, "allowed: one of the two"),
    ],
)
def test_options_that_are_not_allowed(write_clip, options, message):
    with pytest.raises(ValueError, match=message):
        VideoSource(str(write_clip("a.mp4")), 4, **options)


def test_a_pattern_without_clips_is_refused(tmp_path):
    for pattern in (tmp_path, tmp_path / "absent.mp4", tmp_path / "*.mp4"):
        with pytest.raises(ValueError, match=r"names no clip; allowed: a file, a glob"):
            VideoSource(str(pattern), 4)
