"""``nearest_train_psnr``, ``nearer_to_train``: is it one of the training pictures that came back?

Measured by the pass over the training pairs (:mod:`inverter.evaluation.collect`).
"""

from inverter.evaluation.metrics import METRICS, Metric

METRICS.register("nearest_train_psnr", Metric(title="PSNR to nearest training picture, dB", decimals=2))
METRICS.register("nearer_to_train", Metric(title="share nearer to a training picture", decimals=3, share=True))
