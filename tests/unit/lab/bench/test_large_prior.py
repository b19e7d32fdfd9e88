import diffusers
import torch

from inverter.lab.bench import large_prior


def test_every_part_is_timed_on_the_same_interface(monkeypatch):
    blocks = {"block_out_channels": (32, 32), "layers_per_block": 1}
    vae = diffusers.AutoencoderKL(
        **blocks,
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=4,
    ).to(torch.bfloat16)
    unet = diffusers.UNet2DConditionModel(
        **blocks,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=16,
        attention_head_dim=8,
    ).to(torch.bfloat16)
    monkeypatch.setattr(large_prior, "_parts", lambda device: (vae, unet))
    monkeypatch.setattr(large_prior, "LATENTS", (1, 4, 8, 8))
    monkeypatch.setattr(large_prior, "IMAGE", (1, 3, 16, 16))
    monkeypatch.setattr(large_prior, "PROMPT", (1, 5, 16))
    rows = large_prior.run(torch.device("cpu"))
    assert tuple(rows) == large_prior.PARTS
    assert all(row["s"] > 0 and row["MiB"] > 50 for row in rows.values())
    peaks = [row["MiB"] for row in rows.values()]
    assert peaks == sorted(peaks)
