"""Where a stage computes, and in which precision: what ``auto`` stands for on this machine."""

import logging
from collections.abc import Mapping
from typing import Any, TypeVar

import torch
from torch import nn

log = logging.getLogger(__name__)
Network = TypeVar("Network", bound=nn.Module)
PRECISIONS = ("auto", "bf16", "fp32")
BF16_INSTRUCTIONS = ("amx_bf16", "avx512_bf16")  # without them, PyTorch's kernels on x86 are many times slower in bf16


def pick_device(name: str) -> str:
    """``auto`` is the first GPU where there is one, which from then on computes fp32 as such and not in TF32.

    Raises:
        ValueError: A name that is not auto, cpu or cuda, or cuda where there is none.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise ValueError(f"device is {name!r}; allowed: auto, cpu, cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("device is 'cuda', but no GPU is at hand; allowed here: auto, cpu")
    if name == "cpu" or not torch.cuda.is_available():
        return "cpu"
    torch.backends.cudnn.allow_tf32 = False  # PyTorch allows it, so that fp32 would convolve with 10 bits of mantissa
    return "cuda"


def place(network: Network, device: str | torch.device) -> Network:
    """A network on a device, in the memory layout whose convolutions are faster there and back."""
    return network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def pick_precision(name: str, device: str | torch.device, key: str = "precision") -> str:
    """``bf16`` (autocast) or ``fp32``; ``auto`` is bf16 where the device has instructions for it.

    Raises:
        ValueError: A name that is not allowed; ``key`` says whose it is.
    """
    if name not in PRECISIONS:
        raise ValueError(f"{key} is {name!r}; allowed: {', '.join(PRECISIONS)}")
    fast = computes_bf16(torch.device(device).type)
    if name == "bf16" and not fast:
        log.warning("%s=bf16 is slow on this %s, which has no instructions for it; auto picks fp32 here", key, device)
    return name if name != "auto" else "bf16" if fast else "fp32"


def computes_bf16(device: str) -> bool:
    """Whether a ``cuda`` or ``cpu`` device multiplies in bfloat16 itself; of a CPU that PyTorch says nothing of: no."""
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # older versions lack it
    return any(capabilities.get(name, False) for name in BF16_INSTRUCTIONS)
