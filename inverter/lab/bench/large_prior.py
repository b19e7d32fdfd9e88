"""A prior of Stable Diffusion 1.5's shape with random weights: time and memory of its parts, one picture of 512 px."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import torch
from torch import nn

from inverter.lab.bench.config import BenchConfig
from inverter.lab.bench.measurement import Measurement
from inverter.lab.bench.prior_weights import PUBLISHED, build
from inverter.run.memory import peak_memory

LATENTS, IMAGE, PROMPT = (1, 4, 64, 64), (1, 3, 512, 512), (1, 77, 768)
PARTS = ("weights", "encode", "denoise with gradient", "decode")


def measure(config: BenchConfig) -> list[Measurement]:
    """Encode, one denoising step with its gradient, decode; in a process of its own, bf16 weights, once each."""
    device = "cuda" if torch.cuda.is_available() and config.device != "cpu" else "cpu"
    process = subprocess.run([sys.executable, "-m", __spec__.name, device], capture_output=True, text=True)  # type: ignore[name-defined]
    if process.returncode != 0:
        raise RuntimeError(f"the full-size prior ended with status {process.returncode}: {process.stderr[-300:]}")
    rows = json.loads(process.stdout.splitlines()[-1])
    detail = f"Stable Diffusion 1.5's shape, random weights in bf16, one picture of 512 px, {device}"
    return [
        Measurement.of(f"full-size prior: {part}", unit, [rows[part][unit]], detail, more_is_better=False)
        for part in PARTS
        for unit in ("s", "MiB")
    ]


def run(device: torch.device) -> dict[str, dict[str, float]]:
    """Seconds of each part and peak memory of the process (of the GPU where there is one) up to its end."""
    rows: dict[str, dict[str, float]] = {}
    start = time.perf_counter()

    def note(part: str) -> None:
        nonlocal start
        if device.type == "cuda":
            torch.cuda.synchronize()
        rows[part] = {"s": time.perf_counter() - start, "MiB": _peak(device) / 2**20}
        start = time.perf_counter()

    vae, unet = _parts(device)
    note("weights")
    with torch.no_grad():
        vae.encode(torch.rand(IMAGE, device=device, dtype=torch.bfloat16)).latent_dist.mode()
    note("encode")
    latents = torch.randn(LATENTS, device=device, dtype=torch.bfloat16, requires_grad=True)
    conditioning = torch.randn(PROMPT, device=device, dtype=torch.bfloat16)
    output = unet(latents, torch.tensor([500], device=device), encoder_hidden_states=conditioning).sample
    output.float().square().mean().backward()
    note("denoise with gradient")
    with torch.no_grad():
        vae.decode(latents.detach())
    note("decode")
    return rows


def _parts(device: torch.device) -> tuple[nn.Module, nn.Module]:
    """Autoencoder and denoiser with the sizes that Stable Diffusion 1.5 publishes in its configs."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device(device):
            vae, unet = (build(*PUBLISHED["1.5"][part]) for part in ("vae", "unet"))
    finally:
        torch.set_default_dtype(before)
    return vae.eval().requires_grad_(False), unet.eval().requires_grad_(False)


def _peak(device: torch.device) -> int:
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else peak_memory()


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run(torch.device(sys.argv[1]))) + "\n")
