"""``direct``: the pixels themselves, held natural by total variation and a norm."""

from __future__ import annotations

from dataclasses import dataclass

from inverter.run.registry import deferred
from inverter.whitebox.methods import METHODS, WhiteboxMethod


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


METHODS.register(
    "direct",
    WhiteboxMethod(deferred("inverter.whitebox.phases.direct:phases"), DirectConfig, needs_prior=False, prompted=False),
)
