import pickle

import fsspec
import pytest

from inverter.data.ranges import RangeReader


@pytest.fixture(params=["path", "file URL", "memory URL"])
def reader(request, tmp_path):
    contents = [b"0123456789", b"abcdef"]
    if request.param == "memory URL":
        names = [f"memory://ranges/{number}" for number in range(2)]
    else:
        names = [str(tmp_path / str(number)) for number in range(2)]
    for name, data in zip(names, contents, strict=True):
        with fsspec.open(name, "wb") as stream:
            stream.write(data)
    return RangeReader([f"file://{name}" if request.param == "file URL" else name for name in names])


def test_ranges_come_in_the_order_asked_for(reader):
    ranges = [(1, 2, 3), (0, 0, 2), (1, 0, 1), (0, 8, 2)]
    expected = [b"cde", b"01", b"a", b"89"]
    assert reader.read(ranges) == expected
    assert pickle.loads(pickle.dumps(reader)).read(ranges) == expected
    assert reader.read([]) == []
