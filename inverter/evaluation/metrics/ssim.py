"""``ssim``: structural similarity."""

from inverter.evaluation.metrics import METRICS, ImageMetric
from inverter.losses.quality import ssim

METRICS.register(
    "ssim",
    ImageMetric(title="SSIM", decimals=3, arrow="↑", measure=lambda recon, original, context: ssim(recon, original)),
)
