import av
import numpy as np
import pytest
from PIL import Image

from inverter.data.sources.clips import read_frames, thin, to_picture


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mp4", "mpeg4"), ("a.mkv", "ffv1"), ("a.webm", "libvpx-vp9"), ("a.avi", "mjpeg")]
)
def test_every_codec_gives_each_frame_in_order(write_clip, name, codec):
    frames = list(read_frames(write_clip(name, codec=codec)))
    assert [number for number, _ in frames] == list(range(7))
    shades = [np.asarray(to_picture(frame)).mean() for _, frame in frames]
    np.testing.assert_allclose(shades, 10 * np.arange(7), atol=4)
    assert to_picture(frames[0][1]).size == (32, 16)


def test_thinning_goes_by_number_or_by_time(write_clip):
    path = write_clip("a.mkv", count=20, codec="ffv1", rate=10)

    def numbers(**options) -> list[int]:
        return [number for number, _ in thin(read_frames(path), **options)]

    assert numbers(stride=6) == [0, 6, 12, 18]
    assert numbers(fps=2.5) == [0, 4, 8, 12, 16]
    assert numbers(fps=4) == [0, 3, 5, 8, 10, 13, 15, 18]  # every 0.25 s, from the first frame on
    assert numbers(fps=99) == list(range(20))


def test_frames_without_times_go_by_the_clips_rate(write_clip):
    path = write_clip("a.h264", count=20, codec="libx264", rate=10)

    def without_times():
        for number, frame in read_frames(path):
            frame.pts = None
            yield number, frame

    rate = av.open(str(path)).streams.video[0].average_rate
    assert [number / rate for number, _ in read_frames(path)] == [f.pts * f.time_base for _, f in read_frames(path)]
    assert [number for number, _ in thin(read_frames(path), fps=float(rate) / 4)] == [0, 4, 8, 12, 16]
    assert [number for number, _ in thin(without_times(), stride=6)] == [0, 6, 12, 18]
    with pytest.raises(ValueError, match=r"video.fps=2, but frame 0 has no time .*; allowed: null"):
        list(thin(without_times(), fps=2))


def test_a_clip_that_tells_its_rotation_is_turned(write_clip):
    class Turned:
        rotation = 90
        format = av.VideoFormat("rgb24")

        def to_image(self):
            return to_picture(next(read_frames(write_clip("a.mp4")))[1])

    assert to_picture(Turned()).size == (16, 32)


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [
        ("a.mov", "qtrle", "argb"),
        ("a.mkv", "ffv1", "bgra"),
        ("a.mov", "prores_ks", "yuva444p10le"),
        ("a.webm", "libvpx-vp9", "yuva420p"),
        ("a.gif", "", ""),
    ],
)
def test_transparent_clips_are_laid_on_white(tmp_path, name, codec, pixels):
    frames = [Image.new("RGBA", (48, 48), (0, 0, 0, 0)) for _ in range(3)]
    for number, frame in enumerate(frames):
        frame.paste((255, 0, 0, 255), (16 + number, 16, 32, 32))
    if codec:
        with av.open(str(tmp_path / name), "w") as container:
            stream = container.add_stream(codec, rate=10)
            stream.width, stream.height, stream.pix_fmt = 48, 48, pixels
            for frame in frames:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(np.array(frame), format="rgba")))
            container.mux(stream.encode())
    else:
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], disposal=2)
    pictures = [to_picture(frame) for _, frame in read_frames(tmp_path / name)]
    assert len(pictures) == 3
    for picture in pictures:
        np.testing.assert_allclose(picture.getpixel((2, 2)), (255, 255, 255), atol=6)
        np.testing.assert_allclose(picture.getpixel((24, 24)), (255, 0, 0), atol=12)


def test_a_damaged_clip_gives_its_frames_and_a_warning(tmp_path, write_clip, caplog):
    list(read_frames(write_clip("whole.mkv", count=30, codec="mjpeg")))
    assert caplog.text == ""
    data = (tmp_path / "whole.mkv").read_bytes()
    starts = [n for n in range(len(data)) if data[n : n + 2] == b"\xff\xd8"]
    middle = bytearray(data)
    middle[starts[15] : starts[16] - 16] = bytes(starts[16] - 16 - starts[15])
    (tmp_path / "middle.mkv").write_bytes(middle)
    assert len(list(read_frames(tmp_path / "middle.mkv"))) == 29
    assert "middle.mkv is damaged, 29 frame(s) were read: " in caplog.text
    (tmp_path / "cut.mkv").write_bytes(data[: starts[20] + 8])
    assert len(list(read_frames(tmp_path / "cut.mkv"))) == 20
    assert "cut.mkv is damaged, 20 frame(s) were read: File ended prematurely" in caplog.text


def test_what_is_no_clip_is_one_clear_error(tmp_path, write_clip):
    (tmp_path / "text.mp4").write_text("no clip")
    with pytest.raises(ValueError, match=r"clip .*text\.mp4 cannot be read: "):
        list(read_frames(tmp_path / "text.mp4"))
    whole = write_clip("whole.mkv", count=30, codec="ffv1").read_bytes()
    (tmp_path / "sound.mkv").write_bytes(whole[:40])
    with pytest.raises(ValueError, match=r"clip .*sound\.mkv"):
        list(read_frames(tmp_path / "sound.mkv"))
    (tmp_path / "list.mp4").write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n")
    with pytest.raises(ValueError, match=r"clip .*list\.mp4"):
        list(read_frames(tmp_path / "list.mp4"))
