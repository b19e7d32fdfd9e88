import io

import numpy as np
import pytest

from inverter.data.npy import read_npy


def save(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


@pytest.mark.parametrize("shape", [(), (5,), (2, 3), (2, 0), (2, 3, 4)])
@pytest.mark.parametrize("dtype", ["<f2", ">f4", "<f8"])
def test_reads_what_numpy_writes(shape, dtype):
    array = np.random.default_rng(0).normal(size=shape).astype(dtype)
    for stored in (array, np.asfortranarray(array)):
        found = read_npy(save(stored), ("float16", "float32", "float64"))
        np.testing.assert_array_equal(found, array)
        assert found.dtype.isnative and found.flags.c_contiguous and found.flags.writeable


def test_refuses_what_the_header_does_not_say():
    data = save(np.ones((2, 3), dtype=np.float32))
    for damaged in (data[:-1], data + b"\x00"):
        with pytest.raises(ValueError, match=r"array of float32 \(2, 3\) needs 24 bytes; the file holds"):
            read_npy(damaged, ("float32",))
    with pytest.raises(ValueError, match="array of float32; allowed: float16"):
        read_npy(data, ("float16",))
