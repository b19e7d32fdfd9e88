"""Toy priors with random weights and small pair shards made with one of them."""

from __future__ import annotations

import functools
import json
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import diffusers
import pytest
import torch
import transformers
from hypothesis import HealthCheck, settings
from inverter_toys import publish_toy

from inverter.blackbox.config import TrainConfig
from inverter.blackbox.models import ModelConfig
from inverter.config import AutoencoderConfig, DataConfig, DenoiserConfig, OptimConfig, TargetConfig, TrainerConfig
from inverter.data import workers
from inverter.data.manifest import Manifest
from inverter.data.shards import ShardWriter
from inverter.priors.families.stable_diffusion import StableDiffusionPrior
from inverter.priors.load import load_prior
from inverter.priors.prior import DiffusionPrior
from inverter.priors.text import build_text_encoder, train_tokenizer
from inverter.priors.training.autoencoder import build_autoencoder
from inverter.priors.training.denoiser import build_scheduler, build_unet
from inverter.targets.spec import RESIZE, TargetSpec

CAPTIONS = ["a red square on the left of a blue wall", "a small dog in front of a green hill", "two boats at night"]
FEATURE_SHAPE = (6, 5, 7)
SIZES = {  # of black-box models, by kind
    "inverter": {"width": 16, "coarse_width": 16, "depth": 1, "head_width": 8, "denoising_every_n_steps": 2},
    "surrogate": {"width": 16, "depth": 1},
}
NUM_TOKENS = 12
SCHEDULERS = {  # as published with Stable Diffusion 1.5 and 2.1
    "epsilon": {"_class_name": "PNDMScheduler", "skip_prk_steps": True},
    "v_prediction": {"_class_name": "DDIMScheduler", "prediction_type": "v_prediction"},
}


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a shell's background jobs, which hand it on
    signal.signal(signal.SIGINT, signal.default_int_handler)
# for tests/smoke
workers.PRELOAD += [f"inverter.stages.{stage}" for stage in ("prepare", "train", "evaluate", "audit")]
settings.register_profile(
    "suite",
    max_examples=200,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.register_profile("thorough", settings.get_profile("suite"), max_examples=10_000, derandomize=False)
settings.load_profile("suite")


@pytest.fixture(scope="session")
def tiny_prior_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prior in the embedded format, 32 px, saved as the training stages save it."""
    folder = tmp_path_factory.mktemp("priors") / "tiny"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        autoencoder = AutoencoderConfig(
            latent_channels=4, widths=[16, 64], encoder_blocks=[1, 1], decoder_blocks=[1, 1], resolution=32
        )
        denoiser = DenoiserConfig(widths=[32, 64], head_dim=16, text_width=32, text_layers=1, num_tokens=NUM_TOKENS)
        tokenizer = train_tokenizer(CAPTIONS, 600, NUM_TOKENS)
        prior = StableDiffusionPrior(
            build_autoencoder(autoencoder),
            build_unet(denoiser, (4, 8, 8)),
            build_scheduler("v_prediction"),
            build_text_encoder(tokenizer, 32, 1),
            tokenizer,
            prompts=CAPTIONS,
        )
        prior.vae.decoder.conv_out.conv.weight.mul_(2)  # a random decoder is nearly grey
    prior.save(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_prior(tiny_prior_folder: Path) -> DiffusionPrior:
    """The prior of ``tiny_prior_folder``; frozen and shared, so tests must not write into it."""
    return load_prior(tiny_prior_folder)


def write_stable_diffusion(folder: Path, prediction_type: str) -> Path:
    """Stable Diffusion 1.5's classes at toy width, 16 px, random weights."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        vae = diffusers.AutoencoderKL(
            block_out_channels=(16, 32),
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
            latent_channels=4,
            norm_num_groups=8,
            sample_size=16,
            scaling_factor=0.18215,
        )
        unet = diffusers.UNet2DConditionModel(
            sample_size=8,
            in_channels=4,
            out_channels=4,
            block_out_channels=(16, 32),
            layers_per_block=1,
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
            cross_attention_dim=32,
            attention_head_dim=4,
            norm_num_groups=8,
        )
        tokenizer = train_tokenizer(CAPTIONS, 600, NUM_TOKENS)
        text_encoder = build_text_encoder(tokenizer, 32, 1)
    scheduler = diffusers.PNDMScheduler() if prediction_type == "epsilon" else diffusers.DDIMScheduler()
    diffusers.StableDiffusionPipeline(
        vae, text_encoder, tokenizer, unet, scheduler, None, None, requires_safety_checker=False
    ).save_pretrained(folder, safe_serialization=True)
    config = {
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "clip_sample": False,
        "num_train_timesteps": 1000,
        "set_alpha_to_one": False,
        "steps_offset": 1,
        **SCHEDULERS[prediction_type],
    }
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="session")
def stable_diffusion(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Function from a prediction type to a Stable Diffusion folder, written at most once."""
    return functools.cache(lambda kind: write_stable_diffusion(tmp_path_factory.mktemp("priors") / kind, kind))


@pytest.fixture(params=sorted(SCHEDULERS))
def sd_prior_folder(request: pytest.FixtureRequest, stable_diffusion: Callable[[str], Path]) -> Path:
    """A Stable Diffusion folder, one for each prediction type."""
    return stable_diffusion(request.param)


@pytest.fixture(scope="session")
def target_spec() -> TargetSpec:
    """Spec of the network that ``tiny_shards`` claim to come from."""
    return TargetSpec(
        name="tiny",
        layer="features.2",
        input_size=16,
        feature_shape=FEATURE_SHAPE,
        payload="identity",
        preprocessing={"resize": RESIZE, "mean": [0.5, 0.5, 0.5], "std": [0.2, 0.2, 0.2]},
        weights_sha256="0" * 64,
    )


@pytest.fixture(scope="session")
def tiny_shards(tmp_path_factory: pytest.TempPathFactory, tiny_prior: DiffusionPrior, target_spec: TargetSpec) -> Path:
    """Folder with ``train/`` (10 pairs) and ``dev/`` (5); features are the pictures' means, shrunk and mixed."""
    root = tmp_path_factory.mktemp("shards")
    generator = torch.Generator().manual_seed(0)
    mixing = torch.randn(FEATURE_SHAPE[0], 3, generator=generator)
    for split, count in (("train", 10), ("dev", 5)):
        folder = root / split
        folder.mkdir()
        coarse = torch.rand(count, 3, 4, 4, generator=generator)
        images = (torch.nn.functional.interpolate(coarse, size=32, mode="bicubic").clamp(0, 1) * 255).round().byte()
        pictures = images.float() / 255
        shrunk = torch.nn.functional.adaptive_avg_pool2d(pictures, FEATURE_SHAPE[1:])
        features = torch.einsum("dc,bchw->bdhw", mixing, shrunk)
        with torch.no_grad():
            latents = tiny_prior.encode(pictures)
        with ShardWriter(folder, 0, "float32") as writer:
            for index in range(count):
                writer.add(f"{split}-{index}", images[index], features[index], latents=latents[index], label=index)
        assert writer.record is not None
        Manifest(
            split=split,
            target=target_spec,
            prior="tiny",
            autoencoder_sha256=tiny_prior.autoencoder_sha256,
            source="folder:pictures",
            num_pairs=count,
            num_sources=count,
            resolution=32,
            feature_dtype="float32",
            feature_mean=writer.record.statistics.mean.tolist(),
            feature_std=writer.record.statistics.std.tolist(),
            latents=True,
            shards=[writer.record.info],
            threat_model="black-box",
            seed=0,
            augment="none",
        ).save(folder)
    return root


@pytest.fixture(scope="session")
def tiny_published(
    tmp_path_factory: pytest.TempPathFactory, tiny_prior: DiffusionPrior, target_spec: TargetSpec
) -> Path:
    """A published inverter of ``tiny_prior`` for the features of ``tiny_shards``, untrained."""
    folder = tmp_path_factory.mktemp("published") / "toy"
    publish_toy(folder, tiny_prior, target_spec)
    return folder


@pytest.fixture(scope="session")
def train_config(tiny_shards: Path, tiny_prior_folder: Path) -> Callable[..., TrainConfig]:
    """Function from an output folder to a config that trains for a moment; keywords go to ``OptimConfig``."""

    def make(output: Path, kind: str = "inverter", **optim: object) -> TrainConfig:
        settings = {"max_steps": 4, "max_time": None, "precision": "fp32", "warmup_steps": 2, "patience": None}
        return TrainConfig(
            target=TargetConfig(name="tiny", layer="features.2", input_size=16),
            prior=str(tiny_prior_folder),
            data=DataConfig(path=str(tiny_shards), batch_size=4, num_workers=0),
            model=replace(ModelConfig.of_kind(kind), **SIZES.get(kind, {})),
            optim=OptimConfig(**{**settings, **optim}),  # type: ignore[arg-type]
            trainer=TrainerConfig(device="cpu", every_n_seconds=0, progress=False),
            output=str(output),
        )

    return make


@pytest.fixture(autouse=True)
def keep_random_state() -> Iterator[None]:
    """No test depends on the random numbers that another one drew."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.fixture(scope="session", autouse=True)
def quiet_libraries() -> None:
    """Progress bars and notices of the libraries would hide what a failing test prints."""
    diffusers.utils.logging.set_verbosity_error()
    diffusers.utils.logging.disable_progress_bar()
    transformers.utils.logging.disable_progress_bar()
