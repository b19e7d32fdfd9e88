"""``psnr``: peak signal-to-noise ratio."""

from inverter.evaluation.metrics import METRICS, ImageMetric
from inverter.losses.quality import psnr

METRICS.register(
    "psnr",
    ImageMetric(
        title="PSNR, dB", decimals=2, arrow="↑", measure=lambda recon, original, context: psnr(recon, original)
    ),
)
