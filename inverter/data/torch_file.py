"""Files of ``torch.save`` for tensors of unknown origin: PyTorch's restricted reader, and limits of our own."""

from __future__ import annotations

import zipfile
from pathlib import Path
from pickle import UnpicklingError

import torch
from torch import Tensor


def read_torch(path: Path) -> dict[str, Tensor]:
    """Tensors of a ``.pt`` file by name; a tensor alone is called ``features``.

    ``torch.load(weights_only=True)`` interprets the pickle inside itself: it builds tensors, containers and numbers,
    and refuses every other class or function before anything is called. Beyond that only the uncompressed zip of
    PyTorch 1.6 and later is read, and only dense tensors that take no more memory than the file.

    Raises:
        ValueError: A damaged or another file, or anything but a tensor or a dictionary of tensors.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
                raise ValueError("it is compressed; allowed: what torch.save writes")
            if sum(member.file_size for member in archive.infolist()) > path.stat().st_size:
                raise ValueError("its members overlap; allowed: what torch.save writes")
    except zipfile.BadZipFile as error:
        raise ValueError("no file of torch.save of PyTorch 1.6 or later, or a damaged one") from error
    try:
        values = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise ValueError("it holds more than tensors; allowed: a tensor, or a dictionary of tensors by name") from error
    except Exception as error:  # a damaged file fails with errors of many classes
        raise ValueError(f"it is damaged ({type(error).__name__})") from error
    tensors = {"features": values} if isinstance(values, Tensor) else values
    if not isinstance(tensors, dict) or not all(isinstance(each, Tensor) for each in tensors.values()):
        raise ValueError(f"it holds a {type(values).__name__}; allowed: a tensor, or a dictionary of tensors by name")
    detached = {str(name): values.detach() for name, values in tensors.items()}
    for name, each in detached.items():
        size = each.numel() * each.element_size()
        if each.layout != torch.strided or each.device.type != "cpu" or size > path.stat().st_size:
            raise ValueError(f"{name} is no dense tensor of as many numbers as the file holds; save its contiguous()")
    return detached
