import logging
import shutil
from types import SimpleNamespace

import pytest

from inverter.data.size import check_space, pair_bytes


@pytest.mark.parametrize(("latents", "shape"), [(True, (4, 2, 2)), (False, None)])
def test_a_pair_is_no_larger_than_estimated_and_not_much_smaller(write_shards, latents, shape):
    folder = write_shards((40,), latents=latents)
    written, estimated = (folder / "pairs-000000.tar").stat().st_size, 40 * pair_bytes((3, 2, 5), "float16", 8, shape)
    assert 0.9 * estimated < written - 10240 <= estimated  # a tar ends in up to 10 kB of zeros


def test_float32_features_take_twice_as_much():
    half, full = (pair_bytes((64, 28, 28), dtype, 64, None) for dtype in ("float16", "float32"))
    assert abs(full - half - 64 * 28 * 28 * 2) < 512


def test_what_does_not_fit_is_refused_and_what_is_there_is_not_counted_again(write_shards, monkeypatch, caplog):
    folder = write_shards((5, 3))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=2_500_000))
    with caplog.at_level(logging.INFO):
        check_space({folder: 1_000_000}, 10)
    assert "2 pairs to write, about 2 MB" in caplog.text
    message = r"train has 2.5 MB free; the pairs need 3 MB: take fewer pairs, another output, feature_dtype=float16"
    with pytest.raises(ValueError, match=message):
        check_space({folder: 1_000_000}, 11)
    other = folder.parent / "other"
    other.mkdir()
    with pytest.raises(ValueError, match=r"other has 2.5 MB free; the pairs need 4 MB"):  # both are on one disk
        check_space({folder: 1_000_000, other: 200_000}, 10)


def test_a_source_of_unknown_length_is_not_refused(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=0))
    with caplog.at_level(logging.INFO):
        check_space({tmp_path: 1500}, None)
    assert "pairs of about 1.5 kB, nobody knows how many" in caplog.text
