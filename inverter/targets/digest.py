"""The hash of a network's weights, by which features of another network are told apart."""

import hashlib
import logging
from collections.abc import Iterator, Mapping
from io import BytesIO
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from inverter.config.errors import one_line

log = logging.getLogger(__name__)
_PLAIN = (bool, int, float, complex, str, type(None), torch.dtype, torch.device, torch.qscheme, np.generic)


def weights_sha256(network: nn.Module) -> str:
    """SHA-256 in hexadecimal over the state dict: each entry's name, dtype, shape and bytes, sorted by name.

    Of entries that are no tensors, such as ``get_extra_state`` gives, plain values and what containers hold are hashed;
    a parameter without values yet (``nn.LazyLinear``) by its name. What cannot be hashed is left out, with a warning.
    """
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items(), key=lambda entry: str(entry[0])):
        try:
            parts = list(_parts(str(name), value))
        except (TypeError, AttributeError, RuntimeError) as error:
            log.warning("weights_sha256 leaves out %s, a %s: %s", name, type(value).__name__, one_line(error))
            continue
        for part in parts:
            digest.update(part)
    return digest.hexdigest()


def _parts(name: str, value: Any) -> Iterator[bytes | memoryview]:
    """What is hashed of an entry.

    Raises:
        TypeError: There is no way to hash it; torch raises others for tensors whose bytes cannot be had.
    """
    if isinstance(value, Tensor):
        yield from _tensor_parts(name, value)
    elif isinstance(value, np.ndarray) and value.dtype != object:
        yield f"{name} {value.dtype} {value.shape}\n".encode()
        yield value.tobytes()
    elif isinstance(value, bytes | bytearray | BytesIO):
        data = value.getvalue() if isinstance(value, BytesIO) else value
        yield f"{name} bytes {len(data)}\n".encode() + bytes(data)
    elif isinstance(value, Mapping):
        yield f"{name} mapping {len(value)}\n".encode()
        for key in sorted(value, key=str):
            yield from _parts(f"{name}.{key}", value[key])
    elif isinstance(value, list | tuple):
        yield f"{name} sequence {len(value)}\n".encode()
        for number, part in enumerate(value):
            yield from _parts(f"{name}.{number}", part)
    elif isinstance(value, _PLAIN):
        yield f"{name} {type(value).__name__} {value!r}\n".encode()
    else:
        raise TypeError(f"{name} is no tensor and no plain value")


def _tensor_parts(name: str, value: Tensor) -> Iterator[bytes | memoryview]:
    if is_lazy(value):
        yield f"{name} uninitialised\n".encode()
    elif value.is_quantized:
        yield f"{name} {value.dtype} {tuple(value.shape)} {value.qscheme()}\n".encode()
        yield from _tensor_parts(f"{name}.values", value.dequantize())
    elif hasattr(value, "__tensor_flatten__"):  # a tensor made of tensors
        for part in value.__tensor_flatten__()[0]:
            yield from _tensor_parts(f"{name}.{part}", getattr(value, part))
    elif value.layout != torch.strided:
        yield f"{name} {value.layout}\n".encode()
        yield from _tensor_parts(name, value.to_dense())
    else:
        yield f"{name} {value.dtype} {tuple(value.shape)}\n".encode()
        plain = value.detach().cpu().resolve_conj().resolve_neg().contiguous()
        yield plain.reshape(-1).view(torch.uint8).numpy().data
