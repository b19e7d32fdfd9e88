"""NumPy's .npy and .npz for arrays of unknown origin: checked before memory is taken, never unpickled."""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.lib import format as npy_format

_LONGEST_HEADER = 1024  # bytes; three axes need a tenth of it
_READ_HEADER = {(1, 0): npy_format.read_array_header_1_0, (2, 0): npy_format.read_array_header_2_0}


def read_npy(data: bytes, dtypes: Sequence[str]) -> np.ndarray:
    """Array in an .npy file, in C order and the machine's byte order.

    Args:
        data: The whole file.
        dtypes: Names of the dtypes allowed.
    Raises:
        ValueError: Not an .npy file, another dtype, or a size that is not what the header says.
    """
    stream = io.BytesIO(data)
    try:
        version = npy_format.read_magic(stream)
        shape, fortran, dtype = _READ_HEADER[version](stream, max_header_size=_LONGEST_HEADER)
    except Exception as error:  # a hostile header, which NumPy parses as a literal, fails with errors of many classes
        raise ValueError(f"no .npy array of numbers; the file begins with {data[:32]!r}") from error
    if dtype.name not in dtypes:
        raise ValueError(f"array of {dtype.name}; allowed: {', '.join(dtypes)}")
    available, needed = len(data) - stream.tell(), math.prod(shape) * dtype.itemsize
    if available != needed or any(size < 0 for size in shape):
        raise ValueError(f"array of {dtype.name} {shape} needs {needed} bytes; the file holds {available}")
    array = np.frombuffer(data, dtype, offset=stream.tell()).reshape(shape, order="F" if fortran else "C")
    return array.astype(dtype.newbyteorder("="), order="C")


def npz_size(path: Path) -> int:
    """Bytes that the members of an archive take unpacked, as it says itself; more is never unpacked.

    Raises:
        ValueError: No archive, or a damaged one.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise ValueError(f"no .npz archive of arrays: {error}") from error


def read_npz(path: Path, dtypes: Sequence[str]) -> dict[str, np.ndarray]:
    """Arrays of an .npz archive by name, each as :func:`read_npy` reads it.

    Raises:
        ValueError: No archive, a damaged one, members that are no .npy or larger than it can hold, or as
            :func:`read_npy`.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if other := [member.filename for member in members if not member.filename.endswith(".npy")]:
                raise ValueError(f"it holds {other[0]!r}; allowed: .npy members")
            if sum(member.file_size for member in members) > 1000 * path.stat().st_size:  # beyond deflate's own ratio
                raise ValueError("its members are larger than an archive of this size can hold")
            data = {member.filename.removesuffix(".npy"): archive.read(member) for member in members}
    except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError) as error:
        raise ValueError(f"no .npz archive of arrays: {error}") from error
    arrays = {}
    for name, content in data.items():
        try:
            arrays[name] = read_npy(content, dtypes)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
    return arrays
