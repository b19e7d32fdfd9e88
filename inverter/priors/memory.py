"""What a prior takes of memory: the precision of its weights, where they wait, and how much is decoded at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from accelerate import cpu_offload
from accelerate.hooks import CpuOffload, UserCpuOffloadHook, add_hook_to_module, remove_hook_from_module
from torch import Tensor, nn

from inverter.config.memory import MemoryConfig

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
OFFLOADS = ("none", "model", "sequential")
HALVES = (torch.float16, torch.bfloat16)


def check_memory(memory: MemoryConfig, device: str | torch.device = "cuda", *, trains: bool = False) -> None:
    """Refuse what cannot be done on a device, or where the prior is differentiated.

    Args:
        memory: As configured.
        device: Where the prior will compute.
        trains: Whether gradients go through the prior.
    Raises:
        ValueError: A value that is not allowed, at all or here.
    """
    _check_names(memory)
    if memory.offload != "none":
        if trains:
            raise ValueError(
                f"memory.offload is {memory.offload!r}; allowed where gradients go through the prior: none"
            )
        if torch.device(device).type == "cpu":
            raise ValueError(f"memory.offload is {memory.offload!r}, which needs a GPU; allowed on a CPU: none")
    if trains and memory.precision == "fp16":
        raise ValueError(
            "memory.precision is 'fp16', in which gradients vanish; allowed where they go through the prior: fp32, bf16"
        )


def _check_names(memory: MemoryConfig) -> None:
    for key, allowed in (("precision", tuple(DTYPES)), ("offload", OFFLOADS)):
        if (value := getattr(memory, key)) not in allowed:
            raise ValueError(f"memory.{key} is {value!r}; allowed: {', '.join(allowed)}")


def weights_dtype(memory: MemoryConfig) -> torch.dtype:
    """What weights are kept in.

    Raises:
        ValueError: A value that is not allowed.
    """
    _check_names(memory)
    return DTYPES[memory.precision]


def keep_finite(vae: nn.Module) -> nn.Module:
    """The autoencoder, in float32 where float16 was asked for and its config says that it overflows there."""
    half = next(vae.parameters()).dtype == torch.float16
    return vae.float() if half and vae.config.get("force_upcast") else vae


def divide(vae: nn.Module, memory: MemoryConfig, latent_side: int, image_side: int) -> None:
    """Let the autoencoder take pictures one by one, or in tiles.

    Raises:
        ValueError: It cannot.
    """
    for key, attribute in (("vae_slicing", "use_slicing"), ("vae_tiling", "tile_latent_min_size")):
        if getattr(memory, key) and not hasattr(vae, attribute):
            raise ValueError(f"memory.{key} is true, which {type(vae).__name__} cannot do; allowed: false")
    if memory.vae_slicing:
        vae.enable_slicing()
    if memory.vae_tiling:  # diffusers' tiles are as large as the pictures that the autoencoder was trained on
        vae.enable_tiling()
        vae.tile_latent_min_size, vae.tile_sample_min_size = latent_side // 2, image_side // 2


@contextmanager
def own_precision(network: nn.Module, given: Tensor) -> Iterator[torch.dtype]:
    """In which dtype a network takes an input: as given, or that of weights in half precision, without autocast.

    Outside of autocast an input in half precision is taken in that of the weights.
    """
    dtype = next(network.parameters(), given).dtype
    if dtype not in HALVES:
        rounded = given.dtype in HALVES and not torch.is_autocast_enabled(given.device.type)
        yield dtype if rounded else given.dtype
        return
    with torch.autocast(given.device.type, enabled=False):
        yield dtype


class OneOnDevice(CpuOffload):
    """Before a part computes, the others leave the device; diffusers' order of parts is that of one picture drawn."""

    def __init__(self, device: torch.device, others: Sequence[nn.Module]) -> None:
        super().__init__(device)
        self.others = others

    def pre_forward(self, module: nn.Module, *args: Any, **kwargs: Any) -> Any:
        for other in self.others:
            other.to("cpu")
        return super().pre_forward(module, *args, **kwargs)


def offload(parts: Sequence[nn.Module], how: str, device: torch.device) -> None:
    """Keep the weights of a prior's parts on the CPU while they do not compute on ``device``.

    Args:
        parts: On the CPU.
        how: ``model``, a part at a time, or ``sequential``, a layer at a time.
        device: Where they compute.
    """
    if device.type == "cuda" and device.index is None:
        device = torch.device("cuda", torch.cuda.current_device())
    for part in parts:
        if how == "model":
            hook = OneOnDevice(device, [other for other in parts if other is not part])
            add_hook_to_module(part, hook, append=True)
            UserCpuOffloadHook(part, hook).offload()
        else:
            cpu_offload(part, device, offload_buffers=bool(part._parameters))


def undo_offload(parts: Sequence[nn.Module]) -> None:
    """All weights back on the CPU."""
    for part in parts:
        remove_hook_from_module(part, recurse=True)
        part.to("cpu")
