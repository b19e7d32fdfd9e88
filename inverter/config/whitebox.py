"""Configuration of the white-box methods.

Values of the paper (arXiv:2412.10448) are marked so, as are those of DRAG (ICML 2025); the paper does not say how many
denoising steps are differentiated, how many iterations are made, which form the total variation has and how much
neighbouring frames count. There the default is ours.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class LoopConfig:
    distance: str = "mse"  # mse (normalised, ours) | sum (the paper's plain sum of squares) | cosine (DRAG's)
    statistics: str = "auto"  # what mse is normalised by: auto | inverter | features | folder of a manifest.json
    max_queries: int | None = None  # target queries an image; null: as many as the method has steps
    max_seconds: float | None = None  # an image; a batch of n images has n times as long
    tolerance: float = 0.0  # feature loss at which an image is finished
    patience: int | None = 200  # steps without min_improvement that finish an image; not where a schedule is run out
    min_improvement: float = 1e-3  # share of the feature loss
    precision: str = "fp32"  # fp32 | bf16 (autocast; a step that is not finite is done again in fp32) | auto
    save_every_n_seconds: float = 30.0  # between two states that a stopped run goes on from
    resume: bool = True  # go on from OUTPUT/state when it is there


@dataclass
class DirectConfig:
    num_steps: int = 500  # DRAG's and GLASS's rMLE make 20,000
    lr: float = 0.1  # Adam (0.9, 0.999); the paper's rate, DRAG's rMLE 0.05
    lr_decay: str = "cosine"  # cosine | constant
    tv_weight: float = 2.0  # at first, of the norm below; ours: DRAG has 1.5, GLASS 0.01 to 2, of other distances
    tv_decay: str = "cosine"  # cosine | constant
    tv_beta: float = 1.0  # 1: absolute differences | 2: squared (Mahendran and Vedaldi, rMLE)
    norm_weight: float = 0.0  # of the mean of |2 x - 1| ** norm_alpha
    norm_alpha: float = 6.0  # Mahendran and Vedaldi
    init_std: float = 0.1  # of the noise on grey that pixels start from


@dataclass
class LatentConfig:
    num_steps: int = 300  # ours: the paper is silent
    lr: float = 0.1  # Adam (0.9, 0.999), the paper's rate
    lr_decay: str = "cosine"  # cosine | constant; ours
    num_inference_steps: int = 4  # DDIM steps of the whole schedule, all differentiated; 0: decoder alone; ours
    strength: float = 1.0  # share of the schedule that is run; below 1 z starts at an inverter's latents, noised; ours
    kept_steps: int = 1  # last steps that keep what they computed for the gradient; those before compute it again
    jacobian_free: bool = False  # skip the denoiser's gradient: the latents' goes straight through; ours
    tv_weight: float = 1e-3  # ours, for a normalised mean; the paper's is 1, with distance=sum
    tv_beta: float = 1.0  # ours: the paper does not say which form
    optimise_conditioning: bool = False
    conditioning_lr: float = 1e-2  # ours


@dataclass
class GuidedConfig:
    num_inference_steps: int = 250  # DRAG's; fewer where max_queries is less
    num_recurrences: int = 16  # gradient steps at each timestep, DRAG's; fewer first where max_queries is less
    eta: float = 1.0  # DRAG's
    guidance: float = 0.2  # share of the guided direction in the noise, DRAG's w
    clip: float = 0.02  # norm that an image's gradient is clipped to before smoothing, DRAG's
    betas: list[float] = field(default_factory=lambda: [0.9, 0.999])  # Adam's moments, which smooth the direction
    l2_weight: float = 0.01  # of the mean square of the picture in [-1, 1], DRAG's
    tv_weight: float = 0.0  # DRAG's for latent priors
    strength: float = 0.3  # with start=inverter, DRAG++'s
    start: str = "noise"  # noise | inverter (DRAG++)
    jacobian_free: bool = False  # skip the denoiser's gradient; ours


@dataclass
class HybridConfig:
    num_steps: int = 200
    lr: float = 0.1
    lr_decay: str = "cosine"
    tv_weight: float = 1e-3
    prior_every_n_steps: int = 4  # between two calls of the denoiser; 0 never calls it
    prior_until: float = 0.3  # share of the steps in which it is called
    strength: float | None = None  # of the first call's noise; null: 0.15 where settled, else 0.8; 1 without a start
    polish: str = "auto"  # auto: where settled | true | false
    settled_ratio: float = 2.0  # numbers that travel over the picture's from which a layer counts as settling pixels
    pixels: DirectConfig = field(
        default_factory=lambda: DirectConfig(num_steps=300, lr=0.02, tv_weight=1e-4, tv_decay="constant")
    )


@dataclass
class SmoothingConfig:
    weight: float = 0.0  # of mean (z_i - z_(i-1))^2 over frames and numbers; ours: the paper sums, and gives no figure
    robust: bool = True  # a pair's weight falls with the distance of the frames' features; false is the paper's form
    robust_scale: float = 2.0  # distance, in medians of the clip, at which a pair's weight is 1/e
    warm_start: bool = True  # a frame starts where the frame before it does or did
    window: int = 16  # frames inverted jointly
    overlap: int = 2  # frames that a window shares with the one before


@dataclass
class MethodsConfig:
    loop: LoopConfig = field(default_factory=LoopConfig)
    direct: DirectConfig = field(default_factory=DirectConfig)
    latent: LatentConfig = field(default_factory=LatentConfig)
    guided: GuidedConfig = field(default_factory=GuidedConfig)
    hybrid: HybridConfig = field(default_factory=HybridConfig)
    smoothing: SmoothingConfig = field(default_factory=SmoothingConfig)
