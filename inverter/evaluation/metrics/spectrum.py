"""``spectrum_error``, ``spectrum_high``: how the power of reconstructions is spread, in experiments."""

from inverter.evaluation.metrics import METRICS, Metric

METRICS.register("spectrum_error", Metric(title="error of the spectrum, dB", decimals=2, arrow="↓"))
METRICS.register("spectrum_high", Metric(title="power at high frequencies, dB", decimals=2))
